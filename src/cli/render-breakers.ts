import type { BreakerReading } from '../shared-memory/breaker-view.ts';
import { formatSpan } from './span.ts';
import { table } from './table.ts';

export function renderBreakers(breakers: readonly BreakerReading[]): string {
  return table(
    ['breaker', 'state', 'for', 'calls', 'failed', 'slow', 'opened', 'refused', 'why'],
    breakers.map((each) => [
      each.breaker,
      each.forced === null ? each.state : `${each.forced} (forced)`,
      formatSpan(each.for),
      String(each.calls),
      String(each.failures),
      String(each.slow),
      String(each.changes.open),
      String(each.refused),
      why(each),
    ]),
  );
}

const reasons = {
  errorRate: 'too many failed',
  slowRate: 'too many were slow',
  consecutiveFailures: 'failures in a row',
  probe: 'a probe failed',
} as const;

function why({ state, forced, reason, probesIn }: BreakerReading): string {
  if (forced !== null) return 'an operator';
  if (state === 'closed' || reason === null) return '-';
  return `${reasons[reason]}${state === 'open' ? `, probes in ${formatSpan(probesIn)}` : ''}`;
}
