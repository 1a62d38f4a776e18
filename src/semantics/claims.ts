import type { JsonObject, JsonValue } from './strict-json.ts';

/** What a verified token must say to be good here and now (RFC 7519, 4.1). Times in seconds. */
export interface ClaimRules {
  /** Empty: whose token it is does not matter. */
  readonly issuers: readonly string[];
  /** One of them has to be among the token's. Empty: whoever it is for. */
  readonly audiences: readonly string[];
  /** Claims that have to be there. */
  readonly required: readonly string[];
  /** Since its issue; null: as long as it says. */
  readonly maxAge: number | null;
  /** How far apart the clocks of issuer and gateway may be. */
  readonly skew: number;
}

export type ClaimsFinding = 'good' | 'expired' | 'bad';

/** The end of the year 9999. Whoever writes milliseconds means the year 58,000: such a token would never expire. */
const MAX_DATE = 253_402_300_799;

/** `now`: seconds since the epoch, with fraction. */
export function judgeClaims(claims: JsonObject, rules: ClaimRules, now: number): ClaimsFinding {
  const { exp, nbf, iat, iss, aud, jti } = claims;
  if (!isDate(exp) || !isDate(nbf) || !isDate(iat)) return 'bad';
  // What cannot be compared could not be revoked.
  if (jti !== undefined && typeof jti !== 'string') return 'bad';
  if (rules.issuers.length > 0 && (typeof iss !== 'string' || !rules.issuers.includes(iss))) return 'bad';
  if (rules.audiences.length > 0 && !isFor(aud, rules.audiences)) return 'bad';
  for (let i = 0; i < rules.required.length; i++) {
    const name = rules.required[i] as string;
    if (!Object.hasOwn(claims, name) || claims[name] === null) return 'bad';
  }
  if (nbf !== undefined && now < nbf - rules.skew) return 'bad';
  if (iat !== undefined && now < iat - rules.skew) return 'bad';
  if (rules.maxAge !== null && iat === undefined) return 'bad';
  return now < goodUntil(claims, rules) ? 'good' : 'expired';
}

/** Seconds since the epoch at which good claims end; infinite: never. */
export function goodUntil({ exp, iat }: JsonObject, { maxAge, skew }: ClaimRules): number {
  const end = typeof exp === 'number' ? exp + skew : Number.POSITIVE_INFINITY;
  return maxAge !== null && typeof iat === 'number' ? Math.min(end, iat + maxAge + skew) : end;
}

/** RFC 7519, 2: a number of seconds, whole or not. Text that looks like one is none. */
function isDate(value: JsonValue | undefined): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value >= 0 && value <= MAX_DATE);
}

function isFor(aud: JsonValue | undefined, audiences: readonly string[]): boolean {
  if (typeof aud === 'string') return audiences.includes(aud);
  if (!Array.isArray(aud)) return false;
  const named: readonly JsonValue[] = aud;
  if (!named.every((each) => typeof each === 'string')) return false;
  return named.some((each) => audiences.includes(each as string));
}
