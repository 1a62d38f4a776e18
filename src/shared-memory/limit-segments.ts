import type { LimitOutcome } from '../plan/limiter.ts';
import { type BucketCounts, BucketTable, createBuckets } from './buckets.ts';
import { LimitNames, type NamedLimit } from './limit-names.ts';
import type { MetricsView } from './metrics-view.ts';

/** What all workers of a process share for limits, from its start to its end: reloads and lost workers change nothing. */
export interface LimitSegments {
  readonly buckets: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
  /** Origin of the clock that everybody counts by: nanoseconds of `process.hrtime.bigint()`. */
  readonly origin: bigint;
}

export interface LimitsReading extends BucketCounts {
  /** Keys that may be at work at once. */
  readonly slots: number;
  /** Of limits that decided anything. */
  readonly limits: readonly (Omit<NamedLimit, 'series'> & Readonly<Record<LimitOutcome, number>>)[];
}

/** The main thread takes nothing from buckets; workers are numbered from 1. */
const NOBODY = 0;

/** The main thread's side: it makes the segments, reads them, and cleans up after workers. */
export class LimitMemory {
  readonly segments: LimitSegments;
  readonly #buckets: BucketTable;
  readonly #names: LimitNames;

  /** `seed`: 64 random bits. */
  constructor(slots: number, seed: readonly [number, number]) {
    const buckets = createBuckets(slots, seed);
    this.#buckets = new BucketTable(buckets, NOBODY);
    this.#names = new LimitNames();
    // A second ago, so that no time is 0: that is the state of a key that was never seen.
    this.segments = { buckets, names: this.#names.buffer, origin: process.hrtime.bigint() - 1_000_000_000n };
  }

  /** After the end of that worker: what it was in the middle of. */
  release(worker: number): void {
    this.#buckets.release(worker);
  }

  read(view: MetricsView): LimitsReading {
    const limits = this.#names
      .read()
      .map(({ series, ...names }) => ({ ...names, ...view.limit(series) }))
      .filter(({ allowed, limited, reported }) => allowed + limited + reported > 0);
    return { slots: this.#buckets.slots, ...this.#buckets.counts(), limits };
  }
}
