import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { algorithms } from '../../src/semantics/jwa.ts';

/** Tokens made by hand, right and wrong: whatever a test writes is what is signed. */

export interface Signer {
  readonly algorithm: string;
  readonly kid: string;
  /** An issuer's private key, or a secret. */
  readonly key: KeyObject | Buffer;
  /** With `kid`; null for a secret. */
  readonly jwk: Readonly<Record<string, unknown>> | null;
}

export function signer(algorithm: string, kid = `key-${algorithm}`): Signer {
  const { privateKey, publicKey } = pairFor(algorithm);
  return { algorithm, kid, key: privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } };
}

export function secretSigner(algorithm: string, secret: Buffer, kid = 'secret'): Signer {
  return { algorithm, kid, key: secret, jwk: null };
}

function pairFor(algorithm: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const { family, curves } = algorithms.get(algorithm) ?? { family: null, curves: [] };
  if (family === 'RSA') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (family === 'EC') return generateKeyPairSync('ec', { namedCurve: curves[0] as string });
  if (family === 'EdDSA') return generateKeyPairSync(curves[0] as 'ed25519');
  throw new Error(`there are no key pairs for ${algorithm}`);
}

/** JSON text or what becomes it. */
export type Part = string | object;

export function encoded(part: Part | Buffer): string {
  const bytes = Buffer.isBuffer(part) ? part : typeof part === 'string' ? part : JSON.stringify(part);
  return Buffer.from(bytes).toString('base64url');
}

/** A token whose header says what the signer is; `header` adds to it, or takes its place when it is text. */
export function tokenOf(by: Signer, claims: Part | Buffer, header: Part = {}): string {
  const head = typeof header === 'string' ? header : { alg: by.algorithm, kid: by.kid, ...header };
  const input = `${encoded(head)}.${encoded(claims)}`;
  return `${input}.${signatureOf(by, input).toString('base64url')}`;
}

export function signatureOf({ algorithm, key }: Signer, text: string): Buffer {
  const input = Buffer.from(text, 'latin1');
  const { family, digest, isPss } = algorithms.get(algorithm) ?? { family: null, digest: null, isPss: false };
  if (Buffer.isBuffer(key))
    return createHmac(digest as string, key)
      .update(input)
      .digest();
  if (family === 'EC') return sign(digest, input, { key, dsaEncoding: 'ieee-p1363' });
  return isPss ? sign(digest, input, { key, padding: 6, saltLength: -1 }) : sign(digest, input, key);
}

export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
