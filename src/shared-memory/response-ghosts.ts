import { BUCKET, EVICTIONS, UNIT_WORDS } from './response-layout.ts';

/**
 * Hashes of keys that were evicted from the small log lately: a key that comes back was not asked for just once. A set of
 * eight is one cache line: their tags, then when they were put there. Everything under the shard's lock.
 */
export class ResponseGhosts {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #sets: number;

  /** `at`: in units. `sets`: a power of two. */
  constructor(words: Int32Array, at: number, sets: number) {
    this.#words = words;
    this.#at = at * UNIT_WORDS;
    this.#sets = sets;
  }

  add(high: number, low: number): void {
    const words = this.#words;
    const from = this.#setAt(low);
    const now = ((words[EVICTIONS] as number) + 1) | 0;
    words[EVICTIONS] = now;
    let oldest = from;
    for (let word = from; word < from + BUCKET; word++) {
      const isFree = words[word] === 0;
      if (isFree || (now - (words[word + BUCKET] as number)) >>> 0 > (now - (words[oldest + BUCKET] as number)) >>> 0) {
        oldest = word;
      }
      if (isFree) break;
    }
    words[oldest] = tagOf(high);
    words[oldest + BUCKET] = now;
  }

  /** Whether the key was among the last so many; from here on it is not. */
  take(high: number, low: number, last: number): boolean {
    const words = this.#words;
    const from = this.#setAt(low);
    for (let word = from; word < from + BUCKET; word++) {
      if (words[word] !== tagOf(high)) continue;
      words[word] = 0;
      return ((words[EVICTIONS] as number) - (words[word + BUCKET] as number)) >>> 0 < last;
    }
    return false;
  }

  #setAt(low: number): number {
    return this.#at + (low & (this.#sets - 1)) * UNIT_WORDS;
  }
}

/** 0 is a free place. */
function tagOf(high: number): number {
  return high === 0 ? 1 : high;
}
