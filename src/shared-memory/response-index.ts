import { BUCKET, UNIT_WORDS } from './response-layout.ts';

/** Of a key: see `KeyHash`. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

/**
 * Where responses are, by the hash of their key. An entry stands in one of two buckets, each one cache line, and never
 * moves: who reads meets at most sixteen places, needs no lock, and misses nothing that is there all the time. Changes
 * are made under the shard's lock.
 */
export class ResponseIndex {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #buckets: number;

  /** `at`: in units. `buckets`: a power of two. */
  constructor(words: Int32Array, at: number, buckets: number) {
    this.#words = words;
    this.#at = at * UNIT_WORDS;
    this.#buckets = buckets;
  }

  /** How many entries there can be. They are numbered from 0. */
  get capacity(): number {
    return this.#buckets * BUCKET;
  }

  first({ low }: Hash): number {
    return low & (this.#buckets - 1);
  }

  second({ high, low }: Hash): number {
    const bucket = (Math.imul(low ^ high, 0x9e3779b1) >>> 8) & (this.#buckets - 1);
    return bucket === (low & (this.#buckets - 1)) ? bucket ^ (this.#buckets > 1 ? 1 : 0) : bucket;
  }

  /** The word of the entry's tag; that of its place is `BUCKET` words further. */
  wordOf(entry: number): number {
    return this.#at + Math.floor(entry / BUCKET) * UNIT_WORDS + (entry % BUCKET);
  }

  place(word: number): number {
    return Atomics.load(this.#words, word + BUCKET);
  }

  setPlace(word: number, ref: number): void {
    Atomics.store(this.#words, word + BUCKET, ref);
  }

  /** The entry that leads to this place; -1: none. */
  leadingTo(hash: Hash, ref: number): number {
    for (let turn = 0; turn < 2; turn++) {
      const from = this.#at + (turn === 0 ? this.first(hash) : this.second(hash)) * UNIT_WORDS;
      for (let word = from; word < from + BUCKET; word++) if (this.#words[word + BUCKET] === ref) return word;
    }
    return -1;
  }

  /** A free entry for this hash, in the emptier one of its buckets; -1: none. */
  free(hash: Hash): number {
    let best = -1;
    let most = 0;
    for (let turn = 0; turn < 2; turn++) {
      const from = this.#at + (turn === 0 ? this.first(hash) : this.second(hash)) * UNIT_WORDS;
      let count = 0;
      let free = -1;
      for (let word = from; word < from + BUCKET; word++) {
        if (this.#words[word + BUCKET] !== 0) continue;
        count++;
        free = word;
      }
      if (count <= most) continue;
      most = count;
      best = free;
    }
    return best;
  }

  /** Into a free entry. */
  set(word: number, { high }: Hash, ref: number): void {
    this.#words[word] = high;
    this.setPlace(word, ref);
  }
}
