import { priorityNames } from '../plan/priority.ts';
import { type RouteEventGroup, routeEvent, routeEvents } from '../plan/route-events.ts';
import type { BreakerReading } from '../shared-memory/breaker-view.ts';
import { cumulativeCounts } from '../shared-memory/histogram.ts';
import type { LimitsReading } from '../shared-memory/limit-segments.ts';
import type { LimitStoreReading } from '../shared-memory/limit-store.ts';
import type { MetricsView } from '../shared-memory/metrics-view.ts';
import type { RetryBudgetReading } from '../shared-memory/retry-budget.ts';
import { breakerMetrics, retryBudgetMetrics } from './breaker-metrics.ts';
import { type CacheReading, cacheMetrics } from './cache-metrics.ts';
import { type UpstreamReading, watchedUpstreamMetrics } from './endpoint-metrics.ts';
import { ExpositionText, type Labels } from './exposition-text.ts';
import { limitMetrics, limitStoreMetrics, type QuotaReading, usageMetrics } from './limit-metrics.ts';

export interface RouteSeries {
  readonly series: number;
  readonly gateway: string;
  readonly route: string;
}
export interface UpstreamSeries {
  readonly series: number;
  readonly upstream: string;
}

/** What the supervisor knows and no worker counts. Times in milliseconds, sizes in bytes. */
export interface ProcessReading {
  readonly version: string;
  readonly node: string;
  readonly startedAt: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly workers: readonly {
    readonly id: number;
    readonly heapUsed: number;
    readonly heapLimit: number;
    readonly loopDelay: number;
    readonly loopUse: number;
    readonly overload: number;
  }[];
  /** Workers that were replaced, by reason. */
  readonly replaced: Readonly<Record<string, number>>;
  readonly limits: LimitsReading;
  /** Null: limits are kept in this process. */
  readonly limitStore: LimitStoreReading | null;
  /** Null: no plan has a quota. */
  readonly usage: QuotaReading | null;
  /** Null: nothing was ever looked up. */
  readonly cache: CacheReading | null;
  /** Upstreams that the main thread watches. */
  readonly upstreams: readonly UpstreamReading[];
  readonly breakers: readonly BreakerReading[];
  readonly retryBudgets: readonly RetryBudgetReading[];
  readonly config: {
    readonly version: number;
    readonly hash: string;
    readonly loadedAt: number;
    readonly lastReloadFailed: boolean;
    readonly reloads: number;
    readonly failedReloads: number;
  };
}

/** Upper bounds in microseconds: whole octaves are ends of histogram buckets, so every printed count is exact. */
const BOUNDS = Array.from({ length: 20 }, (_, octave) => 2 ** (octave + 7));
const BOUND_LABELS = BOUNDS.map((bound) => String(bound / 1e6));

/** Prometheus text exposition, version 0.0.4. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Series that never counted anything are left out: ten thousand routes do not make a page of zeros. */
export function renderMetrics(
  view: MetricsView,
  routes: readonly RouteSeries[],
  upstreams: readonly UpstreamSeries[],
  reading: ProcessReading,
): string {
  const text = new ExpositionText();
  routeMetrics(text, view, routes);
  upstreamMetrics(text, view, upstreams);
  if (reading.upstreams.length > 0) watchedUpstreamMetrics(text, reading.upstreams);
  if (reading.breakers.length > 0) breakerMetrics(text, reading.breakers);
  if (reading.retryBudgets.length > 0) retryBudgetMetrics(text, reading.retryBudgets);
  limitMetrics(text, reading.limits);
  if (reading.limitStore !== null) limitStoreMetrics(text, reading.limitStore);
  if (reading.usage !== null) usageMetrics(text, reading.usage);
  if (reading.cache !== null) cacheMetrics(text, reading.cache);
  connectionMetrics(text, view);
  processMetrics(text, reading);
  return text.toString();
}

