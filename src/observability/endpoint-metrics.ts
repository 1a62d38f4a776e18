import type { ExpositionText } from './exposition-text.ts';

/** What the main thread finds out about the endpoints of an upstream. */
export interface UpstreamReading {
  readonly upstream: string;
  readonly endpoints: readonly {
    readonly url: string;
    readonly isHealthy: boolean | null;
    readonly isDrained: boolean;
  }[];
  readonly sources: readonly { readonly source: string; readonly trouble: string | null }[];
  readonly counts: {
    readonly goodChecks: number;
    readonly badChecks: number;
    readonly outages: number;
    readonly recoveries: number;
    readonly failedLooks: number;
  };
}

export function watchedUpstreamMetrics(text: ExpositionText, upstreams: readonly UpstreamReading[]): void {
  const healthy = 'sluice_upstream_endpoint_healthy';
  text.family(healthy, 'gauge', '1 while an endpoint passes its health checks, 0 while it does not.');
  for (const { upstream, endpoints } of upstreams) {
    for (const { url, isHealthy } of endpoints) {
      if (isHealthy !== null) text.sample(healthy, { upstream, endpoint: url }, isHealthy ? 1 : 0);
    }
  }
  text.family('sluice_upstream_endpoints', 'gauge', 'Endpoints that are known, without those that were drained.');
  for (const { upstream, endpoints } of upstreams) {
    text.sample('sluice_upstream_endpoints', { upstream }, endpoints.filter(({ isDrained }) => !isDrained).length);
  }
  text.family('sluice_upstream_endpoints_drained', 'gauge', 'Endpoints that an operator has taken out.');
  for (const { upstream, endpoints } of upstreams) {
    text.sample(
      'sluice_upstream_endpoints_drained',
      { upstream },
      endpoints.filter(({ isDrained }) => isDrained).length,
    );
  }
  const checks = 'sluice_upstream_health_checks_total';
  text.family(checks, 'counter', 'Health checks, by result.');
  const changes = 'sluice_upstream_health_changes_total';
  for (const { upstream, counts } of upstreams) {
    text.sample(checks, { upstream, result: 'good' }, counts.goodChecks);
    text.sample(checks, { upstream, result: 'bad' }, counts.badChecks);
  }
  text.family(changes, 'counter', 'Endpoints that became unhealthy, or healthy again.');
  for (const { upstream, counts } of upstreams) {
    text.sample(changes, { upstream, to: 'unhealthy' }, counts.outages);
    text.sample(changes, { upstream, to: 'healthy' }, counts.recoveries);
  }
  discoveryMetrics(text, upstreams);
}

function discoveryMetrics(text: ExpositionText, upstreams: readonly UpstreamReading[]): void {
  const up = 'sluice_upstream_discovery_up';
  text.family(up, 'gauge', '1 while a source of endpoints can be asked and knows some.');
  for (const { upstream, sources } of upstreams) {
    for (const { source, trouble } of sources) text.sample(up, { upstream, source }, trouble === null ? 1 : 0);
  }
  const failures = 'sluice_upstream_discovery_failures_total';
  text.family(failures, 'counter', 'Looks for endpoints that failed.');
  for (const { upstream, sources, counts } of upstreams) {
    if (sources.length > 0) text.sample(failures, { upstream }, counts.failedLooks);
  }
}
