import { createPrivateKey, type KeyObject, type SignKeyObjectInput, sign } from 'node:crypto';
import type { Feed } from '../../plan/feed.ts';
import { ACTIVE, type ActiveKey, type SigningAlgorithm } from './signing-key.ts';

/** Makes compact JWTs (RFC 7515, 7.1) in a worker, with the key that signs at the moment. */
export class TokenSigner {
  readonly #feed: Feed<ActiveKey>;
  #version = 0;
  #header = '';
  #key: { readonly object: SignKeyObjectInput; readonly digest: string | null } | null = null;

  constructor(feed: Feed<ActiveKey>) {
    this.#feed = feed;
  }

  /** Of the key: what was signed under another one is still good. */
  sign(claims: Readonly<Record<string, unknown>>): string | null {
    const key = this.#current();
    if (key === null) return null;
    const input = `${this.#header}.${encode(claims)}`;
    return `${input}.${sign(key.digest, Buffer.from(input), key.object).toString('base64url')}`;
  }

  #current(): { readonly object: SignKeyObjectInput; readonly digest: string | null } | null {
    if (this.#version === this.#feed.version) return this.#key;
    this.#version = this.#feed.version;
    const active = this.#feed.get(ACTIVE);
    this.#key = null;
    if (active === undefined) return null;
    const { kid, algorithm, privateKey } = active;
    this.#header = encode({ alg: algorithm, typ: 'JWT', kid });
    this.#key = keyFor(algorithm, createPrivateKey({ key: privateKey, format: 'jwk' }));
    return this.#key;
  }
}

function keyFor(algorithm: SigningAlgorithm, key: KeyObject): { object: SignKeyObjectInput; digest: string | null } {
  switch (algorithm) {
    case 'ES256':
      // RFC 7518, 3.4: both numbers side by side, not in DER.
      return { object: { key, dsaEncoding: 'ieee-p1363' }, digest: 'sha256' };
    case 'EdDSA':
      return { object: { key }, digest: null };
    case 'RS256':
      return { object: { key }, digest: 'sha256' };
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
