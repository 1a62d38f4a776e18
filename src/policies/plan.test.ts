import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import { TestLimitCounts, TestLimiter } from '../../test/support/limiter.ts';
import { type CompiledPolicy, compilePolicy, fieldValue, refusal } from '../../test/support/policy.ts';
import { HeaderBlock } from '../base/headers.ts';
import { ResponseHead } from '../plan/call.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { PlanRules } from '../plan/plans.ts';
import { Reply } from '../plan/reply.ts';
import { SharedUsage } from '../shared-memory/shared-usage.ts';
import { UsageMemory } from '../shared-memory/usage-segments.ts';
import { plan } from './plan.ts';

const calendar = (unit: 'day' | 'month', timeZone = 'UTC') =>
  ({ kind: 'calendar', unit, timeZone, offset: 0 }) as const;

function rulesOf(name: string, rest: Partial<PlanRules> = {}): PlanRules {
  return { name, by: 'caller', rate: null, quotas: [], warnAt: 0.8, report: false, ...rest };
}

interface Bench {
  readonly policy: CompiledPolicy;
  readonly limiter: TestLimiter;
  readonly counts: TestLimitCounts;
  ask(identity: Partial<Identity> | null): { reply: Reply | null; exchange: Exchange };
}

function benchOf(
  rules: PlanRules[],
  options: object = {},
  settings: Record<string, unknown> = {},
  isPublic = false,
): Bench {
  const limiter = new TestLimiter();
  const counts = new TestLimitCounts();
  const usage = new SharedUsage(new UsageMemory([1, 2], { calendar: 64, rolling: 64 }).segments, 1);
  const plans = { rules: new Map(rules.map((each) => [each.name, each])), defaults: new Map([['customer', 'free']]) };
  const placement = { isPublic, setting: (name: string) => ({ auth: ['customer'], ...settings })[name] };
  const around = { limiter, limitCounts: counts, usage, plans, placement };
  const policy = compilePolicy(plan, options, {}, new TestFeeds(), undefined, around);
  return {
    policy,
    limiter,
    counts,
    ask(identity) {
      const exchange = exchangeOf(identity === null ? {} : { identity });
      return { exchange, reply: policy.request(exchange) };
    },
  };
}

function told(
  policy: CompiledPolicy,
  exchange: Exchange,
  name: string,
  fields: [string, string][] = [],
): string | null {
  return fieldValue(policy.response(exchange, fields).headers, name);
}

const acme = { id: 'key-1', method: 'partner', consumer: 'acme', plan: 'free', claims: { key: 'k1' } };

