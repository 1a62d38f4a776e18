import { HeaderBlock } from '../../src/base/headers.ts';
import { ResponseHead } from '../../src/plan/call.ts';
import { Exchange, type Slot } from '../../src/plan/exchange.ts';
import type { PlanRules, QuotaRules } from '../../src/plan/plans.ts';
import type { CompileEnv, Hooks, PolicyModule } from '../../src/plan/policy.ts';
import { limits as limitsPolicy } from '../../src/policies/limits.ts';
import { plan as planPolicy } from '../../src/policies/plan.ts';
import { LimitMemory } from '../../src/shared-memory/limit-segments.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { SharedLimitCounts, SharedLimiter } from '../../src/shared-memory/shared-limiter.ts';
import { SharedUsage } from '../../src/shared-memory/shared-usage.ts';
import { UsageMemory } from '../../src/shared-memory/usage-segments.ts';
import type { Micro } from './harness.ts';
import { routeOf } from './routes.ts';

/** What does a limit cost that this process keeps, from the request to the fields of its response? */

/** Steps through all callers in an order that no cache line can foresee. */
const STRIDE = 7_919;

const nothing = (): never => {
  throw new Error('a limit needs nobody else');
};

/** For one policy with one slot. */
const slot = <T>(): Slot<T> => ({
  get: (exchange) => exchange.slots?.[0] as T | undefined,
  set: (exchange, value) => {
    exchange.slots ??= [];
    exchange.slots[0] = value;
  },
});

function hooksOf(
  policy: PolicyModule,
  options: object,
  headers: string,
  plans: readonly PlanRules[],
): readonly Hooks[] {
  const memory = new LimitMemory(2 ** 20, [1, 2]);
  // What limits do not ask for is not there.
  const env = {
    slot,
    log: { write: nothing },
    limiter: new SharedLimiter(memory.segments, 1),
    limitCounts: new SharedLimitCounts(memory.segments, new WorkerCell()),
    plans: { rules: new Map(plans.map((each) => [each.name, each])), defaults: new Map() },
    usage: new SharedUsage(new UsageMemory([1, 2]).segments, 1),
  } as Partial<CompileEnv> as CompileEnv;
  const placement = {
    scopeOf: () => 'defaults',
    isOwn: () => true,
    isPublic: false,
    setting: (name: string) => (name === 'limitHeaders' ? headers : ['customer']),
    target: 'upstream' as const,
    isConditional: false,
  };
  const placed = policy.place?.(policy.schema.parse(options), placement);
  const made = placed === undefined ? null : policy.compile(placed, env);
  return made === null ? [] : [made].flat();
}

const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };

function callerOf(index: number): Pick<Exchange, 'clientAddress' | 'identity'> {
  const caller = { id: `user-${index}`, method: 'customer', consumer: null, plan: 'gold', scopes: [], roles: [] };
  return {
    clientAddress: `198.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    identity: { ...caller, groups: [], claims: {} },
  };
}

function limiting(
  measure: string,
  options: object,
  headers: string,
  keys: number,
  policy: PolicyModule = limitsPolicy,
  plans: readonly PlanRules[] = [],
): Micro {
  const hooks = hooksOf(policy, options, headers, plans);
  const callers = Array.from({ length: keys }, (_, index) => callerOf(index));
  const exchange = new Exchange(peer, new HeaderBlock(), routeOf('limited', []));
  const block = new HeaderBlock();
  const head = new ResponseHead(200, block, 'none', -1);
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % keys;
        const caller = callers[at] as (typeof callers)[number];
        exchange.clientAddress = caller.clientAddress;
        exchange.identity = caller.identity;
        exchange.slots = null;
        block.reset('');
        for (let j = 0; j < hooks.length; j++) {
          if ((hooks[j] as Hooks).request?.run(exchange) !== undefined) sum++;
        }
        for (let j = 0; j < hooks.length; j++) (hooks[j] as Hooks).response?.run(exchange, head);
      }
      return sum;
    },
  };
}

const plenty = '1000000/s';
const monthly: QuotaRules = {
  limit: 1e11,
  period: { kind: 'calendar', unit: 'month', timeZone: 'Europe/Berlin', offset: 0 },
};
const rolling: QuotaRules = { limit: 1e11, period: { kind: 'rolling', length: 86_400_000 } };

function gold(quotas: readonly QuotaRules[]): PlanRules {
  const rate = { limit: 1_000_000, period: 1000, burst: 1_000_000 };
  return { name: 'gold', by: 'caller', rate, quotas, warnAt: 0.8, report: false };
}

export const limits: readonly Micro[] = [
  limiting('limit by address, 10,000 clients in turns', { a: plenty }, 'none', 10_000),
  limiting('limit by identity with `RateLimit`, 100 in turns', { a: `${plenty} by identity` }, 'standard', 100),
  limiting('two limits with `RateLimit`, 100 in turns', { a: plenty, b: `${plenty} by identity` }, 'standard', 100),
  limiting('limit that refuses, 100 in turns', { a: '1/day' }, 'standard', 100),
  limiting(
    'sliding window by address, 10,000 in turns',
    { a: { rate: '1000000/day', algorithm: 'sliding-window' } },
    'none',
    10_000,
  ),
  limiting('plan with a rate and a quota, 100 callers in turns', {}, 'none', 100, planPolicy, [gold([monthly])]),
  limiting('the same with `RateLimit`', {}, 'standard', 100, planPolicy, [gold([monthly])]),
  limiting('plan with a rolling quota, 100 callers in turns', {}, 'none', 100, planPolicy, [gold([rolling])]),
];
