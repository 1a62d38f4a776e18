/**
 * A limit of what is under way that follows the latency, as a pure function of a state and a clock. It compares how long
 * answers take now with how long they take without load (the base): while that is within the tolerance the limit grows
 * by its square root, and beyond it shrinks in proportion. So it settles where a short queue keeps the service busy, as
 * gradient algorithms do (Netflix's `Gradient2`, Envoy's adaptive concurrency).
 *
 * The base is what distinguishes them. Here it is the lowest median of late. It is found anew when halving the limit makes
 * answers no faster: then the service has become slower, and no queue of ours makes it so. And when no median has
 * confirmed the base for a while, the limit is halved for a moment to see: under lasting overload nothing else tells.
 */
export interface AdaptiveBounds {
  readonly min: number;
  readonly max: number;
  /** How much slower than the base is still fine: 1.5 is half as slow again. */
  readonly tolerance: number;
}

export interface AdaptiveState {
  limit: number;
  /** Milliseconds; 0: not known. */
  base: number;
  baseAt: number;
  /** The limit to go back to after a measurement of the base; 0: none is under way. */
  resume: number;
  /** Of the last shrinking: where it began, and how long answers took on the way. Each worker's own. */
  shrunkFrom: number;
  latencyThere: number;
}

export function newAdaptiveState(limit: number): AdaptiveState {
  return { limit, base: 0, baseAt: 0, resume: 0, shrunkFrom: 0, latencyThere: 0 };
}

/** What happened since the limit was last changed, to calls that began since. */
export interface AdaptiveWindow {
  /** Median in milliseconds. */
  readonly latency: number;
  /** Share of calls that the service was too busy for: it said so, or did not answer in time. */
  readonly dropped: number;
  /** The most that was under way at once. */
  readonly peak: number;
}

/** The limit moves half of the way that one window suggests: one odd window is no trend. */
const SMOOTHING = 0.5;
const SHARPEST = 0.5;
/** Within so much of the base, a window confirms it. */
const CONFIRMS = 1.1;
const BASE_LIFE_MS = 20_000;
/** Half as much under way halves what a queue of our making takes. Answers that still take so much of it have no such queue. */
const UNMOVED = 0.8;
const DROPPED = 0.1;
const AFTER_DROPS = 0.8;

/** Changes the state by one window. */
export function adapt(state: AdaptiveState, bounds: AdaptiveBounds, window: AdaptiveWindow, now: number): void {
  const { latency } = window;
  if (window.dropped > DROPPED) {
    if (state.resume > 0) state.limit = state.resume;
    state.resume = 0;
    state.limit = within(state.limit * AFTER_DROPS, bounds);
    return;
  }
  if (state.resume > 0) {
    // Without a queue of our making, whatever it took is what it takes.
    state.base = latency;
    state.baseAt = now;
    state.limit = within(state.resume, bounds);
    state.resume = 0;
    return;
  }
  if (state.base === 0 || latency < state.base) state.base = latency;
  if (latency <= state.base * CONFIRMS) state.baseAt = now;
  else if (isSlowByItself(state, bounds, latency)) {
    state.base = latency;
    state.baseAt = now;
  }
  const { limit } = state;
  // Far below the limit, the limit has no part in the latency.
  if (window.peak < limit / 2) return;
  if (now - state.baseAt > BASE_LIFE_MS && limit > bounds.min) {
    state.resume = limit;
    state.limit = within(limit / 2, bounds);
    return;
  }
  const gradient = Math.min(1, Math.max(SHARPEST, (bounds.tolerance * state.base) / latency));
  const target = limit * gradient + Math.sqrt(limit);
  state.limit = within(limit + (target - limit) * SMOOTHING, bounds);
}

function isSlowByItself(state: AdaptiveState, { min }: AdaptiveBounds, latency: number): boolean {
  // As low as it goes there is no queue of our making either.
  if (state.limit <= min) return true;
  if (state.limit < state.shrunkFrom && state.limit > state.shrunkFrom / 2) {
    // A queue takes a while to become as long as it will be.
    state.latencyThere = Math.max(state.latencyThere, latency);
    return false;
  }
  const isUnmoved = state.limit < state.shrunkFrom && latency > state.latencyThere * UNMOVED;
  state.shrunkFrom = state.limit;
  state.latencyThere = latency;
  return isUnmoved;
}

function within(limit: number, { min, max }: AdaptiveBounds): number {
  return Math.min(max, Math.max(min, limit));
}

/** Samples kept of one window: enough for a median, little to sort. */
const MAX_SAMPLES = 128;
const MIN_SAMPLES = 10;
const WINDOW_MS = 100;
/** Of a slow service, few answers have to do. */
const LONG_WINDOW_MS = 5_000;

/** Gathers what a worker sees between two changes. */
export class LatencyWindow {
  readonly #samples = new Float64Array(MAX_SAMPLES);
  #count = 0;
  #dropped = 0;
  #peak = 0;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** `underWay`: with this one. */
  began(underWay: number): void {
    if (underWay > this.#peak) this.#peak = underWay;
  }

  /** Calls that began before the window say nothing about the limit as it is now. */
  answered(beganAt: number, now: number): void {
    if (beganAt < this.#since) return;
    this.#samples[this.#count % MAX_SAMPLES] = now - beganAt;
    this.#count++;
  }

  /** How long a refusal takes is no latency. */
  refused(beganAt: number): void {
    if (beganAt >= this.#since) this.#dropped++;
  }

  isComplete(now: number): boolean {
    const age = now - this.#since;
    const count = this.#count + this.#dropped;
    return count > 0 && age >= (count >= MIN_SAMPLES ? WINDOW_MS : LONG_WINDOW_MS);
  }

  read(): AdaptiveWindow {
    const samples = this.#samples.subarray(0, Math.min(this.#count, MAX_SAMPLES)).sort();
    const latency = samples[samples.length >> 1] ?? 0;
    // Of a window without answers there is no latency: it counts as one of refusals.
    const dropped = this.#count === 0 ? 1 : this.#dropped / (this.#count + this.#dropped);
    return { latency, dropped, peak: this.#peak };
  }

  restart(now: number): void {
    this.#since = now;
    this.#count = 0;
    this.#dropped = 0;
    this.#peak = 0;
  }
}

/** Between two changes by anybody. */
export const ADAPT_EVERY_MS = WINDOW_MS;
