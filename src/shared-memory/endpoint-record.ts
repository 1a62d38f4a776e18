import { sharedClock } from '../base/shared-clock.ts';
import type { NamedSlot, NamedSlots } from './named-slots.ts';

/**
 * What all workers know about one endpoint of an upstream: what is under way, how long it takes to answer, how it failed
 * and until when it is left alone. Gauges are exact; averages and windows may lose a sample where two workers write in
 * the same nanoseconds, which nobody can notice.
 */
const IN_FLIGHT = 0;
const CONNECTIONS = 1;

/** 1: it was opened before. */
const KNOWN = 3;
/** Average time to a response head in microseconds; 0: none is known. */
const LATENCY = 4;
/** Failures without a success in between. */
const CONSECUTIVE = 5;
/** What the next ejection's time is multiplied with, less one. */
const REPEATS = 6;
/** 1: it came back from an ejection and has not succeeded yet. */
const ON_PROBATION = 7;
const CALLS = 8;
const FAILURES = 9;
const EJECTIONS = 10;
/** The last window in which it was compared with its peers and ejected. */
const JUDGED = 11;
/** Two windows in turn, each: its number, calls, failures. */
const WINDOWS = 12;
const WINDOW_WORDS = 3;
const WINDOW_NUMBER = 0;
const WINDOW_CALLS = 1;
const WINDOW_FAILURES = 2;

/** Among the numbers of eight bytes. Milliseconds of `sharedClock`; aligned, so that no reader sees half of one. */
const LATENCY_AT = 10;
const EJECTED_UNTIL = 11;
const SINCE = 12;

const MAX_MICROSECONDS = 0x7fffffff;

/** How many calls a window saw, and how many of them failed. */
export class WindowCount {
  calls = 0;
  failures = 0;
}

export class EndpointRecord {
  readonly slot: NamedSlot;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;

  constructor(slot: NamedSlot) {
    this.slot = slot;
    this.#words = slot.words;
    this.#floats = slot.floats;
  }

