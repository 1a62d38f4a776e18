import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { deserialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { releaseGarbageOnce } from './base/garbage.ts';
import { sharedClock } from './base/shared-clock.ts';
import { WorkerFeeds } from './compile/feeds.ts';
import { type OpenIdentifier, openIdentifier } from './compile/open-identifier.ts';
import { PlanBuilder } from './compile/plan-builder.ts';
import type { AuthEntryDocument } from './compile/plan-document.ts';
import type { PlanPorts } from './compile/plan-ports.ts';
import { Resources } from './compile/resources.ts';
import { importHandler } from './compile/user-handlers.ts';
import { importPolicy } from './compile/user-policies.ts';
import { LogSinks } from './observability/log-sink.ts';
import { noResponses } from './plan/no-responses.ts';
import type { Plan } from './plan/plan.ts';
import { PURGES_FEED } from './plan/shared-responses.ts';
import type { Upstream, UpstreamOptions } from './plan/upstream.ts';
import { registry } from './policies/registry.ts';
import { Gates } from './runtime/gate.ts';
import { handlerDispatch } from './runtime/handler.ts';
import { OverloadMonitor } from './runtime/overload.ts';
import { UpstreamPool } from './runtime/pool.ts';
import type { PoolPorts } from './runtime/pool-ports.ts';
import { Server, type ServerState } from './runtime/server.ts';
import { PooledService } from './runtime/service.ts';
import { SharedCircuits } from './shared-memory/breaker.ts';
import { ControlCell, startHeartbeat } from './shared-memory/control.ts';
import { GaugeTable } from './shared-memory/gauges.ts';
import { LimitStoreCell } from './shared-memory/limit-store.ts';
import { WorkerCell } from './shared-memory/metrics.ts';
import { NamedSlots } from './shared-memory/named-slots.ts';
import { SharedResponseStore } from './shared-memory/response-store.ts';
import { RetryBudgets } from './shared-memory/retry-budget.ts';
import { SharedLimitCounts, SharedLimiter } from './shared-memory/shared-limiter.ts';
import { SharedUsage } from './shared-memory/shared-usage.ts';
import { openSharedLimiter } from './stores/open-limiter.ts';
import { openSharedResponses } from './stores/open-responses.ts';
import type { FromWorker, PlanParcel, Refusal, ToWorker, WorkerBoot } from './supervisor/messages.ts';

/** Composition root of a worker thread: a server, the plans that the supervisor sends, and an orderly end. */
const HEARTBEAT_MS = 250;
/** One turn of building a plan; what arrives meanwhile is served between two of them. */
const SLICE_MS = 4;
const LEAVE_POLL_MS = 20;
/** Until a handler's response has begun; a route's own `timeout` may be shorter. */
const HANDLER_TIMEOUT_MS = 60_000;
/** Clients that are about to send their next request get an answer that ends the connection, instead of a reset. */
const IDLE_GRACE_MS = 1_000;

/** What Node adds to errors of `listen`. */
interface SystemAddress {
  readonly address?: string;
  readonly port?: number;
}

const boot: WorkerBoot = workerData;
const control = new ControlCell(boot.control);
const cell = new WorkerCell(boot.metrics);
const state: ServerState = { ready: true, draining: boot.draining };
const sinks = new LogSinks({
  onDrop: (lines) => cell.logDropped(lines),
  onProblem: (error) => log(`log lines are lost: ${error.message}`),
});
const upstreams = new Resources<UpstreamOptions, Upstream>((options) => new UpstreamPool(options, cell, poolPorts));
const gauges = new GaugeTable(boot.gauges);
/** Endpoints, breakers and budgets as all workers see them. */
const states = new NamedSlots(boot.states);
const server = new Server({
  cell,
  state,
  gauges,
  log,
  ticketKeys: Buffer.from(boot.ticketKeys),
  ownsUnixSockets: boot.ownsUnixSockets,
});
/** Built and bound, not yet in service. */
const prepared = new Map<number, Plan>();
/** The latest plan that will not be committed; it may still be under construction. */
let abandoned = 0;
let leaving = false;

const feeds = new WorkerFeeds((question) => say({ kind: 'feedQuestion', question }));
const poolPorts: PoolPorts = {
  states,
  secret: boot.affinityKey,
  feed: (owner, name) => feeds.find(owner, name),
  report: log,
};
const identifiers = new Resources<AuthEntryDocument, OpenIdentifier>((entry) =>
  openIdentifier(entry, registry, {
    feeds,
    log: sinks.standard,
    problem: log,
    service: (options) => new PooledService(options),
  }),
);

/** Milliseconds, the same in every thread. */
const clock = (): number => Number(process.hrtime.bigint() / 1_000_000n);
const gates = new Gates(gauges, clock, cell);
const circuits = new SharedCircuits(states, sharedClock);
const budgets = new RetryBudgets(states, sharedClock, cell);
const overload = new OverloadMonitor({
  shed: (priority) => cell.shed(priority),
  overloadLevel: (level) => control.setOverload(level),
});

const limiter = openSharedLimiter(boot.stores, new SharedLimiter(boot.limits, boot.id), {
  instance: boot.instance,
  cell: new LimitStoreCell(boot.limitStore),
  problem: log,
});

const sharedResponses = openSharedResponses(boot.stores, {
  purges: feeds.find(PURGES_FEED.owner, PURGES_FEED.name),
  purgeCount: boot.purgeCount,
  announce: (purge) => say({ kind: 'purged', purge }),
  problem: log,
});

const ports: PlanPorts = {
  registry,
  upstreams,
  identifiers,
  feeds,
  limiter,
  routeEvents: { count: (series, event) => cell.routeEvent(series, event) },
  responses: boot.responses === null ? noResponses : new SharedResponseStore(boot.responses),
  sharedResponses,
  gate: (options, series) => gates.open(options, series),
  circuit: (options, changed) => circuits.open(options, changed),
  retryBudget: (options) => budgets.open(options),
  overload: (thresholds) => overload.watch(thresholds),
  limitCounts: new SharedLimitCounts(boot.limits, cell),
  usage: new SharedUsage(boot.usage, boot.id),
  policy: importPolicy,
  handler: async (file, upstream) =>
    handlerDispatch(await importHandler(file), {
      timeout: HANDLER_TIMEOUT_MS,
      upstream,
      failed: (error, exchange) => {
        cell.internalError();
        server.reportBug(error, exchange);
      },
    }),
  log: sinks.standard,
  logTo: (file) => sinks.file(file),
  ready: () => state.ready && !state.draining,
};

function say(message: FromWorker): void {
  parentPort?.postMessage(message);
}

function log(line: string): void {
  say({ kind: 'log', line });
}

async function buildPlan(parcel: PlanParcel): Promise<Plan> {
  const builder = new PlanBuilder(ports);
  for (const part of parcel.parts) {
    builder.add(deserialize(new Uint8Array(part)));
    await nextTurn();
  }
  await builder.load();
  const steps = builder.build();
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (performance.now() < end);
    await nextTurn();
  }
}

