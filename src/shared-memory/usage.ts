import { KeyHash } from './key-hash.ts';

/**
 * What callers used of their quotas, in memory that all workers share: a count is one 64-bit word that whoever adds to it
 * replaces by compare-and-swap, so that a quota is exact over the workers.
 *
 * A slot belongs to one subject in one window, and has a ring of words, one for each period (or part of a rolling one).
 * A word is a number below 2^53: `stamp modulo 2^16`, then a count below 2^37. The main thread is told of changes by one
 * flag a slot, keeps them elsewhere, and brings back what was counted elsewhere. So a slot whose changes are kept may be
 * given to another subject when there is no other: what it held comes back a moment after its subject does.
 */
const KEY = 0;
const ENDS = 1;
/** As 32-bit halves: hash of the window's name, hash of the plan's name. */
const NAMES = 2;
const TEXT_LENGTH = 3;
const TEXT = 4;
export const TEXT_BYTES = 120;
const RING = TEXT + TEXT_BYTES / 8;

const STAMPS = 2 ** 16;
const COUNTS = 2 ** 37;
/** Largest count. */
export const MOST_USED = COUNTS - 1;
/** A word in this state, or a slot with this key, is being given to another subject. */
const MOVING = -1n;
const NOBODY = 1n;

/** Header, in 32-bit words. */
const SEED = 0;
const SEED_LOW = 1;
const LOCK = 2;
const EVICTED = 3;
const UNCOUNTED = 4;
const RING_WORDS = 5;
const SLOTS = 6;
const HEADER_BYTES = 64;

/** Slots in which a subject may be. */
const PROBES = 16;
const SPINS = 200;
const NAPS = 50;
const NAP_MS = 1;
/** Attempts at a word that others change at the same time. */
const PATIENCE = 10_000;
/** A worker whose clock reading is old may still be about to count in a period that is over. */
const GRACE_MS = 10_000;

export const slotState = { clean: 0, changed: 1, underWay: 2 } as const;

export interface UsageCounts {
  /** Subjects that gave way to others before their time. */
  readonly evicted: number;
  /** Attempts that were not counted, because no slot could be had. */
  readonly uncounted: number;
}

/** What one attempt came to; its caller reads it at once. */
export interface UsageOutcome {
  allowed: boolean;
  used: number;
  /** Stamp of the oldest count that is not 0. */
  oldest: number;
  /** Stamp of the count that has to leave before the same cost fits; meaningless when it did. */
  blocking: number;
}

export interface UsageSlot {
  readonly window: number;
  readonly plan: number;
  readonly subject: string;
  readonly endsAt: number;
  /** By place in the ring: stamp modulo 2^16, and count. */
  readonly words: readonly { readonly stamp: number; readonly count: number }[];
}

export function createUsage(slots: number, ring: number, seed: readonly [number, number]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(HEADER_BYTES + slots * (RING + ring) * 8 + slots * 4);
  const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  header[SEED] = seed[0];
  header[SEED_LOW] = seed[1];
  header[RING_WORDS] = ring;
  header[SLOTS] = slots;
  return buffer;
}

/** The full stamp that one modulo 2^16 stands for, when the time is at `current`. */
export function fullStamp(stamp: number, current: number): number {
  // A neighbour's clock may be a period ahead.
  const behind = (((current + 1 - stamp) % STAMPS) + STAMPS) % STAMPS;
  return current + 1 - behind;
}

export class UsageTable {
  readonly outcome: UsageOutcome = { allowed: false, used: 0, oldest: 0, blocking: 0 };
  readonly slots: number;
  readonly #header: Int32Array;
  readonly #words: BigInt64Array;
  readonly #halves: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #states: Int32Array;
  readonly #ring: number;
  readonly #slotWords: number;
  readonly #owner: number;
  readonly #hash = new KeyHash();

