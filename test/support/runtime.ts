import type { ConnectionLimits, Plan, Route } from '../../src/plan/plan.ts';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { UpstreamPool } from '../../src/runtime/pool.ts';
import { Server, type ServerState } from '../../src/runtime/server.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { freePort } from '../harness.ts';
import { handPlan, handRoute, handUpstream } from './plan.ts';

/** A gateway's data plane inside the test's own process: real sockets, no configuration, no supervisor, no workers. */
export interface Runtime {
  readonly port: number;
  readonly server: Server;
  readonly state: ServerState;
  readonly cell: WorkerCell;
  readonly pools: Readonly<Record<string, UpstreamPool>>;
  /** What the runtime wrote to the process log: exceptions while handling a request, as JSON lines. */
  readonly log: readonly string[];
  /** The pool of that name; throws when there is none. */
  pool(name: string): UpstreamPool;
  stop(): void;
}

export interface RuntimeOptions {
  /** By name; a single URL or list stands for one upstream called `main`. */
  readonly upstreams?: string | readonly string[] | Readonly<Record<string, string | readonly string[]>>;
  /** For every upstream. */
  readonly upstreamOptions?: Partial<UpstreamOptions>;
  /** By path prefix (`/*`, `/slow/*`), tried in order. Default: everything goes to the first upstream. */
  readonly routes?: (pool: (name: string) => UpstreamPool) => Record<string, Route>;
  readonly limits?: Partial<ConnectionLimits>;
  /** Anything else of the plan, such as trusted proxies or listeners of its own. */
  readonly plan?: Partial<Plan>;
}

export async function startRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const cell = new WorkerCell();
  const state: ServerState = { draining: false, ready: true };
  const log: string[] = [];
  const pools: Record<string, UpstreamPool> = {};
  for (const [name, urls] of Object.entries(namedUpstreams(options.upstreams))) {
    const list = typeof urls === 'string' ? [urls] : urls;
    pools[name] = new UpstreamPool(handUpstream(list, { name, ...options.upstreamOptions }), cell);
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
    log: (line) => {
      log.push(line);
    },
    ticketKeys: null,
    ownsUnixSockets: true,
  });
  const port = await freePort();
  const plan = handPlan({
    address: `127.0.0.1:${port}`,
    routes: options.routes?.(pool) ?? toFirst(),
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.plan !== undefined && { overrides: options.plan }),
  });
  await server.prepare(plan);
  server.commit(plan);
  return {
    port,
    server,
    state,
    cell,
    pools,
    log,
    pool,
    stop() {
      server.destroy();
      for (const each of Object.values(pools)) each.close();
    },
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
