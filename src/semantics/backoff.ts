import { parseHttpDate } from './caching/http-date.ts';

/** How long to wait before another attempt, as pure functions. Times in milliseconds. */

export interface BackoffRules {
  /** Longest pause before the first repetition; it doubles from one to the next. */
  readonly base: number;
  readonly max: number;
}

/**
 * Exponential with full jitter: anything between nothing and the bound is as likely, so that callers who failed together
 * do not come back together. `repetition`: 1 for the first. `random`: from 0 up to 1.
 */
export function backoff({ base, max }: BackoffRules, repetition: number, random: number): number {
  // Past 2^30 the bound has long been reached, and the shift would wrap.
  const bound = Math.min(max, base * 2 ** Math.min(repetition - 1, 30));
  return random * bound;
}

const SECONDS = /^\d{1,9}$/;

/** What `Retry-After` asks for (RFC 9110, 10.2.3), seconds or a date; null when it says nothing usable. `now`: of the day. */
export function retryAfter(value: string, now: number): number | null {
  if (SECONDS.test(value)) return Number(value) * 1000;
  const date = parseHttpDate(value, now);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
