/**
 * Counters over a rolling window, shared by all workers and exact: nothing that is counted is lost or counted twice.
 *
 * Counters are never set back. At the begin of each part of the window somebody writes down how high they stand; what the window
 * saw is what they have risen by since its first part began. So counting is one atomic addition, nothing is ever set back
 * to zero under somebody's hands, and who writes down twice writes the same.
 */
const PARTS = 10;

/** Words behind the counters' own. */
const LENGTH = 0;
const CURRENT = 1;
const HEAD = 2;

/** Words that so many counters take. */
export function rollingWords(counters: number): number {
  return HEAD + counters + PARTS * (1 + counters);
}

export class RollingCounts {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #counters: number;
  /** Milliseconds of one part. */
  readonly #length: number;
  /** Until then this worker knows that the present part is the one that it saw last. */
  #knownUntil = Number.NEGATIVE_INFINITY;

  /** `at`: the first of `rollingWords(counters)` words, all 0 at the first use. `window`: at least a tenth of a second. */
  constructor(words: Int32Array, at: number, counters: number, window: number) {
    this.#words = words;
    this.#at = at;
    this.#counters = counters;
    this.#length = Math.ceil(window / PARTS);
  }

  /** Before anything is counted at that time. */
  advance(now: number): void {
    if (now >= this.#knownUntil) this.#advance(now);
  }

  add(counter: number, change: number): number {
    return Atomics.add(this.#words, this.#at + HEAD + counter, change) + change;
  }

  /** What the window saw; -1: unknown for the moment, because somebody is late with writing down. */
  sum(counter: number, now: number): number {
    const words = this.#words;
    const part = Math.floor(now / this.#length);
    const current = Atomics.load(words, this.#at + CURRENT);
    // Nothing was counted since.
    if (part - PARTS + 1 > current) return 0;
    // A worker whose clock is ahead has begun the next part, and written over the one that would be the first here.
    const from = Math.max(part, current) - PARTS + 1;
    const noted = this.#part(from);
    if (Atomics.load(words, noted) !== from) return -1;
    // They wrap around. What was noted may have been taken back since.
    return Math.max(0, (Atomics.load(words, this.#at + HEAD + counter) - (words[noted + 1 + counter] as number)) | 0);
  }

  /** What was counted until now is forgotten. */
  reset(now: number): void {
    this.advance(now);
    const part = Math.floor(now / this.#length);
    for (let each = part - PARTS + 1; each <= part; each++) this.#note(each);
  }

  #advance(now: number): void {
    const words = this.#words;
    const part = Math.floor(now / this.#length);
    const last = Atomics.load(words, this.#at + CURRENT);
    // A window of another length has other parts: begin anew with what stands there.
    const isOther = Atomics.load(words, this.#at + LENGTH) !== this.#length;
    this.#knownUntil = (part + 1) * this.#length;
    // The clocks of two workers may be some milliseconds apart.
    if (part <= last && !isOther) return;
    const first = isOther ? part - PARTS + 1 : Math.max(last + 1, part - PARTS + 1);
    for (let each = first; each <= part; each++) this.#note(each);
    if (isOther) Atomics.store(words, this.#at + LENGTH, this.#length);
    Atomics.compareExchange(words, this.#at + CURRENT, last, part);
  }

  #note(part: number): void {
    const noted = this.#part(part);
    for (let counter = 0; counter < this.#counters; counter++) {
      this.#words[noted + 1 + counter] = Atomics.load(this.#words, this.#at + HEAD + counter);
    }
    Atomics.store(this.#words, noted, part);
  }

  #part(part: number): number {
    return this.#at + HEAD + this.#counters + (part % PARTS) * (1 + this.#counters);
  }
}
