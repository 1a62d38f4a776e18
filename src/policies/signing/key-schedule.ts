import type { SigningKey } from './signing-key.ts';

/**
 * The life of a signing key: it is published for a while before it signs, so that services and their caches know it by
 * then, and for a while after it has signed the last token, so that this one can be verified to its end.
 */
const DAY_MS = 86_400_000;
export const ROTATE_AFTER_MS = 7 * DAY_MS;
/** Longer than `JWKS_MAX_AGE_SECONDS`, which is how long a service may go without looking. */
export const AHEAD_MS = 10 * 60_000;
/** Longer than `MAX_TTL_MS`. */
export const KEPT_MS = 2 * 3_600_000;

export const MAX_TTL_MS = 3_600_000;
export const JWKS_MAX_AGE_SECONDS = 300;

/** The one to sign with: the latest whose time has come, or else the earliest. Keys are in the order of `signsFrom`. */
export function activeKey(keys: readonly SigningKey[], now: number): SigningKey | undefined {
  return keys.findLast(({ signsFrom }) => signsFrom <= now) ?? keys[0];
}

/** Those that some token may still be verified with, in the order of `signsFrom`. */
export function keptKeys(keys: readonly SigningKey[], now: number): SigningKey[] {
  const sorted = [...keys].sort((one, other) => one.signsFrom - other.signsFrom);
  return sorted.filter((_, index) => {
    const next = sorted[index + 1];
    return next === undefined || now < next.signsFrom + KEPT_MS;
  });
}

/** A new key is to be made. */
export function isRotationDue(keys: readonly SigningKey[], now: number): boolean {
  const newest = keys.at(-1);
  return newest === undefined || now >= newest.signsFrom + ROTATE_AFTER_MS;
}

/** Milliseconds until something of this changes. */
export function untilNextChange(keys: readonly SigningKey[], now: number): number {
  const moments = keys.flatMap(({ signsFrom }, index) => [
    signsFrom,
    ...(index > 0 ? [signsFrom + KEPT_MS] : []),
    ...(index === keys.length - 1 ? [signsFrom + ROTATE_AFTER_MS] : []),
  ]);
  return Math.min(DAY_MS, ...moments.map((moment) => moment - now).filter((wait) => wait > 0));
}

/** When the public half need not be known to anybody any more, if no successor comes. */
export function expiryOf({ signsFrom }: SigningKey): number {
  return signsFrom + ROTATE_AFTER_MS + AHEAD_MS + KEPT_MS + DAY_MS;
}
