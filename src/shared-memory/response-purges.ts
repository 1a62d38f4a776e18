import type { ResponsePurge } from '../plan/response-store.ts';
import { KeyHash } from './key-hash.ts';
import type { Hash } from './response-index.ts';
import type { ResponseShares } from './response-shares.ts';

/** More than come while one response is fetched; a slower fetch is not stored. */
const REMEMBERED = 8_192;
const RECORD_WORDS = 4;
const HEADER_WORDS = 16;
/** Purges begun. */
const BEGUN = 0;

const NUMBER = 0;
/** What kind, and for a prefix its length. */
const KIND = 1;
const HASH_HIGH = 2;
const HASH_LOW = 3;

const KINDS = ['key', 'prefix', 'tag', 'all'] as const;
const KIND_BITS = 2;

export function createResponsePurges(): SharedArrayBuffer {
  return new SharedArrayBuffer((HEADER_WORDS + REMEMBERED * RECORD_WORDS) * 4);
}

/**
 * The latest purges, by which a fetch that began before one of them learns that its response may not be stored. They are
 * numbered, and known by hashes: one that says by chance too much costs a fetch.
 */
export class ResponsePurges {
  readonly #words: Int32Array;
  readonly #shares: ResponseShares;
  readonly #hash = new KeyHash();
  #hashed: string | null = null;

  constructor(purges: SharedArrayBuffer, shares: ResponseShares) {
    this.#words = new Int32Array(purges);
    this.#shares = shares;
  }

  /** The number of the latest one. */
  get latest(): number {
    return Atomics.load(this.#words, BEGUN);
  }

  /** From here on nothing is stored that was being fetched. To be done before what is stored is looked through. */
  begin({ by, value }: ResponsePurge): void {
    const words = this.#words;
    const number = (Atomics.add(words, BEGUN, 1) + 1) | 0;
    const at = recordAt(number);
    const { high, low } = this.hash(value);
    words[at + KIND] = KINDS.indexOf(by) | (value.length << KIND_BITS);
    words[at + HASH_HIGH] = high;
    words[at + HASH_LOW] = low;
    Atomics.store(words, at + NUMBER, number);
  }

  /** Whether one of the purges after number `since` is about it. `since`: of a time before it was asked for. */
  concern(since: number, key: string, tags: readonly string[], latest = this.latest): boolean {
    const words = this.#words;
    if (latest === since) return false;
    if (((latest - since) | 0) > REMEMBERED) return true;
    for (let number = (since + 1) | 0; ((latest - number) | 0) >= 0; number = (number + 1) | 0) {
      const at = recordAt(number);
      // Not written yet, for ever if its thread was ended, or overwritten by now: it may have been any.
      if (Atomics.load(words, at + NUMBER) !== number) return true;
      const isAbout = this.#isAbout(at, key, tags);
      if (Atomics.load(words, at + NUMBER) !== number) return true;
      if (isAbout) return true;
    }
    return false;
  }

  /** Until the next one is asked for. */
  hash(text: string): Hash {
    // One key is asked for several times in a row: found, begun, opened.
    if (text !== this.#hashed) this.#hash.of(this.#shares.seedHigh, this.#shares.seedLow, text);
    this.#hashed = text;
    return this.#hash;
  }

  #isAbout(at: number, key: string, tags: readonly string[]): boolean {
    const kind = this.#words[at + KIND] as number;
    const length = kind >>> KIND_BITS;
    switch (KINDS[kind & (2 ** KIND_BITS - 1)]) {
      case 'key':
        return key.length === length && this.#matches(at, key);
      case 'prefix':
        return key.length >= length && this.#matches(at, key.slice(0, length));
      case 'tag':
        return tags.some((tag) => this.#matches(at, tag));
      default:
        return true;
    }
  }

  #matches(at: number, text: string): boolean {
    const { high, low } = this.hash(text);
    return this.#words[at + HASH_HIGH] === high && this.#words[at + HASH_LOW] === low;
  }
}

function recordAt(number: number): number {
  return HEADER_WORDS + (number & (REMEMBERED - 1)) * RECORD_WORDS;
}