  /** True: nobody knew this endpoint before. */
  open(now: number): boolean {
    if (Atomics.exchange(this.#words, KNOWN, 1) !== 0) return false;
    this.#floats[SINCE] = now;
    return true;
  }

  get isKnown(): boolean {
    return Atomics.load(this.#words, KNOWN) !== 0;
  }

  // Load.

  enter(): void {
    this.slot.add(IN_FLIGHT, 1);
  }

  leave(): void {
    this.slot.add(IN_FLIGHT, -1);
  }

  get inFlight(): number {
    return this.slot.gauge(IN_FLIGHT);
  }

  connected(): void {
    this.slot.add(CONNECTIONS, 1);
  }

  disconnected(): void {
    this.slot.add(CONNECTIONS, -1);
  }

  get connections(): number {
    return this.slot.gauge(CONNECTIONS);
  }

  /**
   * Peak-sensitive moving average: a slower answer counts in full at once, a faster one by how long ago the one before
   * was, over `decay` milliseconds.
   */
  observe(milliseconds: number, now: number, decay: number): void {
    const words = this.#words;
    const fresh = Math.min(Math.max(milliseconds * 1_000, 1), MAX_MICROSECONDS);
    const before = words[LATENCY] as number;
    const elapsed = now - (this.#floats[LATENCY_AT] as number);
    let average = fresh;
    if (fresh < before) average = fresh + (before - fresh) * Math.exp(-Math.max(elapsed, 0) / decay);
    words[LATENCY] = Math.max(1, Math.round(average));
    this.#floats[LATENCY_AT] = now;
  }

  /** Microseconds; 0: unknown. Falls while nothing is observed, so that an endpoint that was slow is tried again. */
  latency(now: number, decay: number): number {
    const last = this.#words[LATENCY] as number;
    if (last === 0) return 0;
    const elapsed = now - (this.#floats[LATENCY_AT] as number);
    return elapsed <= 0 ? last : last * Math.exp(-elapsed / decay);
  }

  // Failures. Every call that was settled is counted; windows are numbered by whoever uses them.

  succeeded(): void {
    const words = this.#words;
    words[CALLS] = ((words[CALLS] as number) + 1) | 0;
    if ((words[CONSECUTIVE] as number) !== 0) Atomics.store(words, CONSECUTIVE, 0);
  }

  /** How many there were in a row, this one included. */
  failed(): number {
    const words = this.#words;
    words[CALLS] = ((words[CALLS] as number) + 1) | 0;
    Atomics.add(words, FAILURES, 1);
    return Atomics.add(words, CONSECUTIVE, 1) + 1;
  }

  count(window: number, isFailure: boolean): void {
    const words = this.#words;
    const at = WINDOWS + (window & 1) * WINDOW_WORDS;
    const last = Atomics.load(words, at + WINDOW_NUMBER);
    if (last !== window && Atomics.compareExchange(words, at + WINDOW_NUMBER, last, window) === last) {
      words[at + WINDOW_CALLS] = 0;
      words[at + WINDOW_FAILURES] = 0;
    }
    Atomics.add(words, at + WINDOW_CALLS, 1);
    if (isFailure) Atomics.add(words, at + WINDOW_FAILURES, 1);
  }

  /** Adds what a window saw to `sum`. */
  addWindow(window: number, sum: WindowCount): void {
    const words = this.#words;
    const at = WINDOWS + (window & 1) * WINDOW_WORDS;
    if (Atomics.load(words, at + WINDOW_NUMBER) !== window) return;
    sum.calls += words[at + WINDOW_CALLS] as number;
    sum.failures += words[at + WINDOW_FAILURES] as number;
  }

  // Ejection.

  isEjected(now: number): boolean {
    return (this.#floats[EJECTED_UNTIL] as number) > now;
  }

  get ejectedUntil(): number {
    return this.#floats[EJECTED_UNTIL] as number;
  }

  get isOnProbation(): boolean {
    return Atomics.load(this.#words, ON_PROBATION) !== 0;
  }

  /**
   * One of the workers that want it at the same time gets it: true for that one. The time grows with every repetition;
   * an endpoint that did without for `maxTime` begins anew.
   */
  eject(now: number, baseTime: number, maxTime: number): boolean {
    const words = this.#words;
    const before = Atomics.load(words, REPEATS);
    const until = this.#floats[EJECTED_UNTIL] as number;
    if (until > now) return false;
    const repeats = until > 0 && now - until <= maxTime ? before : 0;
    if (Atomics.compareExchange(words, REPEATS, before, repeats + 1) !== before) return false;
    this.#floats[EJECTED_UNTIL] = now + Math.min(baseTime * (repeats + 1), maxTime);
    Atomics.store(words, ON_PROBATION, 1);
    Atomics.store(words, CONSECUTIVE, 0);
    Atomics.add(words, EJECTIONS, 1);
    return true;
  }

  /** As if it had not been: too many were out at once. */
  takeBack(now: number): void {
    const words = this.#words;
    this.#floats[EJECTED_UNTIL] = now;
    Atomics.sub(words, REPEATS, 1);
    Atomics.sub(words, EJECTIONS, 1);
    Atomics.store(words, ON_PROBATION, 0);
  }

  /** The first success after it came back: the next ejection is shorter. */
  endProbation(): void {
    const words = this.#words;
    if (Atomics.compareExchange(words, ON_PROBATION, 1, 0) !== 1) return;
    Atomics.store(words, REPEATS, Atomics.load(words, REPEATS) >> 1);
  }

  /** True for the first that asks about this window. */
  judge(window: number): boolean {
    const last = Atomics.load(this.#words, JUDGED);
    return last !== window && Atomics.compareExchange(this.#words, JUDGED, last, window) === last;
  }

  // Slow start.

  /** It has just come, or come back. */
  restart(now: number): void {
    this.#floats[SINCE] = now;
  }

  /** When it last came, or came back from an ejection. */
  get since(): number {
    return Math.max(this.#floats[SINCE] as number, this.#floats[EJECTED_UNTIL] as number);
  }

  read(now: number): EndpointReading {
    const words = this.#words;
    const latency = words[LATENCY] as number;
    const until = this.#floats[EJECTED_UNTIL] as number;
    return {
      inFlight: this.inFlight,
      connections: this.connections,
      latency: latency === 0 ? null : latency / 1_000,
      ejectedFor: Math.max(0, until - now),
      ejections: (words[EJECTIONS] as number) >>> 0,
      consecutiveFailures: words[CONSECUTIVE] as number,
      failures: (words[FAILURES] as number) >>> 0,
      calls: (words[CALLS] as number) >>> 0,
    };
  }
}

/** What operators see of an endpoint, over all workers. */
export interface EndpointReading {
  readonly inFlight: number;
  readonly connections: number;
  /** Moving average to the head of a response, in milliseconds; null: it has not answered yet. */
  readonly latency: number | null;
  /** Milliseconds that it is still left alone; 0: it is not. */
  readonly ejectedFor: number;
  readonly ejections: number;
  readonly consecutiveFailures: number;
  readonly failures: number;
  readonly calls: number;
}

/** The name of its record. */
export function endpointKey(upstream: string, url: string): string {
  return `endpoint ${upstream} ${url}`;
}

/** For the main thread. Null: no worker keeps a record of it, because nothing that the upstream is set to needs one. */
export function readEndpoint(states: NamedSlots, upstream: string, url: string): EndpointReading | null {
  const slot = states.find(endpointKey(upstream, url));
  if (slot === null) return null;
  try {
    const record = new EndpointRecord(slot);
    return record.isKnown ? record.read(sharedClock()) : null;
  } finally {
    states.release(slot);
  }
}
