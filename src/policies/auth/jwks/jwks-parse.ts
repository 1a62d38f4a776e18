import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { PublicJwk } from './jwks-feed.ts';

/** What a JWK Set has for verifying signatures, and why the rest of it was left out. */
export interface ParsedJwks {
  readonly keys: readonly PublicJwk[];
  readonly ignored: readonly IgnoredKey[];
}

export interface IgnoredKey {
  readonly kid: string | null;
  readonly reason: string;
}

/** The largest sets seen in the field (key per tenant or per region) have some thirty. */
export const MAX_KEYS = 100;
const MAX_KID = 256;
/** RFC 7518, 3.3: at least 2048 bits. The upper bound keeps one verification below half a millisecond. */
const RSA_BITS = { min: 2048, max: 8192 };

/** RFC 7517, 4.3: members that only a private key has (RFC 7518, 6.2.2 and 6.3.2; RFC 8037, 2), and a secret's. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

interface Curve {
  /** Bytes of each coordinate: leading zeros are kept (RFC 7518, 6.2.1.2). */
  readonly size: number;
  readonly algorithms: readonly string[];
}
const EC_CURVES: Readonly<Record<string, Curve>> = {
  'P-256': { size: 32, algorithms: ['ES256'] },
  'P-384': { size: 48, algorithms: ['ES384'] },
  'P-521': { size: 66, algorithms: ['ES512'] },
};
const OKP_CURVES: Readonly<Record<string, Curve>> = {
  Ed25519: { size: 32, algorithms: ['EdDSA', 'Ed25519'] },
  Ed448: { size: 57, algorithms: ['EdDSA', 'Ed448'] },
};

type Members = Readonly<Record<string, unknown>>;

/** A member of the set that is of no use here (RFC 7517, 5: ignored, and the others are used). */
class Unusable extends Error {}

/**
 * Throws on what is no JWK Set, and on one without a single usable key: an issuer that withdraws everything is far less
 * likely than one that is broken.
 */
export function parseJwks(document: unknown): ParsedJwks {
  if (!isObject(document) || !Array.isArray(document.keys)) throw new Error('is not a JWK Set');
  const members: readonly unknown[] = document.keys;
  if (members.length > MAX_KEYS) throw new Error(`has ${members.length} keys, more than ${MAX_KEYS}`);
  const keys: PublicJwk[] = [];
  const ignored: IgnoredKey[] = [];
  for (const member of members) {
    try {
      keys.push(publicKey(member));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      ignored.push({ kid: kidForPeople(member), reason: error.message });
    }
  }
  if (keys.length > 0) return { keys, ignored };
  const reasons = [...new Set(ignored.map(({ reason }) => reason))].join(', ');
  throw new Error(members.length === 0 ? 'has no keys' : `has no usable key (${reasons})`);
}

function publicKey(member: unknown): PublicJwk {
  if (!isObject(member)) throw new Unusable('not an object');
  // Whoever can read the set could sign with it.
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(member, name))) throw new Unusable('not a public key');
  checkPurpose(member);
  const { kty } = member;
  if (kty === 'RSA') return rsaKey(member);
  if (kty === 'EC') return curveKey(member, 'EC', EC_CURVES, ['x', 'y']);
  if (kty === 'OKP') return curveKey(member, 'OKP', OKP_CURVES, ['x']);
  throw new Unusable('unknown type');
}

function checkPurpose({ use, key_ops: operations }: Members): void {
  if (use !== undefined && use !== 'sig') throw new Unusable('not for signatures');
  if (operations === undefined) return;
  if (!Array.isArray(operations) || !operations.includes('verify')) throw new Unusable('not for signatures');
}

function rsaKey(member: Members): PublicJwk {
  const [n, e] = [binary(member, 'n'), binary(member, 'e')];
  const common = named(member, RSA_ALGORITHMS);
  const { modulusLength = 0, publicExponent = 0n } = load({ kty: 'RSA', n, e }).asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS.min) throw new Unusable(`RSA below ${RSA_BITS.min} bits`);
  if (modulusLength > RSA_BITS.max) throw new Unusable(`RSA above ${RSA_BITS.max} bits`);
  // 1 makes a signature of anything; a large one makes each verification slow.
  if (publicExponent < 3n || publicExponent > 0xffff_ffffn || publicExponent % 2n === 0n) {
    throw new Unusable('RSA with an unusual exponent');
  }
  return { kty: 'RSA', ...common, n, e };
}

function curveKey(
  member: Members,
  kty: 'EC' | 'OKP',
  curves: Readonly<Record<string, Curve>>,
  coordinates: readonly ('x' | 'y')[],
): PublicJwk {
  const { crv } = member;
  const curve = typeof crv === 'string' && Object.hasOwn(curves, crv) ? curves[crv] : undefined;
  if (typeof crv !== 'string' || curve === undefined) throw new Unusable('unknown curve');
  const common = named(member, curve.algorithms);
  const point: { x?: string; y?: string } = {};
  for (const coordinate of coordinates) point[coordinate] = binary(member, coordinate, curve.size);
  // A point beside its curve does not load.
  load({ kty, crv, ...point });
  return { kty, ...common, crv, ...point };
}

function named({ kid, alg }: Members, algorithms: readonly string[]): { kid?: string; alg?: string } {
  if (kid !== undefined && !isKid(kid)) throw new Unusable('malformed key id');
  if (alg !== undefined && (typeof alg !== 'string' || !algorithms.includes(alg))) {
    throw new Unusable('for another algorithm');
  }
  return { ...(kid !== undefined && { kid }), ...(alg !== undefined && { alg }) };
}

/** Base64url as RFC 7515, 2 has it: no padding, no other bits set after the last byte. */
function binary(member: Members, name: string, size?: number): string {
  const value = member[name];
  if (typeof value !== 'string' || value === '') throw new Unusable(`without \`${name}\``);
  const bytes = Buffer.from(value, 'base64url');
  if (bytes.toString('base64url') !== value || (size !== undefined && bytes.length !== size)) {
    throw new Unusable(`malformed \`${name}\``);
  }
  return value;
}

function load(key: webcrypto.JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    throw new Unusable('malformed key');
  }
}

/** It is shown to people: no control characters. */
function isKid(kid: unknown): kid is string {
  return typeof kid === 'string' && kid.length <= MAX_KID && !/\p{Cc}/u.test(kid);
}

function kidForPeople(member: unknown): string | null {
  return isObject(member) && isKid(member.kid) ? member.kid : null;
}

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
