import { formatDuration, formatPercent } from '../base/units.ts';
import type { LoadedConfig } from '../config/document.ts';
import type { AffinityOptions, BalanceOptions, EjectionOptions, UpstreamOptions } from '../plan/upstream.ts';
import type { ExplainedStep } from './explain-run.ts';

/** How an upstream's pool chooses an endpoint, as far as anything is said about it. */
export function balancingSteps(
  { name, balance, ejection, affinity }: UpstreamOptions,
  { origins }: LoadedConfig,
): ExplainedStep[] {
  const steps: ExplainedStep[] = [];
  const add = (setting: string, outcome: string): void => {
    const place = origins.keyPlace(['upstreams', name, setting]);
    steps.push({ stage: 'endpoint', policy: `${setting} of ${name}`, place, outcome, findings: [] });
  };
  if (affinity !== null) add('affinity', affinityWords(affinity));
  if (balance !== null) add('balance', balanceWords(balance));
  if (ejection !== null) add('ejection', ejectionWords(ejection));
  return steps;
}

function affinityWords({ cookie, ttl }: AffinityOptions): string {
  const lifetime = ttl === 0 ? 'the session of the browser' : formatDuration(ttl);
  return `where the cookie ${cookie} says, for ${lifetime}`;
}

function balanceWords({ method, key, maxLoad, slowStart, panicThreshold }: BalanceOptions): string {
  const words: string[] = [method];
  if (key !== null) {
    words[0] = `by hash of ${key.kind === 'header' || key.kind === 'cookie' ? `the ${key.kind} ${key.name}` : `the ${key.kind}`}`;
    words.push(`at most ${maxLoad} times the share of a target`);
  }
  if (slowStart > 0) words.push(`new targets grow over ${formatDuration(slowStart)}`);
  words.push(
    panicThreshold === 0 ? 'never to one that is not well' : `all when under ${formatPercent(panicThreshold)} are well`,
  );
  return words.join(', ');
}

function ejectionWords({ failures, successRate, baseTime, maxTime, maxShare }: EjectionOptions): string {
  const rate = successRate === null ? '' : `, or ${formatPercent(successRate.margin)} less success than the others`;
  const times = `${formatDuration(baseTime)} to ${formatDuration(maxTime)}`;
  return `left alone for ${times} after ${failures} failures in a row${rate}; at most ${formatPercent(maxShare)} of them`;
}
