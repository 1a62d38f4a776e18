import { HISTOGRAM_BUCKETS, quantile } from '../shared-memory/histogram.ts';
import type { MetricsView } from '../shared-memory/metrics-view.ts';
import type { KnownSeries } from './config-job.ts';

const SAMPLE_MS = 10_000;

export interface RouteRate {
  readonly gateway: string;
  readonly route: string;
  readonly requests: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly inFlight: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}
export interface UpstreamRate {
  readonly upstream: string;
  readonly calls: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly inFlight: number;
  readonly connections: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

interface Sample {
  readonly at: number;
  readonly routes: ReadonlyMap<number, { count: number; errors: number; duration: Float64Array }>;
  readonly upstreams: ReadonlyMap<number, { calls: number; errors: number; head: Float64Array }>;
}

const NOTHING = new Float64Array(HISTOGRAM_BUCKETS);

/** Rates and percentiles of the last ten to twenty seconds: what an operator means by now. */
export class RecentTraffic {
  readonly #view: () => MetricsView;
  readonly #series: () => KnownSeries;
  readonly #timer: NodeJS.Timeout;
  #older: Sample;
  #newer: Sample;

  constructor(view: () => MetricsView, series: () => KnownSeries) {
    this.#view = view;
    this.#series = series;
    this.#older = { at: performance.now(), routes: new Map(), upstreams: new Map() };
    this.#newer = this.#older;
    this.#timer = setInterval(() => {
      this.#older = this.#newer;
      this.#newer = this.#sample();
    }, SAMPLE_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  read(): { seconds: number; routes: RouteRate[]; upstreams: UpstreamRate[] } {
    const view = this.#view();
    const series = this.#series();
    const seconds = Math.max(0.001, (performance.now() - this.#older.at) / 1000);
    const routes: RouteRate[] = [];
    for (const { series: index, gateway, route } of series.routes) {
      const now = view.route(index);
      if (now.count === 0 && now.inFlight === 0) continue;
      const before = this.#older.routes.get(index);
      const perSecond = (now.count - (before?.count ?? 0)) / seconds;
      const errors = serverErrors(now.statuses) - (before?.errors ?? 0);
      const durations = difference(now.duration, before?.duration ?? NOTHING);
      routes.push({
        gateway,
        route,
        requests: now.count,
        perSecond,
        errors,
        inFlight: now.inFlight,
        ...percentiles(durations),
      });
    }
    const upstreams: UpstreamRate[] = [];
    for (const { series: index, upstream } of series.upstreams) {
      const now = view.upstream(index);
      if (now.calls === 0 && now.connections === 0) continue;
      const before = this.#older.upstreams.get(index);
      upstreams.push({
        upstream,
        calls: now.calls,
        perSecond: (now.calls - (before?.calls ?? 0)) / seconds,
        errors: total(now.errors) - (before?.errors ?? 0),
        inFlight: now.inFlight,
        connections: now.connectionsOpen,
        ...percentiles(difference(now.head, before?.head ?? NOTHING)),
      });
    }
    return { seconds, routes, upstreams };
  }

  #sample(): Sample {
    const view = this.#view();
    const { routes, upstreams } = this.#series();
    const routeSamples = new Map<number, { count: number; errors: number; duration: Float64Array }>();
    for (const { series } of routes) {
      if (view.routeCount(series) === 0) continue;
      const { count, statuses, duration } = view.route(series);
      routeSamples.set(series, { count, errors: serverErrors(statuses), duration });
    }
    const upstreamSamples = new Map<number, { calls: number; errors: number; head: Float64Array }>();
    for (const { series } of upstreams) {
      const { calls, errors, head } = view.upstream(series);
      if (calls > 0) upstreamSamples.set(series, { calls, errors: total(errors), head });
    }
    return { at: performance.now(), routes: routeSamples, upstreams: upstreamSamples };
  }
}

function percentiles(counts: Float64Array): { p50: number; p90: number; p99: number } {
  return { p50: quantile(counts, 0.5), p90: quantile(counts, 0.9), p99: quantile(counts, 0.99) };
}

function difference(now: Float64Array, before: Float64Array): Float64Array {
  return now.map((count, i) => count - (before[i] as number));
}

function serverErrors(statuses: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [status, count] of statuses) if (status.startsWith('5')) sum += count;
  return sum;
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