async function prepare(parcel: PlanParcel): Promise<void> {
  const { version } = parcel;
  try {
    const plan = await buildPlan(parcel);
    try {
      await server.prepare(plan);
    } catch (error) {
      plan.release();
      throw error;
    }
    if (abandoned === version) {
      server.abandon();
      plan.release();
      return;
    }
    prepared.set(version, plan);
    say({ kind: 'prepared', version });
  } catch (error) {
    say({ kind: 'refused', version, refusal: describe(error) });
  }
}

function commit(version: number): void {
  const plan = prepared.get(version);
  if (plan === undefined) return;
  prepared.delete(version);
  server.commit(plan);
  if (!leaving) control.setState('serving');
  say({ kind: 'committed', version });
}

/** A plan that another worker could not prepare. */
function abandon(version: number): void {
  abandoned = version;
  const plan = prepared.get(version);
  if (plan === undefined) return;
  prepared.delete(version);
  server.abandon();
  plan.release();
}

/** No new connections; then what is under way, however long that takes: the supervisor has the patience, or not. */
async function leave(): Promise<void> {
  if (leaving) return;
  leaving = true;
  control.setState('draining');
  state.draining = true;
  await server.stopListening();
  for (const end = performance.now() + IDLE_GRACE_MS; server.connections > 0 && performance.now() < end; ) {
    await sleep(LEAVE_POLL_MS);
  }
  server.drain();
  while (server.active > 0) await sleep(LEAVE_POLL_MS);
  server.destroy();
  limiter.close?.();
  void sharedResponses.close?.();
  await sinks.close();
  process.exit(0);
}

function describe(error: unknown): Refusal {
  if (!(error instanceof Error)) return { code: null, address: null, message: String(error) };
  const { code, syscall, address, port, message } = error as NodeJS.ErrnoException & SystemAddress;
  if (code === undefined || syscall === undefined) return { code: null, address: null, message };
  return { code, address: address === undefined ? null : formatAddress(address, port), message };
}

function formatAddress(address: string, port: number | undefined): string {
  if (port === undefined || port < 0) return address;
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

parentPort?.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'prepare':
      void prepare(message.plan);
      break;
    case 'commit':
      commit(message.version);
      break;
    case 'abandon':
      abandon(message.version);
      break;
    case 'draining':
      state.draining = true;
      break;
    case 'ticketKeys':
      server.setTicketKeys(Buffer.from(message.keys));
      break;
    case 'feed':
      feeds.receive(message.news);
      break;
    case 'feedAnswered':
      feeds.answered(message.id);
      break;
    case 'feedOver':
      feeds.forget(message.owner);
      break;
    case 'reopenLogs':
      sinks.reopen();
      break;
    case 'leave':
      void leave();
      break;
  }
});

// A promise that a user's module forgot about is no reason to cut everybody's connections.
process.on('unhandledRejection', (reason) => {
  cell.internalError();
  log(`unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`);
});
let begunBefore = -1;
/** Nobody came since the last look: between two requests of steady traffic a worker looks idle too. */
function isQuiet(): boolean {
  const isIdle = server.active === 0 && server.begun === begunBefore;
  begunBefore = server.begun;
  return isIdle;
}

startHeartbeat(control, HEARTBEAT_MS, () => server.active);
releaseGarbageOnce(() => control.read().state === 'serving' && isQuiet());
say({ kind: 'started' });
