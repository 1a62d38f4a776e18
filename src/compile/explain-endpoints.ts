import { formatDuration } from '../base/units.ts';
import type { CheckedConfig } from './check.ts';
import type { ExplainedStep } from './explain-run.ts';
import type { EndpointSource, HealthCheck, UpstreamWork } from './upstream-work.ts';

/** Where an upstream's further endpoints are found and how they are asked, in words. */

export function workOf(upstream: string, { supervised }: Pick<CheckedConfig, 'supervised'>): UpstreamWork | null {
  const found = supervised.find(({ kind, name }) => kind === 'upstream' && name === upstream);
  return found === undefined ? null : (found.options as UpstreamWork);
}

export function sourceWords(source: EndpointSource): string {
  switch (source.kind) {
    case 'dns':
      return `every address of ${source.name}:${source.port}`;
    case 'srv':
      return `the SRV records of ${source.name}`;
    case 'file':
      return `the list in ${source.file}`;
    case 'http': {
      const { origin, pathname } = new URL(source.url);
      return `the list at ${origin}${pathname}`;
    }
  }
}

export function healthSteps(
  upstream: string,
  { supervised, loaded }: Pick<CheckedConfig, 'supervised' | 'loaded'>,
): ExplainedStep[] {
  const health = workOf(upstream, { supervised })?.health ?? null;
  if (health === null) return [];
  const place = loaded.origins.keyPlace(['upstreams', upstream, 'health']);
  return [{ stage: 'endpoint', policy: `health of ${upstream}`, place, outcome: healthWords(health), findings: [] }];
}

function healthWords({ ask, interval, healthyAfter, unhealthyAfter }: HealthCheck): string {
  const question = ask.kind === 'tcp' ? 'a connection' : `${ask.method} ${ask.path}`;
  return `only those that are well: asked by ${question} every ${formatDuration(interval)}, out after ${unhealthyAfter} failures, back after ${healthyAfter} successes`;
}
