/**
 * What each thread holds of the stored responses, in memory that only it writes to, so that the main thread can take all
 * of it back when the thread has ended: there is no total that could be left too high.
 *
 * A pin says that a place must not be overwritten. Places share pins by a hash: one that is taken for pinned only stays a
 * while longer. Who pins looks afterwards whether what it wants still is there; who overwrites makes it
 * unfindable first and then looks for pins. One of the two sees the other.
 */
const PINS = 8_192;
const SHARDS = 64;
export const FLIGHTS = 4_096;
const COUNTERS = 16;

const PINS_AT = 0;
const FOLLOWED_AT = PINS_AT + PINS;
const RESERVED_AT = FOLLOWED_AT + FLIGHTS;
const COUNTERS_AT = RESERVED_AT + SHARDS;
const ROW_WORDS = COUNTERS_AT + COUNTERS * 2;

/** Threads at once; memory of those that never come is never touched. */
export const MAX_ROWS = 256;

export const SEED_HIGH = 0;
export const SEED_LOW = 1;
const ROWS = 2;
const HEADER_WORDS = 16;

export const HITS = 0;
export const MISSES = 1;
/** Responses that were stored. */
export const ADMISSIONS = 2;
export const EVICTIONS = 3;
/** Responses that purges removed or marked. */
export const PURGED = 4;
/** Responses for which there was no room, or that were too large. */
export const REJECTED = 5;
/** Responses that were fetched before a purge of them. */
export const OUTDATED = 6;
/** Responses that were not what had been stored. */
export const BROKEN = 7;
/** Requests that waited for a fetch of another one. */
export const FOLLOWERS = 8;

export function createResponseShares(seed: readonly [number, number]): SharedArrayBuffer {
  const shares = new SharedArrayBuffer((HEADER_WORDS + MAX_ROWS * ROW_WORDS) * 4);
  const words = new Int32Array(shares, 0, HEADER_WORDS);
  words[SEED_HIGH] = seed[0];
  words[SEED_LOW] = seed[1];
  words[ROWS] = 1;
  return shares;
}

export class ResponseShares {
  /** Of this thread in locks and in records that it fills. */
  readonly id: number;
  readonly seedHigh: number;
  readonly seedLow: number;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #row: number;

  constructor(shares: SharedArrayBuffer, row: number) {
    this.id = row + 1;
    this.#words = new Int32Array(shares);
    this.#row = rowAt(row);
    this.#counters = new Float64Array(shares, (this.#row + COUNTERS_AT) * 4, COUNTERS);
    this.seedHigh = this.#words[SEED_HIGH] as number;
    this.seedLow = this.#words[SEED_LOW] as number;
  }

  /** The pins of a place. */
  static pinOf(shard: number, ref: number): number {
    return ((ref ^ (ref >>> 13)) + Math.imul(shard, 0x9e37)) & (PINS - 1);
  }

  pin(pin: number): void {
    Atomics.add(this.#words, this.#row + PINS_AT + pin, 1);
  }

  unpin(pin: number): void {
    Atomics.sub(this.#words, this.#row + PINS_AT + pin, 1);
  }

  /** By any thread. */
  isPinned(pin: number): boolean {
    return this.#total(PINS_AT + pin) > 0;
  }

  reserve(shard: number, units: number): void {
    Atomics.add(this.#words, this.#row + RESERVED_AT + shard, units);
  }

  /** Units that all threads are filling. */
  reserved(shard: number): number {
    return this.#total(RESERVED_AT + shard);
  }

  /** This thread waits for the end of a flight. */
  follow(flight: number, follows: boolean): void {
    Atomics.store(this.#words, this.#row + FOLLOWED_AT + flight, follows ? 1 : 0);
  }

  isFollowed(flight: number): boolean {
    return this.#total(FOLLOWED_AT + flight) > 0;
  }

  count(counter: number, times = 1): void {
    this.#counters[counter] = (this.#counters[counter] as number) + times;
  }

  /** Of all threads that ever were. */
  counted(counter: number): number {
    let sum = 0;
    for (let row = 0; row < Atomics.load(this.#words, ROWS); row++) {
      sum += new Float64Array(this.#words.buffer, (rowAt(row) + COUNTERS_AT) * 4, COUNTERS)[counter] as number;
    }
    return sum;
  }

  /** From here on everybody looks at this row too: to be done before its thread begins. */
  admit(row: number): void {
    if (row >= Atomics.load(this.#words, ROWS)) Atomics.store(this.#words, ROWS, row + 1);
  }

  /** Whether a thread that has ended was filling something in this shard. */
  wasFilling(row: number, shard: number): boolean {
    return Atomics.load(this.#words, rowAt(row) + RESERVED_AT + shard) !== 0;
  }

  /** After the end of its thread; what it counted stays. */
  clear(row: number): void {
    const from = rowAt(row);
    // Read before it is written: most of it was never touched, and would take memory if it were.
    for (let at = from; at < from + COUNTERS_AT; at++) if (this.#words[at] !== 0) Atomics.store(this.#words, at, 0);
  }

  #total(at: number): number {
    const words = this.#words;
    const rows = Atomics.load(words, ROWS);
    let sum = 0;
    for (let from = HEADER_WORDS + at, i = 0; i < rows; i++, from += ROW_WORDS) sum += Atomics.load(words, from);
    return sum;
  }
}

function rowAt(row: number): number {
  return HEADER_WORDS + row * ROW_WORDS;
}
