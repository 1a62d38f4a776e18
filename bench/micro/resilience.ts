import { HeaderBlock } from '../../src/base/headers.ts';
import { sharedClock } from '../../src/base/shared-clock.ts';
import { mergedLayers } from '../../src/compile/upstream-layers.ts';
import { type Dispatch, ResponseHead, type Sink, UpstreamCall } from '../../src/plan/call.ts';
import type { CompileEnv, DispatchHook, PolicyModule } from '../../src/plan/policy.ts';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { upstreamBreaker } from '../../src/policies/upstream-breaker.ts';
import { upstreamRetry } from '../../src/policies/upstream-retry.ts';
import { EndpointLedger } from '../../src/runtime/endpoint-ledger.ts';
import { EndpointSet } from '../../src/runtime/endpoint-set.ts';
import type { PoolEndpoint } from '../../src/runtime/pool-endpoint.ts';
import { SharedCircuits } from '../../src/shared-memory/breaker.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { createNamedSlotShares, createNamedSlots, NamedSlots } from '../../src/shared-memory/named-slots.ts';
import { RetryBudgets } from '../../src/shared-memory/retry-budget.ts';
import { poolOf } from './balance.ts';
import type { Micro } from './harness.ts';

/** What do `retry`, `breaker` and least-request add to a call that goes well, from the route to its answer and back? */

const nothing = (): never => {
  throw new Error('nobody is asked');
};

interface Asked {
  readonly retry?: unknown;
  readonly breaker?: unknown;
  readonly leastRequest?: boolean;
}

class Ending implements Sink {
  readonly takesFramed = true;
  statuses = 0;
  informational(): void {}
  head({ status }: ResponseHead): void {
    this.statuses += status;
  }
  data(): boolean {
    return true;
  }
  end(): void {}
  upgrade(): void {}
  fail(): void {
    throw new Error('it went well');
  }
}

function calling(measure: string, { retry, breaker, leastRequest = false }: Asked): Micro {
  const shared = createNamedSlots(64, [1, 2]);
  const states = new NamedSlots({ shared, shares: createNamedSlotShares(shared), owner: 1 });
  const circuits = new SharedCircuits(states, sharedClock);
  const budgets = new RetryBudgets(states, sharedClock, new WorkerCell());
  const balance = { method: 'least-request', key: null, maxLoad: 1.25, slowStart: 0, panicThreshold: 0.3 } as const;
  const options: UpstreamOptions = poolOf(3, leastRequest ? balance : null, false);
  const ports = { states, secret: new Uint8Array(32), feed: nothing, report: () => undefined };
  const endpoints = new EndpointSet(options, ports, () => undefined);
  const ledger = new EndpointLedger(options, endpoints, ports);
  const head = new ResponseHead(200, new HeaderBlock(), 'none', -1);
  const answer: Dispatch = (call, sink) => {
    const place = endpoints.choose(call, null) as PoolEndpoint;
    ledger.enter(place, call);
    sink.head(head);
    ledger.settle(place, call, 200, null, 3);
    sink.end(null);
  };
  const env = {
    route: { name: 'orders', gateway: '', pattern: '', parameters: [] },
    log: { write: nothing },
    circuit: (...given: Parameters<SharedCircuits['open']>) => circuits.open(...given),
    retryBudget: (...given: Parameters<RetryBudgets['open']>) => budgets.open(...given),
  } as Partial<CompileEnv> as CompileEnv;
  const hooks: DispatchHook[] = [];
  const asked: readonly (readonly [PolicyModule, unknown])[] = [
    [upstreamRetry, retry],
    [upstreamBreaker, breaker],
  ];
  for (const [policy, given] of asked) {
    if (given === undefined) continue;
    const compiled = policy.compile(policy.schema.parse(given), env);
    if (compiled !== null && !Array.isArray(compiled) && compiled.dispatch !== undefined) hooks.push(compiled.dispatch);
  }
  const dispatch = mergedLayers(hooks, []).reduceRight((next, hook) => hook.wrap(next, options), answer);
  const headers = HeaderBlock.of([['accept', '*/*']]);
  const sink = new Ending();
  return {
    measure,
    run(times) {
      for (let i = 0; i < times; i++) {
        dispatch(new UpstreamCall('GET', '/', 'shop.example', headers, null, null), sink);
      }
      return sink.statuses;
    },
  };
}

const breaker = { errorRate: '50%', minimumCalls: 20, window: '10s', openFor: '5s' };

export const resilience: readonly Micro[] = [
  calling('a call without layers, 3 endpoints in turns', {}),
  calling('with least-request', { leastRequest: true }),
  calling('with `retry`', { retry: true }),
  calling('with `breaker`', { breaker }),
  calling('with `breaker` that looks at time', { breaker: { ...breaker, slowRate: '50%', slowerThan: '1s' } }),
  calling('with `breaker` for each endpoint', { breaker: { ...breaker, scope: 'endpoint' } }),
  calling('with `retry`, `breaker` and least-request', { retry: true, breaker, leastRequest: true }),
  calling('the same with a hedge by percentile', { retry: { hedge: true }, breaker, leastRequest: true }),
];
