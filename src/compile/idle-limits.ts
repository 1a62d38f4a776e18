import type { LimitCounts, Limiter } from '../plan/limiter.ts';
import { take } from '../semantics/rate.ts';

/** Stands in where nobody calls: every bucket is full, and nothing is taken from it. */
export const idleLimiter: Limiter = {
  take: ({ rate }, _key, cost, verdict) => take(rate, 0, 1, cost, verdict),
  charge: () => undefined,
};

export const noLimitCounts: LimitCounts = { seriesOf: () => 0, count: () => undefined };
