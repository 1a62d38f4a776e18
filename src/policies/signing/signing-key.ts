import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';

type JsonWebKey = webcrypto.JsonWebKey;

/** A key pair that signs identity tokens. Only its public half ever leaves the process and its state directory. */
export interface SigningKey {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly privateKey: JsonWebKey;
  readonly publicKey: PublicKey;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Services must have had time to learn of it. */
  readonly signsFrom: number;
}

export const signingAlgorithms = ['ES256', 'EdDSA', 'RS256'] as const;
export type SigningAlgorithm = (typeof signingAlgorithms)[number];

/** A public key as a JWK set has it (RFC 7517, 4). */
export interface PublicKey extends Readonly<Record<string, unknown>> {
  readonly kty: string;
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly use: 'sig';
}

/** What workers sign with: the one entry of the feed `signing-key`. */
export interface ActiveKey {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly privateKey: JsonWebKey;
}
export const SIGNING_KEY_FEED = 'signing-key';
export const ACTIVE = 'active';
/** Public keys by `kid`, of this process and of those it shares its store with. */
export const PUBLIC_KEYS_FEED = 'public-keys';

const makePair = promisify(generateKeyPair);
const RSA_BITS = 2048;

export async function makeSigningKey(
  algorithm: SigningAlgorithm,
  createdAt: number,
  signsFrom: number,
): Promise<SigningKey> {
  const { privateKey } = await pairFor(algorithm);
  return signingKeyOf(algorithm, privateKey.export({ format: 'jwk' }), createdAt, signsFrom);
}

function pairFor(algorithm: SigningAlgorithm) {
  switch (algorithm) {
    case 'ES256':
      return makePair('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return makePair('ed25519', {});
    case 'RS256':
      return makePair('rsa', { modulusLength: RSA_BITS });
  }
}

/** Throws when it is no private key, or none for this algorithm. */
export function signingKeyOf(
  algorithm: SigningAlgorithm,
  privateKey: JsonWebKey,
  createdAt: number,
  signsFrom: number,
): SigningKey {
  const half = createPublicKey(createPrivateKey({ key: privateKey, format: 'jwk' })).export({ format: 'jwk' });
  const members = publicMembers(algorithm, half);
  if (members === null) throw new Error(`this is no key for ${algorithm}`);
  // RFC 7638: the same key has the same name everywhere, and another one never has it.
  const kid = createHash('sha256').update(JSON.stringify(members)).digest('base64url');
  const publicKey = { ...members, kid, alg: algorithm, use: 'sig' } as const;
  return { kid, algorithm, privateKey, publicKey, createdAt, signsFrom };
}

/** A key that came from outside: none but public members of the right shape are taken over. */
export function readPublicKey(given: unknown): PublicKey | null {
  if (typeof given !== 'object' || given === null) return null;
  const { kid, alg } = given as Record<string, unknown>;
  const algorithm = signingAlgorithms.find((each) => each === alg);
  if (algorithm === undefined || typeof kid !== 'string' || kid.length > 200) return null;
  const members = publicMembers(algorithm, given as JsonWebKey);
  return members === null ? null : { ...members, kid, alg: algorithm, use: 'sig' };
}

/** Required members in the order of RFC 7638, 3.2. */
function publicMembers(
  algorithm: SigningAlgorithm,
  { kty, crv, x, y, n, e }: JsonWebKey,
): ({ readonly kty: string } & Readonly<Record<string, string>>) | null {
  switch (algorithm) {
    case 'ES256':
      return kty === 'EC' && crv === 'P-256' && isText(x) && isText(y) ? { crv, kty, x, y } : null;
    case 'EdDSA':
      return kty === 'OKP' && crv === 'Ed25519' && isText(x) ? { crv, kty, x } : null;
    case 'RS256':
      return kty === 'RSA' && isText(e) && isText(n) ? { e, kty, n } : null;
  }
}

function isText(member: unknown): member is string {
  return typeof member === 'string' && /^[A-Za-z0-9_-]{1,2000}$/.test(member);
}