describe('plan', () => {
  it('asks nothing of whom nobody knows, of whom no plan holds, and where nobody has to identify', () => {
    const bench = benchOf([rulesOf('free', { quotas: [{ limit: 1, period: calendar('day') }] })]);
    for (const identity of [null, { id: 'x', plan: null }]) {
      for (let i = 0; i < 3; i++) assert.equal(bench.ask(identity).reply, null);
    }
    assert.deepEqual(benchOf([rulesOf('free')], {}, {}, true).policy.hooks, []);
    assert.deepEqual(benchOf([rulesOf('free')], {}, { auth: undefined }).policy.hooks, []);
    assert.deepEqual(benchOf([]).policy.problems, [{ severity: 'warning', code: 'unused-setting', path: [] }]);
  });

  it('gives whoever names a plan that does not exist that of its entry, and refuses it where there is none', () => {
    const { ask } = benchOf([rulesOf('free', { quotas: [{ limit: 1, period: calendar('day') }] })]);
    const astray = { id: 'ann', plan: 'platinum' };
    assert.equal(ask({ ...astray, method: 'customer' }).reply, null);
    assert.equal(refusal(ask({ ...astray, method: 'customer' }).reply)?.code, 'quota_exceeded');
    const refused = refusal(ask({ ...astray, method: 'other' }).reply);
    assert.deepEqual([refused?.code, refused?.status], ['plan_unknown', 403]);
  });

  it('counts by consumer, else by identity; by key or identity where the plan says so', () => {
    const other = { ...acme, id: 'key-2', claims: { key: 'k2' } };
    const quotas = [{ limit: 1, period: calendar('day') }];
    const refusals = (rules: Partial<PlanRules>, identities: object[]): boolean[] => {
      const { ask } = benchOf([rulesOf('free', { quotas, ...rules })]);
      return identities.map((identity) => ask(identity).reply !== null);
    };
    assert.deepEqual(refusals({}, [acme, other]), [false, true]);
    assert.deepEqual(refusals({ by: 'key' }, [acme, other, acme]), [false, false, true]);
    assert.deepEqual(refusals({ by: 'identity' }, [acme, other, other]), [false, false, true]);
    const ann = { id: 'ann', method: 'customer', plan: 'free' };
    assert.deepEqual(refusals({ by: 'consumer' }, [ann, { ...ann, method: 'other' }, ann]), [false, false, true]);
    // Two long names that begin alike are two.
    const long = (end: string): object => ({ ...ann, id: `${'ä'.repeat(200)}${end}` });
    assert.deepEqual(refusals({}, [long('1'), long('2'), long('1')]), [false, false, true]);
  });

  it('uses nothing of a quota when it comes too soon, and nothing at all when a quota is used up', () => {
    const { ask, policy, counts } = benchOf([
      rulesOf('free', {
        rate: { limit: 2, period: 1000, burst: 4 },
        quotas: [
          { limit: 100, period: calendar('month') },
          { limit: 3, period: calendar('day', 'Asia/Kolkata') },
        ],
      }),
    ]);
    for (let i = 0; i < 3; i++) assert.equal(ask(acme).reply, null);
    const { reply, exchange } = ask(acme);
    assert.equal(refusal(reply)?.code, 'quota_exceeded');
    assert.match(reply?.detail ?? '', /^The quota of 3 per day Asia\/Kolkata of the plan `free` is used up\.$/);
    const seconds = Number(fieldValue(reply?.headers ?? new HeaderBlock(), 'retry-after'));
    assert.ok(seconds > 0 && seconds <= 86_400, String(seconds));
    assert.match(
      told(policy, exchange, 'ratelimit') ?? '',
      /^"free";r=1;t=1, "free-month";r=97;t=\d+, "free-day";r=0;t=\d+$/,
    );
    assert.equal(
      told(policy, exchange, 'ratelimit-policy'),
      '"free";q=2;w=1;sluice-burst=4, "free-month";q=100;w=2592000, "free-day";q=3;w=86400',
    );
    assert.deepEqual(counts.counts, {
      'plan free rate allowed': 4,
      'plan free quota month allowed': 4,
      'plan free quota day Asia/Kolkata allowed': 3,
      'plan free quota day Asia/Kolkata limited': 1,
    });
  });

  it('says how long to wait when it comes too soon, and nothing of quotas that it did not ask', () => {
    const rate = { limit: 1, period: 60_000, burst: 1 };
    const { ask, policy } = benchOf([rulesOf('free', { rate, quotas: [{ limit: 5, period: calendar('day') }] })]);
    assert.equal(ask(acme).reply, null);
    const { reply, exchange } = ask(acme);
    assert.equal(refusal(reply)?.code, 'rate_limited');
    assert.equal(fieldValue(reply?.headers ?? new HeaderBlock(), 'retry-after'), '60');
    assert.equal(told(policy, exchange, 'ratelimit'), '"free";r=0;t=60');
    assert.equal(told(policy, exchange, 'x-quota-warning'), null);
  });

  it('waits for a store that machines share', async () => {
    const { policy, limiter } = benchOf([rulesOf('free', { rate: { limit: 1, period: 60_000, burst: 1 } })]);
    limiter.isSlow = true;
    const run = policy.hooks[0]?.request?.run;
    assert.ok(run !== undefined);
    const hook = policy.hooks[0]?.request;
    const answers = [await hook?.run(exchangeOf({ identity: acme })), await hook?.run(exchangeOf({ identity: acme }))];
    assert.equal(answers[0], undefined);
    assert.ok(answers[1] instanceof Reply && answers[1].error?.code === 'rate_limited');
  });

  it('takes what the route costs, and gives back as much', () => {
    const rules = rulesOf('free', {
      rate: { limit: 10, period: 60_000, burst: 20 },
      quotas: [{ limit: 10, period: calendar('day') }],
    });
    const { ask, policy } = benchOf([rules], { cost: 4 });
    assert.deepEqual([ask(acme).reply, ask(acme).reply], [null, null]);
    const { reply, exchange } = ask(acme);
    assert.equal(refusal(reply)?.code, 'quota_exceeded');
    assert.match(told(policy, exchange, 'ratelimit') ?? '', /^"free";r=12;t=\d+, "free-day";r=2;t=\d+$/);
    const { problems } = benchOf([rules], { cost: 11 }).policy;
    assert.deepEqual(problems, [{ severity: 'warning', code: 'plan-cost', path: ['cost'] }]);
  });

  it('lets everything pass, counted and logged, where the plan only watches', () => {
    const { ask, policy, counts } = benchOf([
      rulesOf('free', {
        rate: { limit: 1, period: 60_000, burst: 1 },
        quotas: [{ limit: 1, period: calendar('day') }],
        report: true,
      }),
    ]);
    const exchanges = [ask(acme), ask(acme), ask(acme)];
    assert.deepEqual(
      exchanges.map(({ reply }) => reply),
      [null, null, null],
    );
    assert.deepEqual(
      exchanges.map(({ exchange }) => exchange.reported),
      [0, 2, 2],
    );
    assert.equal(counts.counts['plan free quota day reported'], 2);
    assert.match(policy.lines.join(''), /"policy":"plan","code":"quota_exceeded".*quota per day of the plan free/);
    const { exchange } = exchanges[2] as (typeof exchanges)[number];
    assert.equal(told(policy, exchange, 'ratelimit'), null);
  });

  it('warns from the part on that the plan says', () => {
    const quotas = [{ limit: 4, period: calendar('day') }];
    const warnings = (warnAt: number | null): (string | null)[] => {
      const { ask, policy } = benchOf([rulesOf('free', { quotas, warnAt })]);
      return [1, 2, 3, 4].map(
        () => told(policy, ask(acme).exchange, 'x-quota-warning')?.replace(/;t=\d+$/, '') ?? null,
      );
    };
    const [, , three, four] = ['', '', '"day";used=3;limit=4', '"day";used=4;limit=4'];
    assert.deepEqual(warnings(0.75), [null, null, three, four]);
    assert.deepEqual(warnings(0.8), [null, null, null, four]);
    assert.deepEqual(warnings(null), [null, null, null, null]);
  });

  it('tells in the form that the route wants, beside what limits tell', () => {
    const rules = rulesOf('free', {
      rate: { limit: 1, period: 60_000, burst: 5 },
      quotas: [{ limit: 100, period: calendar('day') }],
    });
    const fieldsFor = (limitHeaders: string, fields: [string, string][]): Record<string, string | null> => {
      const { ask, policy } = benchOf([rules], {}, { limitHeaders });
      const { exchange } = ask(acme);
      const names = ['ratelimit', 'x-ratelimit-limit', 'x-ratelimit-remaining'];
      return Object.fromEntries(names.map((name) => [name, told(policy, exchange, name, fields)]));
    };
    assert.match(
      fieldsFor('standard', [['ratelimit', '"caller";r=1']]).ratelimit ?? '',
      /^"caller";r=1, "free";r=4;t=60, /,
    );
    assert.deepEqual(fieldsFor('legacy', []), {
      ratelimit: null,
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '4',
    });
    const scarce: [string, string][] = [
      ['x-ratelimit-limit', '9'],
      ['x-ratelimit-remaining', '2'],
    ];
    assert.deepEqual(fieldsFor('legacy', scarce), {
      ratelimit: null,
      'x-ratelimit-limit': '9',
      'x-ratelimit-remaining': '2',
    });
    assert.deepEqual(fieldsFor('none', []), {
      ratelimit: null,
      'x-ratelimit-limit': null,
      'x-ratelimit-remaining': null,
    });
    // A response that no request has come to, such as one to a request that was refused before.
    const { policy } = benchOf([rules]);
    assert.equal(
      policy.hooks[0]?.response?.run(exchangeOf(), new ResponseHead(200, new HeaderBlock(), 'none', -1)),
      undefined,
    );
  });
});