function routeMetrics(text: ExpositionText, view: MetricsView, routes: readonly RouteSeries[]): void {
  const read = routes
    .map(({ series, gateway, route }) => ({ labels: { gateway, route } as Labels, of: view.route(series) }))
    .filter(({ of }) => of.count > 0 || of.inFlight > 0);
  text.family('sluice_http_requests_total', 'counter', 'Requests answered, by status; `none`: no response was begun.');
  for (const { labels, of } of read) {
    for (const [code, count] of of.statuses) {
      const codeClass = code === 'none' || code.endsWith('xx') ? code : `${code[0]}xx`;
      text.sample('sluice_http_requests_total', { ...labels, code, code_class: codeClass }, count);
    }
  }
  text.family(
    'sluice_http_request_duration_seconds',
    'histogram',
    'From the first byte of a request to the last of its answer.',
  );
  for (const { labels, of } of read)
    histogram(text, 'sluice_http_request_duration_seconds', labels, of.duration, of.durationSum);
  text.family(
    'sluice_gateway_duration_seconds',
    'histogram',
    'The part of the duration that was not spent on an upstream.',
  );
  for (const { labels, of } of read)
    histogram(text, 'sluice_gateway_duration_seconds', labels, of.gateway, of.gatewaySum);
  text.family('sluice_http_request_body_bytes_total', 'counter', 'Request body bytes received.');
  for (const { labels, of } of read) text.sample('sluice_http_request_body_bytes_total', labels, of.requestBytes);
  text.family('sluice_http_response_body_bytes_total', 'counter', 'Response body bytes sent.');
  for (const { labels, of } of read) text.sample('sluice_http_response_body_bytes_total', labels, of.responseBytes);
  text.family('sluice_http_requests_in_flight', 'gauge', 'Requests being served, open tunnels included.');
  for (const { labels, of } of read) text.sample('sluice_http_requests_in_flight', labels, of.inFlight);
  for (const [group, { name, label, help }] of Object.entries(eventFamilies)) {
    text.family(name, 'counter', help);
    for (const { labels, of } of read) {
      for (const each of routeEvents[group as RouteEventGroup]) {
        const count = of.events[routeEvent(group as RouteEventGroup, each as never)] ?? 0;
        if (count > 0) text.sample(name, { ...labels, [label]: each }, count);
      }
    }
  }
}

const eventFamilies: Readonly<Record<RouteEventGroup, { name: string; label: string; help: string }>> = {
  cache: {
    name: 'sluice_cache_requests_total',
    label: 'result',
    help: 'Requests that the cache looked at, by what it did; `bypass`: nothing, on purpose.',
  },
  fallback: {
    name: 'sluice_fallback_total',
    label: 'step',
    help: 'Answers that a `fallback` gave in the place of the target’s, by step.',
  },
  mirror: {
    name: 'sluice_mirror_total',
    label: 'outcome',
    help: 'Copies of requests by outcome; `skipped`: none was sent, for want of room.',
  },
  fault: {
    name: 'sluice_fault_total',
    label: 'kind',
    help: 'Requests that `fault` delayed or aborted on purpose.',
  },
};

function upstreamMetrics(text: ExpositionText, view: MetricsView, upstreams: readonly UpstreamSeries[]): void {
  const read = upstreams
    .map(({ series, upstream }) => ({ labels: { upstream } as Labels, of: view.upstream(series) }))
    .filter(({ of }) => of.calls > 0 || of.connections > 0);
  text.family('sluice_upstream_requests_total', 'counter', 'Calls made to an upstream, retries included.');
  for (const { labels, of } of read) text.sample('sluice_upstream_requests_total', labels, of.calls);
  text.family('sluice_upstream_duration_seconds', 'histogram', 'From the start of a call to the head of its response.');
  for (const { labels, of } of read) histogram(text, 'sluice_upstream_duration_seconds', labels, of.head, of.headSum);
  text.family('sluice_upstream_errors_total', 'counter', 'Calls that failed, by kind.');
  for (const { labels, of } of read) {
    for (const [kind, count] of of.errors) text.sample('sluice_upstream_errors_total', { ...labels, kind }, count);
  }
  text.family('sluice_upstream_retries_total', 'counter', 'Calls that were made again.');
  for (const { labels, of } of read) text.sample('sluice_upstream_retries_total', labels, of.retries);
  text.family('sluice_upstream_requests_in_flight', 'gauge', 'Calls under way.');
  for (const { labels, of } of read) text.sample('sluice_upstream_requests_in_flight', labels, of.inFlight);
  text.family('sluice_upstream_waiting', 'gauge', 'Calls that wait for their turn at an upstream (`concurrency`).');
  for (const { labels, of } of read) text.sample('sluice_upstream_waiting', labels, of.waiting);
  text.family('sluice_upstream_overloaded_total', 'counter', 'Calls refused because their turn did not come.');
  for (const { labels, of } of read) text.sample('sluice_upstream_overloaded_total', labels, of.overloaded);
  text.family('sluice_upstream_concurrency_limit', 'gauge', 'Calls that may be under way, where that follows latency.');
  for (const { labels, of } of read) {
    if (of.limit > 0) text.sample('sluice_upstream_concurrency_limit', labels, of.limit);
  }
  text.family('sluice_upstream_connections_total', 'counter', 'Connections opened to an upstream.');
  for (const { labels, of } of read) text.sample('sluice_upstream_connections_total', labels, of.connections);
  text.family('sluice_upstream_connections_open', 'gauge', 'Connections open to an upstream.');
  for (const { labels, of } of read) text.sample('sluice_upstream_connections_open', labels, of.connectionsOpen);
}

