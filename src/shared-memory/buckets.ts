import { charge, isRested, type RateLimit, type RateVerdict, take } from '../semantics/rate.ts';
import { KeyHash } from './key-hash.ts';

/**
 * The state of every limited key, shared by all workers without a message or a lock on the usual way: a key's state is
 * one 64-bit word that whoever takes from it replaces by compare-and-swap.
 *
 * Slots stand in sets of eight; a key belongs to the set that its hash names, or to a second one when the first is full.
 * Only slots whose key is rested again give way to new keys, which changes nothing for the key that leaves. When all
 * sixteen are at work, new keys share one overflow bucket of their limit: stricter for them, never looser.
 *
 * A slot is 32 bytes: key (64 bits of hash), state, and the period that tells when a sliding window is rested.
 */
const SET = 8;
const SLOT_WORDS = 4;
const SLOT_BYTES = SLOT_WORDS * 8;
const KEY = 0;
const STATE = 1;
const PERIOD = 2;

/** Header, in 32-bit words: hash seeds, and what is counted. */
const SEED = 0;
const SEED_LOW = 1;
const EVICTED = 2;
const OVERFLOWED = 3;
const CONTENDED = 4;
const HEADER_BYTES = 64;

/** Slots for overflow, at the end: one for each limit that ever needed one. */
const OVERFLOW = 4096;
/** A slot in this state is being given to another key. */
const MOVING = -1n;
/** Attempts at a slot or a lock that others change at the same time; whoever has tried so often is refused. */
const PATIENCE = 10_000;

export interface BucketCounts {
  /** Rested keys that gave way. */
  readonly evicted: number;
  /** Attempts by keys that found no slot and shared the bucket of their limit. */
  readonly overflowed: number;
  /** Attempts that were refused because the slot never stood still: in practice none. */
  readonly contended: number;
}

export function bucketBytes(slots: number): number {
  const sets = setsFor(slots);
  return HEADER_BYTES + (sets * SET + OVERFLOW) * SLOT_BYTES + sets * 4;
}

function setsFor(slots: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(slots, SET) / SET)));
}

/** Makes the segment; `seed`: 64 random bits, so that nobody outside can aim keys at one set. */
export function createBuckets(slots: number, seed: readonly [number, number]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bucketBytes(slots));
  const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  header[SEED] = seed[0];
  header[SEED_LOW] = seed[1];
  return buffer;
}

export class BucketTable {
  readonly #header: Int32Array;
  readonly #words: BigInt64Array;
  /** The same memory as 32-bit words: one half of a key tells most slots apart without making a BigInt. */
  readonly #halves: Int32Array;
  readonly #periods: Float64Array;
  /** One for each set: 0, or who is giving one of its slots to another key. */
  readonly #locks: Int32Array;
  readonly #sets: number;
  readonly #owner: number;
  readonly #hash = new KeyHash();

