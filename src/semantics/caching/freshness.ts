import type { StoredPolicy } from './policy.ts';
import type { RequestDirectives } from './request-directives.ts';

/**
 * `fresh`: serve it. `stale`: serve it, the client takes it. `revalidate`: serve it and refresh it in the background
 * (RFC 5861, 3). `validate`: ask the upstream first. `unsatisfiable`: the client wants no upstream asked: 504.
 */
export type Verdict = 'fresh' | 'stale' | 'revalidate' | 'validate' | 'unsatisfiable';

/** May the stored response be served (RFC 9111, 4 and 4.2.4)? `isPurged`: purged softly, so never without asking. */
export function verdict(
  stored: StoredPolicy,
  request: RequestDirectives | null,
  now: number,
  isPurged: boolean,
): Verdict {
  const remaining = remainingLifetime(stored, now);
  const mayServe = !isPurged && !stored.mustValidate;
  if (request === null) {
    if (!mayServe) return 'validate';
    // RFC 9111, 4.2: fresh as long as the lifetime is greater than the age.
    if (remaining > 0) return 'fresh';
    return -remaining < stored.staleWhileRevalidate ? 'revalidate' : 'validate';
  }
  const otherwise = request.onlyIfCached ? 'unsatisfiable' : 'validate';
  if (!mayServe || request.noCache) return otherwise;
  // RFC 9111, 5.2.1.1: older than the client wants.
  if (request.maxAge >= 0 && currentAge(stored, now) > request.maxAge * 1000) return otherwise;
  // RFC 9111, 5.2.1.3
  if (remaining > 0) return request.minFresh < 0 || remaining >= request.minFresh * 1000 ? 'fresh' : otherwise;
  // RFC 9111, 5.2.1.2
  if (request.maxStale >= 0 && !stored.forbidsStale && -remaining <= request.maxStale * 1000) return 'stale';
  // Who says how fresh it has to be takes nothing stale besides (RFC 9111, 5.2.1.1 and 5.2.1.3).
  const takesAny = request.maxAge < 0 && request.minFresh < 0;
  if (!takesAny || -remaining >= stored.staleWhileRevalidate) return otherwise;
  return request.onlyIfCached ? 'stale' : 'revalidate';
}

/** How long past its lifetime a response is rather had than a failure, where nobody says `stale-if-error`. */
const ACCEPTABLE = 24 * 60 * 60 * 1000;

/**
 * May it be served since the upstream failed: by `stale-if-error` of response, route or request (RFC 5861, 4), or where
 * the route would rather have it than a failure (`acceptsStale`) and the origin does not forbid it (RFC 9111, 4.2.4)?
 */
export function mayServeOnError(
  stored: StoredPolicy,
  request: RequestDirectives | null,
  now: number,
  acceptsStale: boolean,
): boolean {
  if (stored.mustValidate) return false;
  const staleness = -remainingLifetime(stored, now);
  if (stored.staleIfError > 0 && staleness <= stored.staleIfError) return true;
  if (acceptsStale && !stored.forbidsStale && stored.staleIfError === 0 && staleness <= ACCEPTABLE) return true;
  if (request === null || request.staleIfError < 0 || stored.forbidsStale) return false;
  return staleness <= request.staleIfError * 1000;
}

/** RFC 9111, 4.2.3, in milliseconds. */
export function currentAge(stored: StoredPolicy, now: number): number {
  // The clock may have been set back.
  return stored.initialAge + Math.max(0, now - stored.responseTime);
}

/** Value of Age (RFC 9111, 5.1): whole seconds. */
export function ageSeconds(stored: StoredPolicy, now: number): number {
  return Math.floor(currentAge(stored, now) / 1000);
}

/** For how many milliseconds it is fresh still; zero or less: since when it is not. */
export function remainingLifetime(stored: StoredPolicy, now: number): number {
  return stored.lifetime - currentAge(stored, now);
}

/** `ttl` of Cache-Status (RFC 9211, 2.5): with Age it makes the lifetime. */
export function ttlSeconds(stored: StoredPolicy, now: number): number {
  return Math.ceil(remainingLifetime(stored, now) / 1000);
}
