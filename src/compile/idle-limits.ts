import type { LimitCounts, Limiter } from '../plan/limiter.ts';
import type { UsageCounter } from '../plan/usage.ts';
import { take } from '../semantics/rate.ts';

/** Stands in where nobody calls: every bucket is full, and nothing is taken from it. */
export const idleLimiter: Limiter = {
  take: ({ rate }, _key, cost, verdict) => take(rate, 0, 1, cost, verdict),
  charge: () => undefined,
};

/** Nothing was used. */
export const idleUsage: UsageCounter = {
  take: ({ clock }, _subject, _plan, _limit, cost, verdict) => {
    clock.moveTo(Date.now());
    verdict.allowed = true;
    verdict.used = cost;
    verdict.fallsAt = clock.leavesAt(clock.stamp);
    verdict.retryAt = 0;
  },
  giveBack: () => undefined,
};

export const noLimitCounts: LimitCounts = { seriesOf: () => 0, count: () => undefined };