  /** `owner`: above 0 and different in every worker. */
  constructor(buffer: SharedArrayBuffer, owner: number) {
    const slotBytes = buffer.byteLength - HEADER_BYTES - OVERFLOW * SLOT_BYTES;
    this.#sets = slotBytes / (SET * SLOT_BYTES + 4);
    const words = (this.#sets * SET + OVERFLOW) * SLOT_WORDS;
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#words = new BigInt64Array(buffer, HEADER_BYTES, words);
    this.#halves = new Int32Array(buffer, HEADER_BYTES, words * 2);
    this.#periods = new Float64Array(buffer, HEADER_BYTES, words);
    this.#locks = new Int32Array(buffer, HEADER_BYTES + words * 8, this.#sets);
    this.#owner = owner;
  }

  /** Takes `cost` from the bucket of this key under this limit, if it is there. `now` in nanoseconds, the same clock everywhere. */
  take(limitId: number, key: string, limit: RateLimit, now: number, cost: number, verdict: RateVerdict): void {
    this.#change(limitId, key, limit, now, cost, verdict);
  }

  /** Takes `cost` though it may not be there; one below 0 gives back. */
  charge(limitId: number, key: string, limit: RateLimit, now: number, cost: number): void {
    this.#change(limitId, key, limit, now, cost, null);
  }

  #change(
    limitId: number,
    key: string,
    limit: RateLimit,
    now: number,
    cost: number,
    verdict: RateVerdict | null,
  ): void {
    this.#seek(limitId, key);
    const wanted = this.#hash.word;
    const first = (this.#hash.low & (this.#sets - 1)) >>> 0;
    const second = (this.#hash.high & (this.#sets - 1)) >>> 0;
    for (let tries = 0; tries < PATIENCE; tries++) {
      const slot = this.#findIn(first, second, wanted);
      if (slot >= 0) {
        if (this.#takeFrom(slot, wanted, limit, now, cost, verdict)) return;
        continue;
      }
      if (this.#claim(first, second, wanted, limit, now)) continue;
      this.#overflow(limitId, limit, now, cost, verdict);
      return;
    }
    this.#refuse(limit, now, verdict);
  }

  /** Keys that may be at work at once. */
  get slots(): number {
    return this.#sets * SET;
  }

  counts(): BucketCounts {
    const header = this.#header;
    return {
      evicted: Atomics.load(header, EVICTED) >>> 0,
      overflowed: Atomics.load(header, OVERFLOWED) >>> 0,
      contended: Atomics.load(header, CONTENDED) >>> 0,
    };
  }

  /** For the supervisor, after a worker's end: what it was doing is undone, and its key is new again at worst. */
  release(owner: number): void {
    for (let set = 0; set < this.#sets; set++) {
      if (Atomics.load(this.#locks, set) !== owner) continue;
      for (let i = 0; i < SET; i++) {
        const at = (set * SET + i) * SLOT_WORDS;
        if (Atomics.load(this.#words, at + STATE) !== MOVING) continue;
        Atomics.store(this.#words, at + KEY, 0n);
        Atomics.store(this.#words, at + STATE, 0n);
      }
      Atomics.store(this.#locks, set, 0);
    }
  }

  /** Keys are told apart by limit as well. */
  #seek(limitId: number, key: string): void {
    const header = this.#header;
    const high = (header[SEED] as number) ^ Math.imul(limitId + 1, 0x9e3779b1);
    const low = (header[SEED_LOW] as number) ^ Math.imul(limitId + 1, 0x85ebca77);
    this.#hash.of(high, low, key);
  }

  #findIn(first: number, second: number, wanted: bigint): number {
    const slot = this.#find(first, wanted);
    return slot >= 0 || second === first ? slot : this.#find(second, wanted);
  }

  #find(set: number, wanted: bigint): number {
    const low = this.#hash.low;
    for (let i = 0; i < SET; i++) {
      const slot = set * SET + i;
      // A torn look at a slot that is changing only leads to the lock, where it is looked at again.
      if (this.#halves[slot * SLOT_WORDS * 2] !== low) continue;
      if (Atomics.load(this.#words, slot * SLOT_WORDS + KEY) === wanted) return slot;
    }
    return -1;
  }

  /** False: it changed under our hands, look again. */
  #takeFrom(
    slot: number,
    wanted: bigint,
    limit: RateLimit,
    now: number,
    cost: number,
    verdict: RateVerdict | null,
  ): boolean {
    const words = this.#words;
    const at = slot * SLOT_WORDS;
    for (let tries = 0; tries < PATIENCE; tries++) {
      const before = Atomics.load(words, at + STATE);
      // In this order: a slot that changes hands gets another state first, so that the swap below fails.
      if (before === MOVING || Atomics.load(words, at + KEY) !== wanted) return false;
      if (this.#swap(at + STATE, before, limit, now, cost, verdict)) return true;
    }
    this.#refuse(limit, now, verdict);
    return true;
  }

  /** False: the state was another one by then. */
  #swap(at: number, before: bigint, limit: RateLimit, now: number, cost: number, verdict: RateVerdict | null): boolean {
    let state: number;
    if (verdict === null) {
      state = charge(limit, Number(before), now, cost);
    } else {
      take(limit, Number(before), now, cost, verdict);
      if (!verdict.allowed || cost === 0) return true;
      state = verdict.state;
    }
    return Atomics.compareExchange(this.#words, at, before, BigInt(state)) === before;
  }

  /**
   * Gives the key a slot; false: all are at work. Whoever does so holds the lock of the key's first set, so that it never
   * has two.
   */
  #claim(first: number, second: number, wanted: bigint, limit: RateLimit, now: number): boolean {
    if (!this.#lock(first)) return false;
    try {
      if (this.#findIn(first, second, wanted) >= 0) return true;
      if (this.#claimIn(first, wanted, limit, now)) return true;
      if (second === first || !this.#lock(second)) return false;
      try {
        return this.#claimIn(second, wanted, limit, now);
      } finally {
        Atomics.store(this.#locks, second, 0);
      }
    } finally {
      Atomics.store(this.#locks, first, 0);
    }
  }

  /** With the lock of the set. A free slot if there is one: a rested key may come back soon. */
  #claimIn(set: number, wanted: bigint, limit: RateLimit, now: number): boolean {
    for (let i = 0; i < SET; i++) {
      const at = (set * SET + i) * SLOT_WORDS;
      if (Atomics.load(this.#words, at + KEY) === 0n && this.#move(at, wanted, limit, now)) return true;
    }
    for (let i = 0; i < SET; i++) {
      const at = (set * SET + i) * SLOT_WORDS;
      if (!this.#move(at, wanted, limit, now)) continue;
      Atomics.add(this.#header, EVICTED, 1);
      return true;
    }
    return false;
  }

  /** False: its key is at work. */
  #move(at: number, wanted: bigint, limit: RateLimit, now: number): boolean {
    const words = this.#words;
    const before = Atomics.load(words, at + STATE);
    const isFree = Atomics.load(words, at + KEY) === 0n;
    if (!isFree && !isRested(Number(before), this.#periods[at + PERIOD] as number, now)) return false;
    if (Atomics.compareExchange(words, at + STATE, before, MOVING) !== before) return false;
    this.#periods[at + PERIOD] = periodOf(limit);
    Atomics.store(words, at + KEY, wanted);
    Atomics.store(words, at + STATE, freshState(limit, now));
    return true;
  }

  #lock(set: number): boolean {
    for (let tries = 0; tries < PATIENCE; tries++) {
      if (Atomics.compareExchange(this.#locks, set, 0, this.#owner) === 0) return true;
    }
    return false;
  }

  #overflow(limitId: number, limit: RateLimit, now: number, cost: number, verdict: RateVerdict | null): void {
    Atomics.add(this.#header, OVERFLOWED, 1);
    const at = this.#overflowSlot(limitId);
    for (let tries = 0; at >= 0 && tries < PATIENCE; tries++) {
      const before = Atomics.load(this.#words, at + STATE);
      if (this.#swap(at + STATE, before, limit, now, cost, verdict)) return;
    }
    this.#refuse(limit, now, verdict);
  }

  /** -1: more limits have overflowed than there is room for. */
  #overflowSlot(limitId: number): number {
    const words = this.#words;
    const owner = BigInt(limitId + 1);
    for (let i = 0; i < OVERFLOW; i++) {
      const at = (this.#sets * SET + ((limitId + i) % OVERFLOW)) * SLOT_WORDS;
      const found = Atomics.compareExchange(words, at + KEY, 0n, owner);
      if (found === 0n || found === owner) return at;
    }
    return -1;
  }

  #refuse(limit: RateLimit, now: number, verdict: RateVerdict | null): void {
    Atomics.add(this.#header, CONTENDED, 1);
    if (verdict === null) return;
    take(limit, 0, now, 0, verdict);
    verdict.allowed = false;
    verdict.remaining = 0;
    verdict.nextAfter = 1;
    verdict.retryAfter = 1;
  }
}

/** A slot that changes hands twice must not look as if it never had: for who read it before and swaps after. */
const LONG_AGO = 1_000_000_000;

/** Of a key that was never seen. */
function freshState({ algorithm }: RateLimit, now: number): bigint {
  return algorithm === 'gcra' ? BigInt(Math.max(0, Math.floor(now) - LONG_AGO)) : 0n;
}

function periodOf({ algorithm, period }: RateLimit): number {
  return algorithm === 'gcra' ? 0 : period;
}
