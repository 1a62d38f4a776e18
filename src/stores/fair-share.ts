import type { LimitUse } from '../plan/limiter.ts';
import type { RateLimit } from '../semantics/rate.ts';

/**
 * What one of several machines may grant when they cannot see one another: its part of the rate and of the burst, so that
 * all together grant what the limit says. One request at least, or small limits would let nobody through. What costs more
 * than the part may take all of it and more, and passes once the bucket is full: it is paid back in time.
 */
export function fairShare({ id, name, rate }: LimitUse, instances: number, cost: number): LimitUse {
  const { algorithm, limit, period, burst, interval } = rate;
  const least = Math.max(1, cost);
  const partOf = (whole: number): number => Math.min(whole, Math.max(least, whole / instances));
  const room = partOf(algorithm === 'gcra' ? burst : limit);
  const share: RateLimit =
    algorithm === 'gcra'
      ? { algorithm, period, limit: limit / instances, burst: room, interval: interval * instances }
      : { algorithm, period, limit: room, burst: room, interval: period / room };
  return { id, name, rate: share };
}
