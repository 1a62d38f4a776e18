import { sharedClock } from '../../src/base/shared-clock.ts';
import { mergedLayers } from '../../src/compile/upstream-layers.ts';
import type { DispatchHook } from '../../src/plan/policy.ts';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { upstreamBreaker } from '../../src/policies/upstream-breaker.ts';
import { upstreamRetry } from '../../src/policies/upstream-retry.ts';
import type { UpstreamPool } from '../../src/runtime/pool.ts';
import { SharedCircuits } from '../../src/shared-memory/breaker.ts';
import { type BreakerReading, readBreakers } from '../../src/shared-memory/breaker-view.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { type RetryBudgetReading, RetryBudgets, readRetryBudgets } from '../../src/shared-memory/retry-budget.ts';
import { handRoute } from './plan.ts';
import { compilePolicy } from './policy.ts';
import { type Runtime, startRuntime } from './runtime.ts';
import { TestStates } from './states.ts';

export interface ResilientOptions {
  readonly urls: readonly string[];
  readonly retry?: unknown;
  readonly breaker?: unknown;
  readonly workers?: number;
  readonly upstreamOptions?: Partial<UpstreamOptions>;
}

/** Workers of one process before one upstream with `retry` and `breaker`. */
export class Resilient implements Disposable {
  readonly workers: readonly Runtime[];
  readonly #main: ReturnType<TestStates['worker']>;

  constructor(workers: readonly Runtime[], states: TestStates) {
    this.workers = workers;
    this.#main = states.worker();
  }

  get port(): number {
    return this.worker(0).port;
  }

  worker(index: number): Runtime {
    const worker = this.workers[index];
    if (worker === undefined) throw new Error(`there is no worker ${index}`);
    return worker;
  }

  get breakers(): BreakerReading[] {
    return readBreakers(this.#main, sharedClock());
  }

  get budget(): RetryBudgetReading | undefined {
    return readRetryBudgets(this.#main)[0];
  }

  [Symbol.dispose](): void {
    for (const worker of this.workers) worker.stop();
  }
}

export async function startResilient(options: ResilientOptions): Promise<Resilient> {
  const states = new TestStates();
  const workers: Runtime[] = [];
  for (let i = 0; i < (options.workers ?? 1); i++) workers.push(await startWorker(options, states));
  return new Resilient(workers, states);
}

async function startWorker(
  { urls, retry, breaker, upstreamOptions }: ResilientOptions,
  states: TestStates,
): Promise<Runtime> {
  const slots = states.worker();
  const circuits = new SharedCircuits(slots, sharedClock);
  const budgets = new RetryBudgets(slots, sharedClock, new WorkerCell());
  const around = {
    circuit: (...given: Parameters<SharedCircuits['open']>) => circuits.open(...given),
    retryBudget: (...given: Parameters<RetryBudgets['open']>) => budgets.open(...given),
  };
  const hooks: DispatchHook[] = [];
  for (const [policy, given] of [[upstreamRetry, retry] as const, [upstreamBreaker, breaker] as const]) {
    if (given === undefined) continue;
    const compiled = compilePolicy(policy, given, { name: 'main' }, undefined, undefined, around);
    for (const { dispatch } of compiled.hooks) if (dispatch !== undefined) hooks.push(dispatch);
  }
  const wrap = (pool: UpstreamPool) =>
    mergedLayers(hooks, []).reduceRight((next, hook) => hook.wrap(next, pool.options), pool.dispatch);
  return startRuntime({
    upstreams: urls,
    ...(upstreamOptions !== undefined && { upstreamOptions }),
    routes: (pool) => ({ '/*': handRoute({ dispatch: wrap(pool('main')) }) }),
  });
}
