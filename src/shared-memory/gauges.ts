import type { AdaptiveState } from '../semantics/adaptive-limit.ts';
import { KeyHash } from './key-hash.ts';

/**
 * How many of something are under way over all workers: requests of a route, calls of an upstream, connections of an
 * address. A total rises by compare-and-swap and only up to its limit, so that the limit holds exactly. What each worker
 * holds of it stands in memory of its own, from which the supervisor takes it back when the worker ends.
 *
 * Gauges stand in sets of eight slots, found by a hash of 64 bits. A slot whose total is 0, and for which nobody waits,
 * may be given to another gauge. When all eight are in use, further ones share a slot for overflow and one limit. (One
 * that gets a slot of its own again while it has places in the shared one has up to twice its limit until these end.)
 */
const SET = 8;
/** 64 bytes, a cache line: gauges that are busy do not slow each other down. */
const SLOT_WORDS = 16;
const KEY_HIGH = 0;
const KEY_LOW = 1;
const TOTAL = 2;
const WAITING = 3;
const WAKE = 4;
const ADAPTED = 5;
/** In 64-bit floats from the slot's start: a limit that changes, and what it was made of. */
const LIMIT = 4;
const BASE = 5;
const BASE_AT = 6;
const RESUME = 7;

const SEED_HIGH = 0;
const SEED_LOW = 1;
const OVERFLOWED = 2;
const HEADER_WORDS = 16;

/** Sets for what a configuration names, and for keys that requests bring: those must not push the others out. */
const NAMED_SETS = 2_048;
const KEYED_SETS = 8_192;
const SETS = NAMED_SETS + KEYED_SETS;
const OVERFLOW = 256;
const SLOTS = SETS * SET + OVERFLOW;
const LOCKS_AT = HEADER_WORDS + SLOTS * SLOT_WORDS;

/** Total of a slot that is being given to another gauge. */
const MOVING = -1;
/** Attempts at a slot that others change at the same time; in practice one or two. */
const PATIENCE = 1_000;

/** No place is free. */
export const FULL = -1;

/** Gauges of one kind: a single one, or one for each key. */
export interface GaugeFamily {
  readonly high: number;
  readonly low: number;
  readonly keyed: boolean;
}

/** Makes the segment that all workers share; `seed`: 64 random bits, so that nobody outside can aim keys at one set. */
export function createGauges(seed: readonly [number, number]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer((LOCKS_AT + SETS) * 4);
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  header[SEED_HIGH] = seed[0];
  header[SEED_LOW] = seed[1];
  return buffer;
}

/** Memory in which one worker keeps what it holds. */
export function createGaugeShares(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * 2 * 4);
}

/** What a worker is given. `owner`: above 0 and different in every worker. */
export interface GaugeSegments {
  readonly shared: SharedArrayBuffer;
  readonly shares: SharedArrayBuffer;
  readonly owner: number;
}

export class GaugeTable {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  /** By slot: places held, and how many wait. */
  readonly #shares: Int32Array;
  readonly #owner: number;
  readonly #hash = new KeyHash();

  constructor({ shared, shares, owner }: GaugeSegments) {
    this.#words = new Int32Array(shared);
    this.#floats = new Float64Array(shared, 0, LOCKS_AT / 2);
    this.#shares = new Int32Array(shares);
    this.#owner = owner;
  }