function connectionMetrics(text: ExpositionText, view: MetricsView): void {
  const totals = view.totals();
  text.single('sluice_client_connections_total', 'counter', 'Client connections accepted.', totals.connections);
  text.single('sluice_client_connections_open', 'gauge', 'Client connections open.', totals.connectionsOpen);
  text.single(
    'sluice_client_connections_refused_total',
    'counter',
    'Client connections closed because their address has too many.',
    totals.connectionsRefused,
  );
  text.single(
    'sluice_waiting',
    'gauge',
    'Requests that wait for their turn on a route (`concurrency`).',
    totals.waiting,
  );
  text.single(
    'sluice_overloaded_total',
    'counter',
    'Requests refused because their turn did not come.',
    totals.overloaded,
  );
  text.family('sluice_shed_total', 'counter', 'Requests turned away because a worker had too much to do, by class.');
  for (const [rank, priority] of priorityNames.entries()) {
    text.sample('sluice_shed_total', { priority }, totals.shed[rank] ?? 0);
  }
  text.single('sluice_malformed_requests_total', 'counter', 'Requests refused as invalid HTTP.', totals.malformed);
  text.single(
    'sluice_log_lines_dropped_total',
    'counter',
    'Log lines dropped because their reader is slow.',
    totals.logDropped,
  );
  text.single('sluice_internal_errors_total', 'counter', 'Exchanges ended by an exception.', totals.internalErrors);
}

function processMetrics(text: ExpositionText, reading: ProcessReading): void {
  const { config } = reading;
  text.family('sluice_build_info', 'gauge', 'Always 1; the versions are in the labels.');
  text.sample('sluice_build_info', { version: reading.version, node: reading.node }, 1);
  text.single('sluice_ready', 'gauge', '1 while readiness is answered with 200.', reading.ready ? 1 : 0);
  text.single('sluice_draining', 'gauge', '1 once the process is stopping.', reading.draining ? 1 : 0);
  text.single('sluice_workers', 'gauge', 'Worker threads alive.', reading.workers.length);
  text.family('sluice_workers_replaced_total', 'counter', 'Workers replaced, by reason.');
  for (const [reason, count] of Object.entries(reading.replaced)) {
    text.sample('sluice_workers_replaced_total', { reason }, count);
  }
  const perWorker = [
    ['sluice_worker_heap_used_bytes', 'JavaScript heap in use.', 'heapUsed', 1],
    ['sluice_worker_heap_limit_bytes', 'JavaScript heap limit.', 'heapLimit', 1],
    ['sluice_worker_event_loop_delay_seconds', 'Lateness of the latest heartbeat.', 'loopDelay', 1000],
    ['sluice_worker_event_loop_utilization', 'Busy fraction of the event loop.', 'loopUse', 1],
    [
      'sluice_worker_overload_level',
      '0: all is served; 1: no low priority; 2: no normal priority either.',
      'overload',
      1,
    ],
  ] as const;
  for (const [name, help, field, divisor] of perWorker) {
    text.family(name, 'gauge', help);
    for (const worker of reading.workers) text.sample(name, { worker: String(worker.id) }, worker[field] / divisor);
  }
  text.family('sluice_config_info', 'gauge', 'Always 1; the hash of the configuration being served is in the label.');
  text.sample('sluice_config_info', { hash: config.hash }, 1);
  text.single('sluice_config_version', 'gauge', 'Configurations taken into service since the start.', config.version);
  text.single(
    'sluice_config_loaded_timestamp_seconds',
    'gauge',
    'When the configuration being served was loaded.',
    config.loadedAt / 1000,
  );
  text.single(
    'sluice_config_last_reload_failed',
    'gauge',
    '1 when the latest reload failed and the one before is served.',
    config.lastReloadFailed ? 1 : 0,
  );
  text.family('sluice_config_reloads_total', 'counter', 'Reloads, by result.');
  text.sample('sluice_config_reloads_total', { result: 'success' }, config.reloads);
  text.sample('sluice_config_reloads_total', { result: 'failure' }, config.failedReloads);
  text.single('process_cpu_seconds_total', 'counter', 'User and system time of the process.', reading.cpuSeconds);
  text.single('process_resident_memory_bytes', 'gauge', 'Resident memory of the process.', reading.residentBytes);
  text.single('process_start_time_seconds', 'gauge', 'When the process started.', reading.startedAt / 1000);
}

function histogram(text: ExpositionText, name: string, labels: Labels, counts: Float64Array, sumMs: number): void {
  let total = 0;
  for (const count of counts) total += count;
  for (const [index, below] of cumulativeCounts(counts, BOUNDS).entries()) {
    text.sample(`${name}_bucket`, { ...labels, le: BOUND_LABELS[index] as string }, below);
  }
  text.sample(`${name}_bucket`, { ...labels, le: '+Inf' }, total);
  text.sample(`${name}_sum`, labels, sumMs / 1000);
  text.sample(`${name}_count`, labels, total);
}
