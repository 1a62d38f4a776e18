import { bucketOf, HISTOGRAM_BUCKETS, quantile } from '../../shared-memory/histogram.ts';

/** Below this many, a percentile is a guess. */
const MIN_SAMPLES = 100;
/** After so many, the older ones count half. */
const GENERATION = 2_000;
/** Between two calculations. */
const EVERY = 50;

/** How long first attempts take to the head of their answer, as one worker sees it, the latest more than older ones. */
export class Latencies {
  readonly #quantile: number;
  readonly #counts = new Float64Array(HISTOGRAM_BUCKETS);
  #count = 0;
  #sinceHalved = 0;
  #sinceRead = 0;
  #value = -1;

  constructor(share: number) {
    this.#quantile = share;
  }

  /** Milliseconds; -1: too little is known. */
  get value(): number {
    return this.#value;
  }

  add(milliseconds: number): void {
    const bucket = bucketOf(milliseconds);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    if (++this.#sinceHalved >= GENERATION) {
      this.#sinceHalved = 0;
      for (let i = 0; i < HISTOGRAM_BUCKETS; i++) this.#counts[i] = (this.#counts[i] as number) / 2;
    }
    if (this.#count < MIN_SAMPLES || ++this.#sinceRead < EVERY) return;
    this.#sinceRead = 0;
    this.#value = quantile(this.#counts, this.#quantile);
  }
}
