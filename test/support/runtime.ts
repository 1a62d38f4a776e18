import type { ConnectionLimits, ListenerPlan, Plan, Route } from '../../src/plan/plan.ts';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { UpstreamPool } from '../../src/runtime/pool.ts';
import type { PoolPorts } from '../../src/runtime/pool-ports.ts';
import { Server, type ServerState } from '../../src/runtime/server.ts';
import type { GaugeTable } from '../../src/shared-memory/gauges.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import type { NamedSlots } from '../../src/shared-memory/named-slots.ts';
import { freePort } from '../harness.ts';
import { TestFeeds } from './feeds.ts';
import { testGauges } from './gauges.ts';
import { handPlan, handRoute, handUpstream } from './plan.ts';
import { TestStates } from './states.ts';

/** A gateway's data plane inside the test's own process: real sockets, no configuration, no supervisor, no workers. */
export interface Runtime extends Disposable {
  readonly port: number;
  readonly server: Server;
  readonly state: ServerState;
  readonly cell: WorkerCell;
  readonly pools: Readonly<Record<string, UpstreamPool>>;
  /** What the runtime wrote to the process log: exceptions while handling a request, as JSON lines. */
  readonly log: readonly string[];
  /** What pools report about endpoints. */
  readonly reports: readonly string[];
  /** The pool of that name; throws when there is none. */
  pool(name: string): UpstreamPool;
  /** A further plan, by default on the same listener and to the same upstreams: to be prepared and committed. */
  plan(options?: PlanOptions): Plan;
  /** Prepares and commits one. */
  reload(options?: PlanOptions): Promise<Plan>;
  stop(): void;
}

export interface PlanOptions {
  /** By path prefix (`/*`, `/slow/*`), tried in order. Default: everything goes to the first upstream. */
  readonly routes?: (pool: (name: string) => UpstreamPool) => Record<string, Route>;
  readonly limits?: Partial<ConnectionLimits>;
  /** TLS, PROXY protocol and the like for the one listener. */
  readonly listener?: Partial<ListenerPlan>;
  /** Anything else of the plan, such as trusted proxies or listeners of its own. */
  readonly plan?: Partial<Plan>;
}

export interface RuntimeOptions extends PlanOptions {
  /** By name; a single URL or list stands for one upstream called `main`. */
  readonly upstreams?: string | readonly string[] | Readonly<Record<string, string | readonly string[]>>;
  /** For every upstream. */
  readonly upstreamOptions?: Partial<UpstreamOptions>;
  readonly ticketKeys?: Buffer;
  /** Of a process with several of these. */
  readonly gauges?: GaugeTable;
  readonly states?: NamedSlots;
  /** What the main thread publishes about every upstream that has an `owner`. */
  readonly feeds?: TestFeeds;
  /** Signs cookies of affinity. */
  readonly affinityKey?: Buffer;
  /** Instead of a port of 127.0.0.1, such as `unix:/path`. */
  readonly address?: string;
}

export async function startRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const cell = new WorkerCell();
  const state: ServerState = { draining: false, ready: true };
  const log: string[] = [];
  const reports: string[] = [];
  const pools: Record<string, UpstreamPool> = {};
  const feeds = options.feeds ?? new TestFeeds();
  const poolPorts: PoolPorts = {
    states: options.states ?? new TestStates().worker(),
    secret: options.affinityKey ?? Buffer.alloc(32, 7),
    feed: (_owner, name) => feeds.find(name),
    report: (line) => {
      reports.push(line);
    },
  };
  for (const [name, urls] of Object.entries(namedUpstreams(options.upstreams))) {
    const list = typeof urls === 'string' ? [urls] : urls;
    pools[name] = new UpstreamPool(handUpstream(list, { name, ...options.upstreamOptions }), cell, poolPorts);
  }
  const pool = (name: string): UpstreamPool => {
    const found = pools[name];
    if (found === undefined) throw new Error(`no upstream ${name} in this runtime`);
    return found;
  };
  const toFirst = (): Record<string, Route> => {
    const first = Object.values(pools)[0];
    return first === undefined ? {} : { '/*': handRoute({ dispatch: first.dispatch }) };
  };
  const server = new Server({
    cell,
    state,
    gauges: options.gauges ?? testGauges(),
    log: (line) => {
      log.push(line);
    },
    ticketKeys: options.ticketKeys ?? null,
    ownsUnixSockets: true,
  });
  const port = await freePort();
  const planOf = (given: PlanOptions): Plan => {
    const plan = handPlan({
      address: options.address ?? `127.0.0.1:${port}`,
      routes: given.routes?.(pool) ?? toFirst(),
      ...(given.limits !== undefined && { limits: given.limits }),
      ...(given.plan !== undefined && { overrides: given.plan }),
    });
    const { listener } = given;
    return listener === undefined
      ? plan
      : { ...plan, listeners: plan.listeners.map((each) => ({ ...each, ...listener })) };
  };
  const reload = async (given: PlanOptions): Promise<Plan> => {
    const plan = planOf(given);
    await server.prepare(plan);
    server.commit(plan);
    return plan;
  };
  await reload(options);
  const stop = (): void => {
    server.destroy();
    for (const each of Object.values(pools)) each.close();
  };
  return {
    port,
    server,
    state,
    cell,
    pools,
    log,
    reports,
    pool,
    plan: (given = {}) => planOf(given),
    reload: (given = {}) => reload(given),
    stop,
    [Symbol.dispose]: stop,
  };
}

function namedUpstreams(given: RuntimeOptions['upstreams']): Readonly<Record<string, string | readonly string[]>> {
  if (given === undefined) return {};
  if (typeof given === 'string') return { main: [given] };
  return isList(given) ? { main: given } : given;
}

function isList(given: readonly string[] | Readonly<Record<string, unknown>>): given is readonly string[] {
  return Array.isArray(given);
}
