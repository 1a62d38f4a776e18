/**
 * How often is too often, as pure functions of a state, a clock and a limit. Every store (shared memory, Redis) keeps one
 * number for each key and runs these on it. Times are in nanoseconds, because at 100,000 a second a rounded microsecond
 * would be a tenth of what is counted.
 */

export const NANOSECONDS = 1e6;

export type RateAlgorithm = 'gcra' | 'sliding-window';

/** A limit in the units of its state. */
export interface RateLimit {
  readonly algorithm: RateAlgorithm;
  /** Requests in a period. */
  readonly limit: number;
  /** Nanoseconds. */
  readonly period: number;
  /** Requests that a rested key may make at once (`gcra`; a sliding window always gives its limit). */
  readonly burst: number;
  /** Nanoseconds in which one request is earned. */
  readonly interval: number;
}

/** What came of an attempt. One object for many attempts: the hot path makes none. */
export class RateVerdict {
  allowed = false;
  /** Refused because nobody could tell how much is left. */
  unavailable = false;
  /** What could be taken now, whole requests. */
  remaining = 0;
  /** Milliseconds until one more than `remaining` could be taken; 0 when that is all there ever is. */
  nextAfter = 0;
  /** Milliseconds until all of it could be taken again. */
  resetAfter = 0;
  /** Milliseconds until an attempt at the same cost may succeed; 0 when this one did. */
  retryAfter = 0;
  /** The state to keep; as it was when nothing was taken. */
  state = 0;
}

/** Past this a sliding window could not be packed into the 53 bits of a number. */
export const MAX_SLIDING_LIMIT = 2 ** 20 - 1;
const COUNT = 2 ** 20;
const WINDOWS = 2 ** 12;

/** `burst` counts for `gcra` alone; `periodMs` in milliseconds. */
export function rateLimit(
  limit: number,
  periodMs: number,
  burst: number,
  algorithm: RateAlgorithm = 'gcra',
): RateLimit {
  const period = periodMs * NANOSECONDS;
  return { algorithm, limit, period, burst: algorithm === 'gcra' ? burst : limit, interval: period / limit };
}

/** Tries to take `cost` at `now`; `state` is 0 for a key that was never seen. A cost of 0 looks without taking. */
export function take(limit: RateLimit, state: number, now: number, cost: number, verdict: RateVerdict): void {
  if (limit.algorithm === 'gcra') gcra(limit, state, now, cost, verdict);
  else slidingWindow(limit, state, now, cost, verdict);
}

/**
 * Takes `cost` whether it is there or not: for what is known only afterwards, which may leave a bucket in debt by its
 * size. A cost below 0 gives back what an attempt took. Answers the state to keep.
 */
export function charge(limit: RateLimit, state: number, now: number, cost: number): number {
  if (limit.algorithm === 'gcra') {
    const { burst, interval } = limit;
    const next = Math.max(state, now) + cost * interval;
    // What was rounded up when it was taken is rounded down when it is given back.
    if (cost <= 0) return Math.max(0, Math.floor(next));
    return Math.ceil(Math.max(state, Math.min(next, now + 2 * burst * interval)));
  }
  readWindow(state, now, limit.period);
  const { window, before, current } = seen;
  const most = Math.max(current, Math.min(2 * limit.limit, COUNT - 1));
  return pack(window, before, Math.min(Math.max(0, current + cost), most));
}

/** The key is as one that was never seen: its state may be forgotten. `period`: 0 for `gcra`. */
export function isRested(state: number, period: number, now: number): boolean {
  if (state === 0) return true;
  if (period === 0) return state <= now;
  const age = windowsSince(state, Math.floor(now / period));
  // Windows are numbered from 0 again after so many: one that comes round looks busy for three of them.
  return age >= 2 && age < WINDOWS - 1;
}

/**
 * The generic cell rate algorithm: the state is the time at which the bucket will be full again. What is taken moves it
 * on, and never further than a whole bucket from now.
 */
