import {
  type Circuit,
  type CircuitChange,
  type CircuitOptions,
  type CircuitScope,
  type Outcome,
  outcome,
  REFUSED,
} from '../plan/breaker.ts';
import { hash32 } from '../plan/limiter.ts';
import {
  type CircuitCounts,
  type CircuitReason,
  type CircuitRules,
  circuitReasons,
  hasRecovered,
  openTime,
  tripsOn,
} from '../semantics/circuit.ts';
import {
  COUNTERS,
  COUNTS_AT,
  circuitAt,
  circuitCount,
  circuitFloat,
  circuitForce,
  circuitKind,
  kindOf,
  nameOf,
  next,
  PROBES,
  TAG,
} from './breaker-record.ts';
import type { NamedSlot, NamedSlots } from './named-slots.ts';
import { RollingCounts } from './rolling-counts.ts';

/** A call that is let pass whatever the state is: what comes of it is not looked at. */
const UNTRACKED = -2;
/** What a name may take; longer ones end in a hash. */
const MAX_NAME_BYTES = 160;

export const BREAKER_KEY = 'breaker ';

/** `upstream:orders`: how operators call it, and the name of its record. */
export function breakerName({ kind, name }: CircuitScope): string {
  const whole = `${kind}:${name}`;
  const bytes = Buffer.from(whole);
  if (bytes.length <= MAX_NAME_BYTES) return whole;
  // Cut inside a character, it would not be found again by what is shown of it.
  const cut = bytes
    .subarray(0, MAX_NAME_BYTES - 12)
    .toString()
    .replace(/\uFFFD+$/, '');
  return `${cut}…${hash32(whole).toString(16)}`;
}

/** Opens the circuit breakers of a worker. */
export class SharedCircuits {
  readonly #states: NamedSlots;
  readonly #clock: () => number;

  /** `clock`: milliseconds, the same in all workers. */
  constructor(states: NamedSlots, clock: () => number) {
    this.#states = states;
    this.#clock = clock;
  }

  open({ scope, rules }: CircuitOptions, changed: (change: CircuitChange) => void): Circuit {
    const slot = this.#states.acquire(BREAKER_KEY + breakerName(scope));
    return new SharedCircuit(slot, rules, this.#clock, changed, () => this.#states.release(slot));
  }
}

/**
 * One circuit breaker as a worker sees it. What it is stands in one word, together with how often that has changed: a
 * change is one compare-and-swap, so of the workers that want it at the same time one makes it, and a call that began
 * before it is settled without a say in what comes after.
 */
class SharedCircuit implements Circuit {
  isClosed = false;
  readonly #slot: NamedSlot;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #counts: RollingCounts;
  readonly #rules: CircuitRules;
  readonly #clock: () => number;
  readonly #changed: (change: CircuitChange) => void;
  readonly #release: () => void;
  readonly #seen: CircuitCounts = { calls: 0, failures: 0, slow: 0, consecutive: 0 };

