import { createPublicKey, createSecretKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { Parsed } from '../base/units.ts';
import { type Algorithm, algorithms, type Verifier, verifierOf } from './jwa.ts';

/** Below, a signature can be forged with money (RFC 7518, 3.3); above, one verification takes a millisecond. */
const RSA_BITS = { min: 2048, max: 8192 };
const MAX_EXPONENT = 0xffff_ffffn;

/**
 * A key together with what it may be used for. The binding is made where the key comes from: what a token says about
 * algorithms picks among what its key allows and can add nothing (RFC 8725, 3.1).
 */
export class VerificationKey {
  readonly kid: string | null;
  readonly #verifiers: ReadonlyMap<string, Verifier>;

  constructor(kid: string | null, key: KeyObject, allowed: readonly Algorithm[]) {
    this.kid = kid;
    this.#verifiers = new Map(allowed.map((algorithm) => [algorithm.name, verifierOf(algorithm, key)]));
  }

  get algorithms(): Iterable<string> {
    return this.#verifiers.keys();
  }

  allows(algorithm: string): boolean {
    return this.#verifiers.has(algorithm);
  }

  verifies(algorithm: string, input: Buffer, signature: Buffer): boolean {
    const verifier = this.#verifiers.get(algorithm);
    return verifier?.(input, signature) ?? false;
  }
}

/** A public key as RFC 7517 writes it. `alg` binds it to one algorithm; without it, to those of its type. */
export function keyFromJwk(jwk: Readonly<Record<string, unknown>>): Parsed<VerificationKey> {
  const { kty, kid, alg, use, key_ops: operations } = jwk;
  if (kty === 'oct') return unfit('this is a secret and not a public key', 'Write it as `secret`.');
  if (Object.hasOwn(jwk, 'd')) return unfit('this is a private key', 'Leave out its private members: `d`, `p`, `q`, …');
  if (kid !== undefined && typeof kid !== 'string') return unfit('`kid` is not text', 'Write `kid` as text.');
  const isForSignatures =
    (use === undefined || use === 'sig') &&
    (operations === undefined || (Array.isArray(operations) && operations.includes('verify')));
  if (!isForSignatures) return unfit('this key is not for signatures', 'Use a key with `use: sig`.');
  const key = load(() => createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' }));
  if (key === null) return unfit('this is not a public key', 'Write it as RFC 7517 says, with `kty` and its numbers.');
  return bind(kid ?? null, key, alg === undefined ? null : String(alg));
}

/** PEM text: a public key or a certificate, of which only the key counts. */
export function keyFromPem(pem: string): Parsed<VerificationKey> {
  // Node would take the public half of it, and whoever wrote it here would never hear that it does not belong here.
  if (pem.includes('PRIVATE KEY')) return unfit('this is a private key', 'Give the public key: only issuers sign.');
  const key = load(() => createPublicKey(pem));
  return key === null
    ? unfit('this is not a public key in PEM', 'Begin with `-----BEGIN PUBLIC KEY-----`, or read it with `${file:…}`.')
    : bind(null, key, null);
}

/** A secret for as many of the algorithms as are named; it has to be long enough for each. */
export function keyFromSecret(secret: Buffer, names: readonly string[]): Parsed<VerificationKey> {
  const allowed = names.flatMap((name) => algorithms.get(name) ?? []).filter(({ family }) => family === 'HMAC');
  for (const { name, bytes } of allowed) {
    if (secret.length >= bytes) continue;
    const message = `a secret for ${name} needs ${bytes} bytes; this one has ${secret.length}`;
    return unfit(message, 'Make one with `openssl rand -base64 64`, here and at the issuer.');
  }
  return { ok: true, value: new VerificationKey(null, createSecretKey(secret), allowed) };
}

function bind(kid: string | null, key: KeyObject, alg: string | null): Parsed<VerificationKey> {
  const byType = algorithmsOf(key);
  if (byType.length === 0) return unfit('no algorithm is known for this type of key', 'Use RSA, P-256, or Ed25519.');
  const problem = weaknessOf(key);
  if (problem !== null) return unfit(problem, 'Use RSA with 2048 to 8192 bits, P-256 or Ed25519.');
  const allowed = alg === null ? byType : byType.filter(({ name }) => name === alg);
  if (allowed.length > 0) return { ok: true, value: new VerificationKey(kid, key, allowed) };
  const possible = byType.map(({ name }) => name).join(', ');
  return unfit(`this key is not for ${JSON.stringify(alg)}`, `Its \`alg\` may be ${possible}.`);
}

function algorithmsOf(key: KeyObject): Algorithm[] {
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: details = {} } = key;
  const all = [...algorithms.values()];
  if (type === 'rsa') return all.filter(({ family }) => family === 'RSA');
  const curve = type === 'ec' ? (details.namedCurve ?? '') : type;
  return all.filter(({ curves }) => curves.includes(curve));
}

function weaknessOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | null {
  if (asymmetricKeyType !== 'rsa') return null;
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS.min || modulusLength > RSA_BITS.max) return `this RSA key has ${modulusLength} bits`;
  // With 1, anything is its own signature.
  const isUsual = publicExponent >= 3n && publicExponent <= MAX_EXPONENT && publicExponent % 2n === 1n;
  return isUsual ? null : 'this RSA key has an unusual exponent';
}

function load(make: () => KeyObject): KeyObject | null {
  try {
    return make();
  } catch {
    return null;
  }
}

function unfit(message: string, remedy: string): Parsed<VerificationKey> {
  return { ok: false, message, remedy };
}
