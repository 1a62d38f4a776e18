import type { ProcessReading } from '../observability/metrics.ts';
import type { RecordsState } from '../plan/records.ts';
import type { BreakerReading } from '../shared-memory/breaker-view.ts';
import type { WorkerVitals } from '../shared-memory/control.ts';
import type { LimitsReading } from '../shared-memory/limit-segments.ts';
import type { LimitStoreReading } from '../shared-memory/limit-store.ts';
import type { RecentTraffic, RouteRate, UpstreamRate } from './recent.ts';
import type { ReloadReason } from './reloader.ts';
import type { ResponseStats } from './responses.ts';
import type { SupervisionReport } from './supervision.ts';
import type { Supervisor } from './supervisor.ts';
import type { UpstreamSummary } from './upstreams/upstream-desk.ts';
import type { UsageState } from './usage.ts';

/** What `sluice status --json` prints and the admin API answers: a stable shape. */
export interface Status {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly config: {
    readonly files: readonly string[];
    readonly version: number;
    readonly hash: string;
    readonly loadedAt: string;
    readonly warnings: number;
    readonly reloads: { readonly succeeded: number; readonly failed: number };
    readonly lastReload: LastReload | null;
  };
  readonly workers: readonly (WorkerVitals & { readonly id: number; readonly version: number })[];
  readonly replaced: Readonly<Record<string, number>>;
  /** Background work: keys of issuers and the like, with what keeps it from working. */
  readonly supervision: readonly SupervisionReport[];
  /** Where keys and revocations are kept. */
  readonly records: RecordsState | null;
  /** What is kept of quotas. */
  readonly usage: UsageState | null;
  /** Stored responses. */
  readonly cache: ResponseStats | null;
  /** What limits have decided since the start. */
  readonly limits: LimitsReading;
  /** The Redis that limits are kept in; null: they are kept here. */
  readonly limitStore: LimitStoreReading | null;
  /** Of the last seconds: `window`. */
  readonly window: number;
  readonly routes: readonly RouteRate[];
  readonly upstreams: readonly UpstreamRate[];
  /** Upstreams whose endpoints are looked for or asked how they are, or of which some were taken out. */
  readonly endpoints: readonly UpstreamSummary[];
  readonly breakers: readonly BreakerReading[];
}

export interface LastReload {
  readonly at: string;
  readonly reasons: readonly ReloadReason[];
  readonly ok: boolean;
  /** Null when it went well. */
  readonly error: string | null;
}

export function readStatus(
  supervisor: Supervisor,
  recent: RecentTraffic,
  product: { version: string; files: readonly string[] },
): Status {
  const { config, lastReload } = supervisor;
  const traffic = recent.read();
  return {
    version: product.version,
    node: process.version,
    pid: process.pid,
    startedAt: new Date(supervisor.startedAt).toISOString(),
    uptimeSeconds: (Date.now() - supervisor.startedAt) / 1000,
    ready: supervisor.ready,
    draining: supervisor.draining,
    config: {
      files: product.files,
      version: supervisor.version,
      hash: config.hash,
      loadedAt: new Date(supervisor.loadedAt).toISOString(),
      warnings: config.problems.length,
      reloads: { ...supervisor.reloads },
      lastReload:
        lastReload === null
          ? null
          : {
              at: new Date(lastReload.at).toISOString(),
              reasons: lastReload.reasons,
              ok: lastReload.outcome.ok,
              error: lastReload.outcome.ok ? null : lastReload.outcome.error,
            },
    },
    workers: [...supervisor.crew.workers].map((worker) => ({
      id: worker.id,
      version: worker.version,
      ...worker.vitals,
    })),
    replaced: replaced(supervisor),
    supervision: supervisor.background?.supervision.report() ?? [],
    records: supervisor.background?.records.state ?? null,
    usage: supervisor.background?.usage.state ?? null,
    cache: supervisor.background?.responses.stats ?? null,
    limits: supervisor.limits.read(supervisor.view()),
    limitStore: limitStoreOf(supervisor),
    window: traffic.seconds,
    routes: traffic.routes,
    upstreams: traffic.upstreams,
    endpoints: supervisor.background?.upstreams.summaries() ?? [],
    breakers: supervisor.breakers.list(),
  };
}

export function readProcess(supervisor: Supervisor, version: string): ProcessReading {
  const { user, system } = process.cpuUsage();
  return {
    version,
    node: process.version,
    startedAt: supervisor.startedAt,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    ready: supervisor.ready,
    draining: supervisor.draining,
    workers: [...supervisor.crew.workers].map((worker) => ({ id: worker.id, ...worker.vitals })),
    replaced: replaced(supervisor),
    limits: supervisor.limits.read(supervisor.view()),
    limitStore: limitStoreOf(supervisor),
    usage: usageOf(supervisor),
    cache: cacheOf(supervisor),
    upstreams: supervisor.background?.upstreams.summaries() ?? [],
    breakers: supervisor.breakers.list(),
    retryBudgets: supervisor.breakers.retryBudgets(),
    config: {
      version: supervisor.version,
      hash: supervisor.config.hash,
      loadedAt: supervisor.loadedAt,
      lastReloadFailed: supervisor.lastReload?.outcome.ok === false,
      reloads: supervisor.reloads.succeeded,
      failedReloads: supervisor.reloads.failed,
    },
  };
}

function limitStoreOf({ config, crew }: Supervisor): LimitStoreReading | null {
  return config.settings.stores.shared === null ? null : crew.cells.limitStore;
}

function replaced(supervisor: Supervisor): Record<string, number> {
  const { lost, recycled } = supervisor.crew;
  return { crashed: lost.crashed, out_of_memory: lost.outOfMemory, hung: lost.hung, heap_nearly_full: recycled };
}

function cacheOf({ background }: Supervisor): ProcessReading['cache'] {
  const stats = background?.responses.stats;
  if (stats === undefined || stats.hits + stats.misses === 0) return null;
  const { shared, ...counted } = stats;
  return { ...counted, isShared: shared === null ? null : shared.failure === null };
}

function usageOf({ background }: Supervisor): ProcessReading['usage'] {
  if (!background?.usage.state.store) return null;
  const { store, ...counts } = background.usage.state;
  return { ...counts, isKept: store.failure === null };
}