  /** `owner`: above 0 and different in every thread. */
  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#ring = this.#header[RING_WORDS] as number;
    this.slots = this.#header[SLOTS] as number;
    this.#slotWords = RING + this.#ring;
    const words = this.slots * this.#slotWords;
    this.#words = new BigInt64Array(buffer, HEADER_BYTES, words);
    this.#halves = new Int32Array(buffer, HEADER_BYTES, words * 2);
    this.#floats = new Float64Array(buffer, HEADER_BYTES, words);
    this.#bytes = new Uint8Array(buffer, HEADER_BYTES, words * 8);
    this.#states = new Int32Array(buffer, HEADER_BYTES + words * 8, this.slots);
    this.#owner = owner;
  }

  /**
   * Adds `cost` to what the subject used at `stamp`, if with the `span - 1` counts before it that is no more than `limit`.
   * A cost of 0 looks, one below 0 gives back. A `plan` of 0 leaves what is there. `endsAt`: milliseconds since the epoch from which the counts mean nothing.
   */
  take(
    window: number,
    subject: string,
    plan: number,
    stamp: number,
    span: number,
    endsAt: number,
    now: number,
    limit: number,
    cost: number,
  ): UsageOutcome {
    const { outcome } = this;
    this.#seek(window, subject);
    const wanted = this.#hash.word;
    for (let tries = 0; tries < PATIENCE; tries++) {
      const slot = this.#find(wanted) ?? this.#claim(wanted, window, subject, now);
      if (slot === null) break;
      // Before it counts: who looks for what is over reads in the other order.
      this.#describe(slot, plan, endsAt);
      if (!this.#add(slot, wanted, stamp, span, limit, cost)) continue;
      if (Atomics.load(this.#states, slot) !== slotState.changed) Atomics.store(this.#states, slot, slotState.changed);
      return outcome;
    }
    Atomics.add(this.#header, UNCOUNTED, 1);
    outcome.allowed = true;
    outcome.used = Math.max(0, cost);
    outcome.oldest = stamp;
    outcome.blocking = stamp;
    return outcome;
  }

  /** For the main thread: slots that changed since it asked last. Each has to be settled. */
  *changed(): Generator<number> {
    const states = this.#states;
    for (let slot = 0; slot < states.length; slot++) {
      if (states[slot] !== slotState.changed) continue;
      // Before it is read, so that what comes after that counts as another change.
      Atomics.store(states, slot, slotState.underWay);
      yield slot;
    }
  }

  /** What was changed there is kept, or has to be tried again. */
  settle(slot: number, isKept: boolean): void {
    const next = isKept ? slotState.clean : slotState.changed;
    Atomics.compareExchange(this.#states, slot, slotState.underWay, next);
  }

  /** What it has elsewhere is to be looked up. */
  touch(slot: number): void {
    Atomics.store(this.#states, slot, slotState.changed);
  }

  /** What is in it is kept already. */
  calm(slot: number): void {
    Atomics.store(this.#states, slot, slotState.clean);
  }

  /** For what others did, which is no change to be kept. False: the slot has gone to somebody else. */
  correct(slot: number, window: number, subject: string, stamp: number, by: number): boolean {
    this.#seek(window, subject);
    const wanted = this.#hash.word;
    return this.#add(slot, wanted, stamp, 1, Number.POSITIVE_INFINITY, by);
  }

  /** Null: nobody has it. */
  read(slot: number): UsageSlot | null {
    const at = slot * this.#slotWords;
    const key = Atomics.load(this.#words, at + KEY);
    if (key === 0n || key === NOBODY) return null;
    const length = this.#halves[(at + TEXT_LENGTH) * 2] as number;
    const from = (at + TEXT) * 8;
    const subject = Buffer.from(this.#bytes.slice(from, from + length)).toString();
    const words: { stamp: number; count: number }[] = [];
    for (let i = 0; i < this.#ring; i++) {
      const word = Atomics.load(this.#words, at + RING + i);
      const number = word === MOVING ? 0 : Number(word);
      words.push({ stamp: Math.floor(number / COUNTS), count: number % COUNTS });
    }
    if (Atomics.load(this.#words, at + KEY) !== key) return null;
    const window = this.#halves[(at + NAMES) * 2] as number;
    const plan = this.#halves[(at + NAMES) * 2 + 1] as number;
    return { window: window >>> 0, plan: plan >>> 0, subject, endsAt: this.#floats[at + ENDS] as number, words };
  }

  /** Slots that somebody has. */
  *taken(): Generator<number> {
    for (let slot = 0; slot < this.slots; slot++) {
      const key = Atomics.load(this.#words, slot * this.#slotWords + KEY);
      if (key !== 0n && key !== NOBODY) yield slot;
    }
  }

  find(window: number, subject: string): number | null {
    this.#seek(window, subject);
    return this.#find(this.#hash.word);
  }

  /** After so long nobody could tell a stamp from one that is 2^16 later. */
  sweep(now: number): void {
    const words = this.#words;
    for (const slot of this.taken()) {
      if (!this.#isOver(slot, now)) continue;
      const ring = slot * this.#slotWords + RING;
      for (let i = 0; i < this.#ring; i++) {
        const word = Atomics.load(words, ring + i);
        if (this.#isOver(slot, now)) Atomics.compareExchange(words, ring + i, word, 0n);
      }
    }
  }

  counts(): UsageCounts {
    return {
      evicted: Atomics.load(this.#header, EVICTED) >>> 0,
      uncounted: Atomics.load(this.#header, UNCOUNTED) >>> 0,
    };
  }

  /** For the main thread, after a worker's end: a slot that it was giving away has nobody, and waits for the next. */
  release(owner: number): void {
    if (Atomics.compareExchange(this.#header, LOCK, owner, 0) === owner) Atomics.notify(this.#header, LOCK);
  }

  /** Subjects are told apart by window as well. */
  #seek(window: number, subject: string): void {
    const header = this.#header;
    const high = (header[SEED] as number) ^ Math.imul(window, 0x9e3779b1);
    const low = (header[SEED_LOW] as number) ^ Math.imul(window, 0x85ebca77);
    this.#hash.of(high, low, subject);
  }

  #slotOf(probe: number): number {
    return ((this.#hash.low >>> 0) + probe) % this.slots;
  }

  #find(wanted: bigint): number | null {
    const low = this.#hash.low;
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = this.#slotOf(probe);
      const at = slot * this.#slotWords;
      const half = this.#halves[at * 2] as number;
      // A key whose lower half is 0 is none, and nothing was ever put behind it.
      if (half === 0) return null;
      if (half === low && Atomics.load(this.#words, at + KEY) === wanted) return slot;
    }
    return null;
  }

  /** False: the slot went to somebody else. */
  #add(slot: number, wanted: bigint, stamp: number, span: number, limit: number, cost: number): boolean {
    const { outcome } = this;
    const words = this.#words;
    const at = slot * this.#slotWords;
    const ring = at + RING;
    let others = 0;
    outcome.oldest = stamp;
    for (let i = span - 1; i > 0; i--) {
      const count = this.#countAt(ring, stamp - i);
      if (count > 0 && outcome.oldest === stamp) outcome.oldest = stamp - i;
      others += count;
    }
    const home = ring + (stamp % this.#ring);
    const mark = stamp % STAMPS;
    for (let tries = 0; tries < PATIENCE; tries++) {
      const before = Atomics.load(words, home);
      // In this order: a slot that changes hands gets other words first, so that the swap below fails.
      if (before === MOVING || Atomics.load(words, at + KEY) !== wanted) return false;
      const number = Number(before);
      const count = Math.floor(number / COUNTS) === mark ? number % COUNTS : 0;
      const used = others + count;
      outcome.allowed = cost <= 0 || used + cost <= limit;
      outcome.used = used;
      if (!outcome.allowed) {
        outcome.blocking = this.#blocking(ring, stamp, span, used + cost - limit);
        return true;
      }
      const next = Math.min(Math.max(count + cost, 0), MOST_USED);
      outcome.used = others + next;
      if (next === count) return true;
      if (Atomics.compareExchange(words, home, before, BigInt(mark * COUNTS + next)) === before) return true;
    }
    return false;
  }

  #countAt(ring: number, stamp: number): number {
    const word = Number(Atomics.load(this.#words, ring + (stamp % this.#ring)));
    return Math.floor(word / COUNTS) === stamp % STAMPS ? word % COUNTS : 0;
  }

  /** Once the count of that stamp has left, so has `excess`. */
  #blocking(ring: number, stamp: number, span: number, excess: number): number {
    let left = 0;
    for (let i = span - 1; i > 0; i--) {
      left += this.#countAt(ring, stamp - i);
      if (left >= excess) return stamp - i;
    }
    return stamp;
  }

  #describe(slot: number, plan: number, endsAt: number): void {
    const at = slot * this.#slotWords;
    if (this.#floats[at + ENDS] !== endsAt) this.#floats[at + ENDS] = endsAt;
    const name = (at + NAMES) * 2 + 1;
    if (plan !== 0 && this.#halves[name] !== (plan | 0)) this.#halves[name] = plan;
  }

  /** Gives the subject a slot; null: there is none to give. */
  #claim(wanted: bigint, window: number, subject: string, now: number): number | null {
    if (!this.#lock()) return null;
    try {
      const found = this.#find(wanted);
      if (found !== null) return found;
      const slot = this.#vacate(now);
      if (slot === null) return null;
      const at = slot * this.#slotWords;
      const text = Buffer.from(subject).subarray(0, TEXT_BYTES);
      this.#bytes.set(text, (at + TEXT) * 8);
      this.#halves[(at + TEXT_LENGTH) * 2] = text.length;
      this.#halves[(at + NAMES) * 2] = window;
      this.#floats[at + ENDS] = now;
      for (let i = 0; i < this.#ring; i++) Atomics.store(this.#words, at + RING + i, 0n);
      Atomics.store(this.#words, at + KEY, wanted);
      return slot;
    } finally {
      Atomics.store(this.#header, LOCK, 0);
      Atomics.notify(this.#header, LOCK, 1);
    }
  }

  /** A slot that nobody has: a free one, one whose time is over, or that of whoever used least, if that is kept. */
  #vacate(now: number): number | null {
    let chosen: number | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = this.#slotOf(probe);
      const at = slot * this.#slotWords;
      const key = Atomics.load(this.#words, at + KEY);
      if (key === 0n || key === NOBODY) return slot;
      if (Atomics.load(this.#states, slot) !== slotState.clean) continue;
      let used = -1;
      if (!this.#isOver(slot, now)) {
        used = 0;
        for (let i = 0; i < this.#ring; i++) used += Number(Atomics.load(this.#words, at + RING + i)) % COUNTS;
      }
      if (used >= least) continue;
      least = used;
      chosen = slot;
    }
    if (chosen === null) return null;
    const at = chosen * this.#slotWords;
    for (let i = 0; i < this.#ring; i++) Atomics.store(this.#words, at + RING + i, MOVING);
    Atomics.store(this.#words, at + KEY, NOBODY);
    if (least >= 0) Atomics.add(this.#header, EVICTED, 1);
    return chosen;
  }

  #isOver(slot: number, now: number): boolean {
    return (this.#floats[slot * this.#slotWords + ENDS] as number) + GRACE_MS < now;
  }

  #lock(): boolean {
    const header = this.#header;
    for (let naps = 0; naps < NAPS; naps++) {
      for (let spins = 0; spins < SPINS; spins++) {
        if (Atomics.compareExchange(header, LOCK, 0, this.#owner) === 0) return true;
      }
      // Whoever has it may not be running just now.
      Atomics.wait(header, LOCK, Atomics.load(header, LOCK), NAP_MS);
    }
    return false;
  }
}