  /** The same for the same name in every worker of the process. */
  family(name: string, keyed: boolean): GaugeFamily {
    this.#hash.of(this.#words[SEED_HIGH] as number, this.#words[SEED_LOW] as number, name);
    return { high: this.#hash.high, low: this.#hash.low, keyed };
  }

  /** Takes a place under `max`: the slot to leave with, or `FULL`. */
  enter(family: GaugeFamily, key: string, max: number): number {
    const words = this.#words;
    this.#hash.of(family.high, family.low, key);
    for (let tries = 0; tries < PATIENCE; tries++) {
      const slot = this.#seek(family.keyed);
      const total = at(slot) + TOTAL;
      const before = Atomics.load(words, total);
      if (before === MOVING) continue;
      if (before < max && Atomics.compareExchange(words, total, before, before + 1) !== before) continue;
      // While we hold a place nobody can give the slot away: what it is now, it stays.
      if (!this.#isOurs(slot)) {
        if (before < max) Atomics.sub(words, total, 1);
        continue;
      }
      if (before >= max) return FULL;
      // After the total: a worker that is ended between the two leaves a place taken, never one too many.
      this.#shares[slot * 2] = (this.#shares[slot * 2] as number) + 1;
      return slot;
    }
    return FULL;
  }

  /** Gives the place back, and wakes a worker in which somebody waits for one. */
  leave(slot: number): void {
    this.#shares[slot * 2] = (this.#shares[slot * 2] as number) - 1;
    Atomics.sub(this.#words, at(slot) + TOTAL, 1);
    if (this.waitingElsewhere(slot) > 0) wake(this.#words, slot);
  }

  count(slot: number): number {
    return Math.max(0, Atomics.load(this.#words, at(slot) + TOTAL));
  }

  /** One waits for a place: from here on the slot stays this gauge's. Whoever asks again now misses no place. */
  expect(family: GaugeFamily, key: string): number {
    this.#hash.of(family.high, family.low, key);
    for (let tries = 0; ; tries++) {
      const slot = tries < PATIENCE ? this.#seek(family.keyed) : this.#overflow();
      this.expectAt(slot);
      // Whoever gives the slot away looks for those who wait after it has marked it, we for the mark after we wait.
      if (Atomics.load(this.#words, at(slot) + TOTAL) !== MOVING && this.#isOurs(slot)) return slot;
      this.unexpect(slot);
    }
  }

  /** One more, at a slot where somebody of this worker waits. */
  expectAt(slot: number): void {
    this.#shares[slot * 2 + 1] = (this.#shares[slot * 2 + 1] as number) + 1;
    Atomics.add(this.#words, at(slot) + WAITING, 1);
  }

  /** One waits no more. */
  unexpect(slot: number): void {
    Atomics.sub(this.#words, at(slot) + WAITING, 1);
    this.#shares[slot * 2 + 1] = (this.#shares[slot * 2 + 1] as number) - 1;
  }

  waitingElsewhere(slot: number): number {
    return Atomics.load(this.#words, at(slot) + WAITING) - (this.#shares[slot * 2 + 1] as number);
  }

  /** To be read before the attempt that precedes `woken`. */
  wakeCount(slot: number): number {
    return Atomics.load(this.#words, at(slot) + WAKE);
  }

  /** Resolves when another worker gives a place back, or after the time; null: one was since `count` was read. */
  woken(slot: number, count: number, milliseconds: number): Promise<unknown> | null {
    const waiting = Atomics.waitAsync(this.#words, at(slot) + WAKE, count, milliseconds);
    return waiting.async ? waiting.value : null;
  }

  /** The place is for somebody else: nobody waits here any more. */
  passOn(slot: number): void {
    Atomics.notify(this.#words, at(slot) + WAKE, 1);
  }

  /** Gauges that found no slot of their own and shared one. */
  get overflowed(): number {
    return Atomics.load(this.#words, OVERFLOWED) >>> 0;
  }

  /** The slot's limit that follows the latency; 0: none yet. */
  limit(slot: number): number {
    return this.#floats[at(slot) / 2 + LIMIT] as number;
  }

  /** True for one worker at most every `interval`: that one may change the limit. `now`: milliseconds, the same clock everywhere. */
  mayAdapt(slot: number, now: number, interval: number): boolean {
    const word = at(slot) + ADAPTED;
    const before = Atomics.load(this.#words, word);
    const stamp = Math.floor(now) | 0 || 1;
    if (before !== 0 && ((stamp - before) | 0) < interval) return false;
    return Atomics.compareExchange(this.#words, word, before, stamp) === before;
  }

  readAdaptive(slot: number, into: AdaptiveState): void {
    const from = at(slot) / 2;
    into.limit = this.#floats[from + LIMIT] as number;
    into.base = this.#floats[from + BASE] as number;
    into.baseAt = this.#floats[from + BASE_AT] as number;
    into.resume = this.#floats[from + RESUME] as number;
  }

  writeAdaptive(slot: number, state: AdaptiveState): void {
    const to = at(slot) / 2;
    this.#floats[to + BASE] = state.base;
    this.#floats[to + BASE_AT] = state.baseAt;
    this.#floats[to + RESUME] = state.resume;
    this.#floats[to + LIMIT] = state.limit;
  }

  #isOurs(slot: number): boolean {
    if (slot >= SETS * SET) return true;
    const words = this.#words;
    const from = at(slot);
    return (
      Atomics.load(words, from + KEY_LOW) === this.#hash.low && Atomics.load(words, from + KEY_HIGH) === this.#hash.high
    );
  }

  #seek(keyed: boolean): number {
    const set = keyed
      ? NAMED_SETS + ((this.#hash.low & (KEYED_SETS - 1)) >>> 0)
      : (this.#hash.low & (NAMED_SETS - 1)) >>> 0;
    const found = this.#find(set);
    if (found >= 0) return found;
    const claimed = this.#claim(set);
    if (claimed >= 0) return claimed;
    Atomics.add(this.#words, OVERFLOWED, 1);
    return this.#overflow();
  }

  #overflow(): number {
    return SETS * SET + ((this.#hash.high & (OVERFLOW - 1)) >>> 0);
  }

  #find(set: number): number {
    const words = this.#words;
    for (let slot = set * SET; slot < set * SET + SET; slot++) {
      const from = at(slot);
      if (words[from + KEY_LOW] === this.#hash.low && words[from + KEY_HIGH] === this.#hash.high) return slot;
    }
    return -1;
  }

  /** Gives the gauge a slot of its set; -1: all are in use. */
  #claim(set: number): number {
    const words = this.#words;
    for (let tries = 0; Atomics.compareExchange(words, LOCKS_AT + set, 0, this.#owner) !== 0; tries++) {
      if (tries === PATIENCE) return -1;
    }
    try {
      const found = this.#find(set);
      if (found >= 0) return found;
      // Those that were never used first: a gauge at rest may come back.
      for (const fresh of [true, false]) {
        for (let slot = set * SET; slot < set * SET + SET; slot++) {
          if (fresh === (words[at(slot) + KEY_LOW] === 0) && this.#take(slot)) return slot;
        }
      }
      return -1;
    } finally {
      Atomics.store(words, LOCKS_AT + set, 0);
    }
  }

  #take(slot: number): boolean {
    const words = this.#words;
    const from = at(slot);
    if (Atomics.compareExchange(words, from + TOTAL, 0, MOVING) !== 0) return false;
    if (Atomics.load(words, from + WAITING) !== 0) {
      Atomics.store(words, from + TOTAL, 0);
      return false;
    }
    Atomics.store(words, from + KEY_HIGH, this.#hash.high);
    Atomics.store(words, from + KEY_LOW, this.#hash.low);
    Atomics.store(words, from + ADAPTED, 0);
    this.#floats.fill(0, from / 2 + LIMIT, from / 2 + RESUME + 1);
    Atomics.store(words, from + TOTAL, 0);
    return true;
  }
}

/** For the supervisor, after the end of the worker: what it held is free again. */
export function reclaimGauges({ shared, shares, owner }: GaugeSegments): void {
  const words = new Int32Array(shared);
  for (let set = 0; set < SETS; set++) {
    if (Atomics.load(words, LOCKS_AT + set) !== owner) continue;
    for (let slot = set * SET; slot < set * SET + SET; slot++) {
      if (Atomics.compareExchange(words, at(slot) + TOTAL, MOVING, 0) !== MOVING) continue;
      Atomics.store(words, at(slot) + KEY_LOW, 0);
    }
    Atomics.store(words, LOCKS_AT + set, 0);
  }
  const held = new Int32Array(shares);
  for (let slot = 0; slot < SLOTS; slot++) {
    const places = held[slot * 2] as number;
    const waiting = held[slot * 2 + 1] as number;
    if (places === 0 && waiting === 0) continue;
    held[slot * 2] = 0;
    held[slot * 2 + 1] = 0;
    Atomics.sub(words, at(slot) + WAITING, waiting);
    Atomics.sub(words, at(slot) + TOTAL, places);
    Atomics.add(words, at(slot) + WAKE, 1);
    Atomics.notify(words, at(slot) + WAKE);
  }
}

function at(slot: number): number {
  return HEADER_WORDS + slot * SLOT_WORDS;
}

function wake(words: Int32Array, slot: number): void {
  Atomics.add(words, at(slot) + WAKE, 1);
  Atomics.notify(words, at(slot) + WAKE, 1);
}
