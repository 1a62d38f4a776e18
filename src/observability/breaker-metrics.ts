import { circuitKinds } from '../semantics/circuit.ts';
import type { BreakerReading } from '../shared-memory/breaker-view.ts';
import type { RetryBudgetReading } from '../shared-memory/retry-budget.ts';
import type { ExpositionText } from './exposition-text.ts';

const STATE = { closed: 0, 'half-open': 1, open: 2 } as const;

export function breakerMetrics(text: ExpositionText, breakers: readonly BreakerReading[]): void {
  const name = 'sluice_breaker';
  text.family(`${name}_state`, 'gauge', '0: closed; 1: half-open, a few calls try the service; 2: open.');
  for (const { breaker, state } of breakers) text.sample(`${name}_state`, { breaker }, STATE[state]);
  text.family(`${name}_forced`, 'gauge', '1 while an operator has said what it has to be.');
  for (const { breaker, forced } of breakers) text.sample(`${name}_forced`, { breaker }, forced === null ? 0 : 1);
  text.family(`${name}_transitions_total`, 'counter', 'Times that it became so.');
  for (const { breaker, changes } of breakers) {
    for (const to of circuitKinds) text.sample(`${name}_transitions_total`, { breaker, to }, changes[to]);
  }
  text.family(`${name}_refused_total`, 'counter', 'Calls that were not made, or would not have been.');
  for (const { breaker, refused } of breakers) text.sample(`${name}_refused_total`, { breaker }, refused);
}

export function retryBudgetMetrics(text: ExpositionText, budgets: readonly RetryBudgetReading[]): void {
  text.family('sluice_upstream_hedges_total', 'counter', 'Of the calls made again: those beside one that was slow.');
  for (const { upstream, hedges } of budgets) text.sample('sluice_upstream_hedges_total', { upstream }, hedges);
  text.family(
    'sluice_upstream_retries_denied_total',
    'counter',
    'Calls not made again because the budget was used up.',
  );
  for (const { upstream, denied } of budgets) text.sample('sluice_upstream_retries_denied_total', { upstream }, denied);
}
