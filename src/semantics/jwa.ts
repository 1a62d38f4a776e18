import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

/** The signature algorithms of JSON Web Signatures: RFC 7518, 3; RFC 8037, 3.1; RFC 9864, 2. */
export type AlgorithmFamily = 'HMAC' | 'RSA' | 'EC' | 'EdDSA';

export interface Algorithm {
  readonly name: string;
  readonly family: AlgorithmFamily;
  /** OpenSSL's name; null where the scheme has its own. */
  readonly digest: string | null;
  /** HMAC: bytes that a secret must have at least (RFC 7518, 3.2). EC and EdDSA: bytes of a signature. RSA: 0. */
  readonly bytes: number;
  /** EC: OpenSSL's name of the curve. EdDSA: the types of key that it is for. Else empty. */
  readonly curves: readonly string[];
  readonly isPss: boolean;
}

function define(name: string, family: AlgorithmFamily, digest: string | null, rest: Partial<Algorithm>): Algorithm {
  return Object.freeze({ name, family, digest, bytes: 0, curves: [], isPss: false, ...rest });
}

const list: readonly Algorithm[] = [
  define('RS256', 'RSA', 'sha256', {}),
  define('RS384', 'RSA', 'sha384', {}),
  define('RS512', 'RSA', 'sha512', {}),
  define('PS256', 'RSA', 'sha256', { isPss: true }),
  define('PS384', 'RSA', 'sha384', { isPss: true }),
  define('PS512', 'RSA', 'sha512', { isPss: true }),
  define('ES256', 'EC', 'sha256', { curves: ['prime256v1'], bytes: 64 }),
  define('ES384', 'EC', 'sha384', { curves: ['secp384r1'], bytes: 96 }),
  define('ES512', 'EC', 'sha512', { curves: ['secp521r1'], bytes: 132 }),
  define('EdDSA', 'EdDSA', null, { curves: ['ed25519', 'ed448'] }),
  define('Ed25519', 'EdDSA', null, { curves: ['ed25519'], bytes: 64 }),
  define('Ed448', 'EdDSA', null, { curves: ['ed448'], bytes: 114 }),
  define('HS256', 'HMAC', 'sha256', { bytes: 32 }),
  define('HS384', 'HMAC', 'sha384', { bytes: 48 }),
  define('HS512', 'HMAC', 'sha512', { bytes: 64 }),
];

export const algorithms: ReadonlyMap<string, Algorithm> = new Map(list.map((each) => [each.name, each]));
export const algorithmNames = list.map(({ name }) => name) as [string, ...string[]];

/** One algorithm with one key, prepared: what is left per signature is the arithmetic. */
export type Verifier = (input: Buffer, signature: Buffer) => boolean;

/** The key has to be of the algorithm's family and curve: `verification-key.ts` sees to it. */
export function verifierOf({ family, digest, bytes, isPss }: Algorithm, key: KeyObject): Verifier {
  switch (family) {
    case 'HMAC':
      return (input, signature) => {
        const expected = createHmac(digest as string, key)
          .update(input)
          .digest();
        return expected.length === signature.length && timingSafeEqual(expected, signature);
      };
    case 'RSA': {
      if (!isPss) return (input, signature) => verify(digest, input, key, signature);
      const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
      const pss = { key, padding, saltLength };
      return (input, signature) => verify(digest, input, pss, signature);
    }
    case 'EC': {
      // Both numbers at full length one after the other (RFC 7518, 3.4), and never DER.
      const ec = { key, dsaEncoding: 'ieee-p1363' } as const;
      return (input, signature) => signature.length === bytes && verify(digest, input, ec, signature);
    }
    case 'EdDSA':
      return (input, signature) => verify(null, input, key, signature);
  }
}