function gcra({ interval, burst }: RateLimit, state: number, now: number, cost: number, verdict: RateVerdict): void {
  const full = Math.max(state, now);
  const capacity = burst * interval;
  const next = full + cost * interval;
  const excess = next - now - capacity;
  // Sums of fractions: a bucket that is exactly empty must not refuse for the last bit of a double.
  const allowed = excess <= 0.5;
  const kept = allowed ? next : full;
  verdict.allowed = allowed;
  verdict.state = Math.ceil(kept);
  verdict.remaining = Math.max(0, Math.floor((capacity - (kept - now)) / interval + 1e-6));
  const missing = verdict.remaining < burst ? kept - now - capacity + (verdict.remaining + 1) * interval : 0;
  verdict.nextAfter = Math.max(0, missing) / NANOSECONDS;
  verdict.resetAfter = Math.max(0, kept - now) / NANOSECONDS;
  verdict.retryAfter = allowed ? 0 : excess / NANOSECONDS;
}

/**
 * The window before counts with the share of it that a sliding window of one period still covers. The state packs the
 * number of the window and both counts: `(window * 2^20 + before) * 2^20 + current`, plus 1, so that 0 is nothing.
 */
function slidingWindow(limit: RateLimit, state: number, now: number, cost: number, verdict: RateVerdict): void {
  const { period } = limit;
  readWindow(state, now, period);
  const { window, before } = seen;
  let { current } = seen;
  const elapsed = Math.max(0, (now - window * period) / period);
  const covered = before * (1 - elapsed);
  const allowed = covered + current + cost <= limit.limit + 1e-9;
  if (allowed) current += cost;
  const remaining = Math.max(0, Math.floor(limit.limit - covered - current + 1e-9));
  verdict.allowed = allowed;
  verdict.state = pack(window, before, current);
  verdict.remaining = remaining;
  const rest = (1 - elapsed) * period;
  const next = remaining < limit.limit ? slidingRetry(limit, before, current, remaining + 1, elapsed) : 0;
  verdict.nextAfter = next / NANOSECONDS;
  verdict.resetAfter = (current > 0 ? rest + period : before > 0 ? rest : 0) / NANOSECONDS;
  verdict.retryAfter = allowed ? 0 : slidingRetry(limit, before, current, cost, elapsed) / NANOSECONDS;
}

/** A state as it is seen in the window of `now`. */
const seen = { window: 0, before: 0, current: 0 };

function readWindow(state: number, now: number, period: number): void {
  const window = Math.floor(now / period);
  seen.window = window;
  seen.before = 0;
  seen.current = 0;
  if (state === 0) return;
  const packed = state - 1;
  const age = windowsSince(state, window);
  if (age === 1) {
    seen.before = packed % COUNT;
    return;
  }
  if (age !== 0 && age !== WINDOWS - 1) return;
  seen.current = packed % COUNT;
  seen.before = Math.floor(packed / COUNT) % COUNT;
  // Somebody whose clock is a little ahead has begun the next window already.
  if (age !== 0) seen.window = window + 1;
}

function windowsSince(state: number, window: number): number {
  return (window - Math.floor((state - 1) / (COUNT * COUNT)) + WINDOWS) % WINDOWS;
}

function pack(window: number, before: number, current: number): number {
  return ((window % WINDOWS) * COUNT + before) * COUNT + current + 1;
}

/** Nanoseconds until what the window covers has shrunk enough, in this window or the next one. */
function slidingRetry(
  { limit, period }: RateLimit,
  before: number,
  current: number,
  cost: number,
  elapsed: number,
): number {
  const room = limit - cost;
  const rest = (1 - elapsed) * period;
  // In this window: before * (1 - x) + current <= room.
  if (before > 0 && current <= room) {
    const at = 1 - (room - current) / before;
    if (at <= 1) return Math.max(0, (at - elapsed) * period);
  }
  // In the next one the current count is the one before: current * (1 - x) <= room.
  const at = current <= room || current === 0 ? 0 : 1 - Math.max(room, 0) / current;
  return rest + at * period;
}