  constructor(
    slot: NamedSlot,
    rules: CircuitRules,
    clock: () => number,
    changed: (change: CircuitChange) => void,
    release: () => void,
  ) {
    this.#slot = slot;
    this.#words = slot.words;
    this.#floats = slot.floats;
    this.#counts = new RollingCounts(slot.words, COUNTS_AT, COUNTERS, rules.window);
    this.#rules = rules;
    this.#clock = clock;
    this.#changed = changed;
    this.#release = release;
    // For whoever reads it without knowing the rules.
    Atomics.store(this.#words, circuitAt.window, rules.window);
    if (this.#floats[circuitFloat.since] === 0) this.#floats[circuitFloat.since] = clock();
  }

  admit(): number {
    const words = this.#words;
    const force = Atomics.load(words, circuitAt.force);
    if (force !== circuitForce.none) return force === circuitForce.open ? this.#refuse() : UNTRACKED;
    const state = Atomics.load(words, circuitAt.state);
    return kindOf(state) === circuitKind.closed ? state : this.#admitUnlessOpen(state);
  }

  settle(token: number, result: Outcome, isSlow: boolean): void {
    if (token < 0) return;
    if (kindOf(token) === circuitKind.halfOpen) this.#settleProbe(token, result, isSlow);
    else if (result !== outcome.unknown && Atomics.load(this.#words, circuitAt.state) === token) {
      this.#count(token, result, isSlow);
    }
  }

  isProbe(token: number): boolean {
    return token >= 0 && kindOf(token) === circuitKind.halfOpen;
  }

  retryAfter(): number {
    const isForced = Atomics.load(this.#words, circuitAt.force) === circuitForce.open;
    const rest = isForced ? this.#rules.openFor : (this.#floats[circuitFloat.until] as number) - this.#clock();
    return Math.max(1, Math.ceil(rest / 1000));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#release();
  }

  #admitUnlessOpen(before: number): number {
    const words = this.#words;
    let state = before;
    if (kindOf(state) === circuitKind.open) {
      if (this.#clock() < (this.#floats[circuitFloat.until] as number)) return this.#refuse();
      if (this.#change(state, circuitKind.halfOpen, null, 0)) state = next(state, circuitKind.halfOpen);
      else state = Atomics.load(words, circuitAt.state);
    }
    if (kindOf(state) === circuitKind.closed) return state;
    if (kindOf(state) === circuitKind.open) return this.#refuse();
    // Taken before it is compared: of those that want the last one at the same time, none gets one too many.
    const underWay = this.#slot.add(PROBES, 1);
    const isFree = underWay + this.#successes(state) <= this.#rules.probes;
    if (isFree && Atomics.load(words, circuitAt.state) === state) return state;
    this.#slot.add(PROBES, -1);
    return this.#refuse();
  }

  #refuse(): number {
    Atomics.add(this.#words, circuitAt.refused, 1);
    return REFUSED;
  }

  #settleProbe(token: number, result: Outcome, isSlow: boolean): void {
    const words = this.#words;
    if (result === outcome.unknown || Atomics.load(words, circuitAt.state) !== token) {
      this.#slot.add(PROBES, -1);
      return;
    }
    const isBad = result === outcome.failure || (isSlow && this.#rules.slowRate !== null);
    // The success before the place: in between, one probe too few may be let in, never one too many.
    const successes = isBad ? 0 : this.#succeed(token);
    this.#slot.add(PROBES, -1);
    if (isBad) this.#open(token, 'probe', Atomics.load(words, circuitAt.repeats));
    else if (successes >= this.#rules.probes) this.#closeCircuit(token);
  }

  /** The word also tells which half-open state they belong to, so that nobody has to set it back. */
  #successes(state: number): number {
    const word = Atomics.load(this.#words, circuitAt.successes);
    return word >>> 8 === (state & TAG) ? word & 0xff : 0;
  }

  #succeed(state: number): number {
    const words = this.#words;
    for (;;) {
      const before = Atomics.load(words, circuitAt.successes);
      const count = before >>> 8 === (state & TAG) ? (before & 0xff) + 1 : 1;
      const after = ((state & TAG) << 8) | count;
      if (Atomics.compareExchange(words, circuitAt.successes, before, after) === before) return count;
    }
  }

  #count(token: number, result: Outcome, isSlow: boolean): void {
    const words = this.#words;
    const counts = this.#counts;
    const now = this.#clock();
    counts.advance(now);
    counts.add(circuitCount.calls, 1);
    const seen = this.#seen;
    if (result === outcome.failure) {
      counts.add(circuitCount.failures, 1);
      seen.consecutive = Atomics.add(words, circuitAt.consecutive, 1) + 1;
    } else {
      seen.consecutive = 0;
      if (Atomics.load(words, circuitAt.consecutive) !== 0) Atomics.store(words, circuitAt.consecutive, 0);
      if (!isSlow) return;
    }
    if (isSlow) counts.add(circuitCount.slow, 1);
    // A success makes nothing worse: only behind one that was none there is something to find.
    seen.calls = Math.max(0, counts.sum(circuitCount.calls, now));
    seen.failures = Math.max(0, counts.sum(circuitCount.failures, now));
    seen.slow = Math.max(0, counts.sum(circuitCount.slow, now));
    const reason = tripsOn(this.#rules, seen);
    if (reason === null) return;
    const repeats = Atomics.load(words, circuitAt.repeats);
    const closedFor = now - (this.#floats[circuitFloat.since] as number);
    this.#open(token, reason, hasRecovered(this.#rules, repeats, closedFor) ? 0 : repeats);
  }

  #open(token: number, reason: CircuitReason, repeats: number): void {
    const openFor = openTime(this.#rules, repeats);
    if (Atomics.load(this.#words, circuitAt.state) !== token) return;
    // Before the change, since whoever sees that looks here at once. Others that want it too write nearly the same.
    this.#floats[circuitFloat.until] = this.#clock() + openFor;
    if (this.#change(token, circuitKind.open, reason, openFor)) {
      Atomics.store(this.#words, circuitAt.repeats, repeats + 1);
    }
  }

  #closeCircuit(token: number): void {
    // What opened it must not open it again.
    this.#counts.reset(this.#clock());
    Atomics.store(this.#words, circuitAt.consecutive, 0);
    this.#change(token, circuitKind.closed, null, 0);
  }

  /** True for the one that made the change. */
  #change(from: number, kind: number, reason: CircuitReason | null, openFor: number): boolean {
    const words = this.#words;
    if (Atomics.compareExchange(words, circuitAt.state, from, next(from, kind)) !== from) return false;
    this.#floats[circuitFloat.since] = this.#clock();
    Atomics.add(words, circuitAt.changes + kind, 1);
    if (reason !== null) Atomics.store(words, circuitAt.reason, circuitReasons.indexOf(reason) + 1);
    this.#changed({ state: nameOf(kind), reason, openFor });
    return true;
  }
}
