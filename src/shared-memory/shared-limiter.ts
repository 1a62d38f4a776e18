import { performance } from 'node:perf_hooks';
import type { LimitCounts, Limiter, LimitOutcome, LimitUse } from '../plan/limiter.ts';
import type { RateVerdict } from '../semantics/rate.ts';
import { BucketTable } from './buckets.ts';
import { LimitNames } from './limit-names.ts';
import type { LimitSegments } from './limit-segments.ts';
import type { WorkerCell } from './metrics.ts';

/** Nanoseconds since an origin. */
export type Clock = () => number;

const ATTEMPTS = 5;

/**
 * The clock that all workers share. `performance.now()` counts from the start of its own thread, so that its distance to
 * the origin is measured once; both run by the same monotonic clock of the system and never drift apart.
 */
export function clockSince(origin: bigint): Clock {
  let offset = 0;
  let narrowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ATTEMPTS; i++) {
    const before = performance.now();
    const sinceOrigin = Number(process.hrtime.bigint() - origin);
    const after = performance.now();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    offset = sinceOrigin - ((before + after) / 2) * 1e6;
  }
  return () => performance.now() * 1e6 + offset;
}

/** The buckets of one process, exact over its workers. */
export class SharedLimiter implements Limiter {
  readonly #buckets: BucketTable;
  readonly #now: Clock;

  /** `worker`: above 0 and different in every worker. */
  constructor({ buckets, origin }: LimitSegments, worker: number, now: Clock = clockSince(origin)) {
    this.#buckets = new BucketTable(buckets, worker);
    this.#now = now;
  }

  take({ id, rate }: LimitUse, key: string, cost: number, verdict: RateVerdict): void {
    this.#buckets.take(id, key, rate, this.#now(), cost, verdict);
  }

  charge({ id, rate }: LimitUse, key: string, cost: number): void {
    this.#buckets.charge(id, key, rate, this.#now(), cost);
  }
}

/** Counts the decisions of one worker in its own cell. */
export class SharedLimitCounts implements LimitCounts {
  readonly #names: LimitNames;
  readonly #cell: WorkerCell;

  constructor({ names }: LimitSegments, cell: WorkerCell) {
    this.#names = new LimitNames(names);
    this.#cell = cell;
  }

  seriesOf(scope: string, name: string): number {
    return this.#names.seriesOf(scope, name);
  }

  count(series: number, outcome: LimitOutcome): void {
    this.#cell.limitDecided(series, outcome);
  }
}
