import { HeaderBlock } from '../../src/base/headers.ts';
import { ResponseHead } from '../../src/plan/call.ts';
import { Exchange, type Slot } from '../../src/plan/exchange.ts';
import type { CompileEnv, Hooks } from '../../src/plan/policy.ts';
import { limits as policy } from '../../src/policies/limits.ts';
import { LimitMemory } from '../../src/shared-memory/limit-segments.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { SharedLimitCounts, SharedLimiter } from '../../src/shared-memory/shared-limiter.ts';
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

function hooksOf(options: object, headers: string): readonly Hooks[] {
  const memory = new LimitMemory(2 ** 20, [1, 2]);
  // What limits do not ask for is not there.
  const env = {
    slot,
    log: { write: nothing },
    limiter: new SharedLimiter(memory.segments, 1),
    limitCounts: new SharedLimitCounts(memory.segments, new WorkerCell()),
  } as Partial<CompileEnv> as CompileEnv;
  const placement = { scopeOf: () => 'defaults', isOwn: () => true, isPublic: false, setting: () => headers };
  const placed = policy.place?.(policy.schema.parse(options), placement);
  const made = placed === undefined ? null : policy.compile(placed, env);
  return made === null ? [] : [made].flat();
}

const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };

function callerOf(index: number): Pick<Exchange, 'clientAddress' | 'identity'> {
  const caller = { id: `user-${index}`, method: 'customer', consumer: null, plan: null, scopes: [], roles: [] };
  return {
    clientAddress: `198.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    identity: { ...caller, groups: [], claims: {} },
  };
}

function limiting(measure: string, options: object, headers: string, keys: number): Micro {
  const hooks = hooksOf(options, headers);
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
];
