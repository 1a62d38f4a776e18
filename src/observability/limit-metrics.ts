import { limitOutcomes } from '../plan/limiter.ts';
import type { LimitsReading } from '../shared-memory/limit-segments.ts';
import type { LimitStoreReading } from '../shared-memory/limit-store.ts';
import type { UsageCounts } from '../shared-memory/usage.ts';
import type { ExpositionText } from './exposition-text.ts';

export type QuotaReading = UsageCounts & { readonly isKept: boolean };

export function limitMetrics(
  text: ExpositionText,
  { slots, evicted, overflowed, contended, limits }: LimitsReading,
): void {
  const decisions = 'sluice_ratelimit_decisions_total';
  text.family(decisions, 'counter', 'Decisions of limits; `reported`: only watched, and let pass.');
  for (const { scope, limit, ...outcomes } of limits) {
    for (const outcome of limitOutcomes) text.sample(decisions, { limit, scope, outcome }, outcomes[outcome]);
  }
  const counts = [
    ['evicted', 'Rested keys that gave way to others.', evicted],
    ['overflowed', 'Attempts by keys that found every place taken and shared one bucket.', overflowed],
    ['contended', 'Attempts refused because a bucket never stood still.', contended],
  ] as const;
  for (const [name, help, count] of counts) text.single(`sluice_ratelimit_${name}_total`, 'counter', help, count);
  text.single('sluice_ratelimit_buckets', 'gauge', 'Keys of limits that can be at work at once.', slots);
}

export function usageMetrics(text: ExpositionText, { isKept, evicted, uncounted }: QuotaReading): void {
  text.single('sluice_usage_store_up', 'gauge', '1 while what callers use of their quotas is kept.', isKept ? 1 : 0);
  text.single('sluice_usage_evicted_total', 'counter', 'Callers whose count gave way to those of others.', evicted);
  text.single('sluice_usage_uncounted_total', 'counter', 'Requests that found no place to be counted in.', uncounted);
}

export function limitStoreMetrics(text: ExpositionText, { state, instances, counters }: LimitStoreReading): void {
  const name = 'sluice_ratelimit_store';
  text.single(`${name}_up`, 'gauge', '1 while limits are decided in Redis.', state === 'closed' ? 1 : 0);
  text.single(`${name}_instances`, 'gauge', 'Gateways that share it, as last known.', instances);
  text.family(`${name}_attempts_total`, 'counter', 'Attempts by who decided them.');
  for (const decided of ['answered', 'late', 'local', 'allowed', 'denied'] as const) {
    text.sample(`${name}_attempts_total`, { decided }, counters[decided]);
  }
  text.single(`${name}_failures_total`, 'counter', 'Commands that failed, came late or were lost.', counters.failures);
  text.single(`${name}_opened_total`, 'counter', 'Times that its breaker opened.', counters.opened);
}
