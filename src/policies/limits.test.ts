import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import { TestLimitCounts, TestLimiter } from '../../test/support/limiter.ts';
import { type Around, compilePolicy, fieldValue, refusal } from '../../test/support/policy.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Reply } from '../plan/reply.ts';
import { limits } from './limits.ts';

function policyOf(options: object, around: Around = {}) {
  const limiter = new TestLimiter();
  const limitCounts = new TestLimitCounts();
  const nowhere = { headers: [], parameters: [] };
  const policy = compilePolicy(limits, options, {}, new TestFeeds(), nowhere, { limiter, limitCounts, ...around });
  const ask = (facts: ExchangeFacts = {}) => {
    const exchange = exchangeOf(facts);
    const reply = policy.request(exchange);
    return { exchange, reply };
  };
  const passes = (facts: ExchangeFacts = {}): boolean => ask(facts).reply === null;
  return { policy, limiter, counts: limitCounts.counts, ask, passes };
}

function retryAfter(reply: Reply | null): string | null {
  return reply === null ? null : fieldValue(reply.headers, 'retry-after');
}

describe('limits', () => {
  test('refuse past the rate with the time after which there is room', () => {
    const { limiter, ask, passes } = policyOf({ flood: '2/min' });
    assert.deepEqual([passes(), passes()], [true, true]);
    const { reply } = ask();
    assert.equal(refusal(reply)?.code, 'rate_limited');
    assert.equal(reply?.status, 429);
    assert.equal(retryAfter(reply), '30');
    assert.equal(reply?.detail, 'The limit `flood` has room again in 30 s.');
    limiter.now += 29_999;
    assert.equal(retryAfter(ask().reply), '1');
    limiter.now += 1;
    assert.ok(passes());
  });

  test('are by address unless they say otherwise, and an IPv6 site is one address', () => {
    const { passes } = policyOf({ flood: '1/min' });
    const from = (clientAddress: string) => passes({ clientAddress });
    assert.deepEqual([from('192.0.2.1'), from('192.0.2.2'), from('192.0.2.1')], [true, true, false]);
    assert.deepEqual([from('2001:db8::1'), from('2001:db8::ffff:1'), from('2001:db8:0:1::1')], [true, false, true]);
  });

  test('run before anybody is identified, or after where they have to know who calls', () => {
    const phases = (limit: unknown) =>
      policyOf({ a: limit }).policy.hooks.map(({ request, reads }) => [request?.phase, reads]);
    for (const by of ['address', 'route', 'gateway', { header: 'x-tenant' }, { template: '{query.tenant}' }]) {
      assert.deepEqual(
        phases({ rate: '1/s', by }),
        [
          ['guard', []],
          [undefined, undefined],
        ],
        String(by),
      );
    }
    for (const by of ['identity', 'consumer', 'key', '{identity.claims.team}', ['address', 'identity']]) {
      assert.deepEqual(
        phases({ rate: '1/s', by }),
        [
          ['throttle', ['identity']],
          [undefined, undefined],
        ],
        String(by),
      );
    }
    const when = phases({ rate: '1/s', when: "identity.plan == 'free'" });
    assert.deepEqual(when[0], ['throttle', ['identity']]);
    assert.equal(policyOf({ a: '1/s', b: '1/s by identity' }).policy.hooks.length, 3);
  });

  test('tell callers apart by who they are, and by address where they are nobody', () => {
    const { passes } = policyOf({ caller: '1/min by identity' });
    const as = (id: string, method = 'customer') => passes({ identity: { id, method } });
    assert.deepEqual([as('1'), as('2'), as('1'), as('1', 'partner')], [true, true, false, true]);
    assert.deepEqual([passes(), passes(), passes({ clientAddress: '192.0.2.9' })], [true, false, true]);
  });

  test('consumers and keys, and the address of callers who have neither', () => {
    const consumer = policyOf({ a: '1/min by consumer' });
    const of = (id: string, name: string | null) => consumer.passes({ identity: { id, consumer: name } });
    assert.deepEqual([of('1', 'acme'), of('2', 'acme'), of('3', null), of('4', null)], [true, false, true, false]);
    const key = policyOf({ a: '1/min by key' });
    const by = (claims: object) => key.passes({ identity: { id: 'acme', claims: { ...claims } } });
    assert.deepEqual(
      [by({ key: 'a' }), by({ key: 'b' }), by({ key: 'a' }), by({}), by({})],
      [true, true, false, true, false],
    );
  });

  test('routes, gateways, headers and templates', () => {
    const route = policyOf({ a: '1/min by route' });
    const on = (name: string, gateway = 'web') => route.passes({ route: { name, gateway } });
    assert.deepEqual([on('a'), on('b'), on('a'), on('a', 'mobile')], [true, true, false, true]);
    const gateway = policyOf({ a: '1/min by gateway' });
    assert.deepEqual([gateway.passes(), gateway.passes({ route: { name: 'other' } })], [true, false]);
    const header = policyOf({ a: { rate: '1/min', by: { header: 'X-Tenant' } } });
    const tenant = (name: string) => header.passes({ headers: [['x-tenant', name]] });
    assert.deepEqual([tenant('a'), tenant('b'), tenant('a')], [true, true, false]);
    assert.deepEqual([header.passes(), header.passes()], [true, false]);
    assert.ok(tenant('192.0.2.1'), 'a tenant by the name of an address is not that address');
    const template = policyOf({ a: '1/min by {query.q}' });
    const search = (q: string) => template.passes({ target: `/?q=${q}` });
    assert.deepEqual([search('a'), search('b'), search('%61')], [true, true, false]);
  });

  test('combinations are counted apart, and no value runs over into the next one', () => {
    const { passes } = policyOf({ a: { rate: '1/min', by: [{ header: 'x-a' }, { header: 'x-b' }] } });
    const of = (a: string, b: string) =>
      passes({
        headers: [
          ['x-a', a],
          ['x-b', b],
        ],
      });
    assert.deepEqual([of('1', '2'), of('1', '3'), of('2', '2'), of('1', '2')], [true, true, true, false]);
    assert.deepEqual([of('x1 y', 'z'), of('x', '1 y1 z'), of('x1 ', 'y1 z')], [true, true, true]);
  });

  test('a burst is the size of the bucket, and a cost takes more of it', () => {
    const { limiter, passes } = policyOf({ a: { rate: '60/min', burst: 4, cost: 2 } });
    assert.deepEqual([passes(), passes(), passes()], [true, true, false]);
    limiter.now += 2_000;
    assert.deepEqual([passes(), passes()], [true, false]);
  });

  test('a sliding window gives its limit in every period', () => {
    const { limiter, passes } = policyOf({ a: { rate: '2/min', algorithm: 'sliding-window' } });
    limiter.now = 600_000;
    assert.deepEqual([passes(), passes(), passes()], [true, true, false]);
    limiter.now += 60_000;
    assert.ok(!passes());
    limiter.now += 30_000;
    assert.ok(passes());
  });

  test('a condition picks the requests, and one that cannot be evaluated limits', () => {
    const { passes } = policyOf({ a: { rate: '1/min', when: "header.x == 'y'" } });
    const of = (x: string) => passes({ headers: [['x', x]] });
    assert.deepEqual([of('n'), of('n'), of('y'), of('y'), passes()], [true, true, true, false, false]);
  });

  test('one that reports counts, logs and lets pass, and clients do not hear of it', () => {
    const { policy, counts, ask } = policyOf({ a: { rate: '1/min', report: true } });
    ask();
    const { exchange, reply } = ask();
    assert.equal(reply, null);
    assert.equal(exchange.reported, 1);
    assert.equal((JSON.parse(policy.lines[0] ?? '') as { detail: string }).detail, 'limit a of defaults');
    assert.equal(fieldValue(policy.response(exchange).headers, 'ratelimit'), null);
    assert.deepEqual(counts, { 'defaults a allowed': 1, 'defaults a reported': 1 });
  });

  test('a cost can follow from the request, and is never more than there can be', () => {
    const cost = "request.method == 'GET' ? 1 : int(header['x-items'])";
    const { passes, policy } = policyOf({ work: { rate: '10/min', cost } });
    const post = (items: string) => passes({ method: 'POST', headers: [['x-items', items]] });
    assert.deepEqual(policy.problems, []);
    assert.deepEqual([post('4'), post('7'), post('6'), passes({ method: 'GET' })], [true, false, true, false]);
    const other = policyOf({ work: { rate: '10/min', cost } });
    const dear = { method: 'POST', headers: [['x-items', '5000']] } satisfies ExchangeFacts;
    assert.deepEqual([other.passes(dear), other.passes(dear)], [true, false], 'all there is, once');
  });

  test('a cost that cannot be worked out is 1', () => {
    const { passes } = policyOf({ work: { rate: '2/min', cost: "int(header['x-items'])" } });
    const fault = { headers: [['x-items', 'many']] } satisfies ExchangeFacts;
    assert.deepEqual([passes(fault), passes({}), passes(fault)], [true, true, false]);
  });

  test('a cost that is no number is an error with its place', () => {
    const { policy } = policyOf({ work: { rate: '2/min', cost: "request.method == 'GET'" } });
    assert.deepEqual(policy.problems, [{ severity: 'error', code: 'invalid-condition', path: ['work', 'cost'] }]);
  });

  test('a refused request costs nothing at the other limits, and Retry-After covers all of them', () => {
    const { limiter, counts, ask, passes } = policyOf({
      minute: '3/min',
      hour: { rate: '2/h', by: { header: 'x-a' } },
      day: { rate: '1/day', by: { header: 'x-a' } },
    });
    const of = (a: string) => ask({ headers: [['x-a', a]] }).reply;
    assert.equal(of('1'), null);
    for (let i = 0; i < 5; i++) assert.equal(retryAfter(of('1')), '86400');
    limiter.now += 60_000;
    assert.equal(of('2'), null);
    assert.equal(of('3'), null);
    assert.equal(of('4'), null);
    assert.ok(!passes({ headers: [['x-a', '5']] }));
    assert.equal(counts['defaults hour limited'], undefined);
    assert.equal(counts['defaults day limited'], 5);
  });

  test('a cost of the response is charged when it is known, and one for whoever does not wait for it', () => {
    const { limiter, policy, ask, passes } = policyOf({ tokens: { rate: '60/min', cost: { header: 'x-tokens' } } });
    const spend = (fields: [string, string][]): Exchange => {
      const { exchange, reply } = ask();
      assert.equal(reply, null);
      policy.response(exchange, fields);
      policy.done(exchange);
      return exchange;
    };
    spend([['x-tokens', '50']]);
    spend([]);
    spend([['x-tokens', 'many']]);
    spend([['x-tokens', '0']]);
    policy.done(ask().exchange);
    assert.equal(
      fieldValue(policy.response(ask().exchange, [['x-tokens', '0']]).headers, 'ratelimit'),
      '"tokens";r=7;t=1',
    );
    spend([['x-tokens', '60']]);
    assert.equal(retryAfter(ask().reply), '54');
    limiter.now += 53_999;
    assert.ok(!passes());
    limiter.now += 1;
    assert.ok(passes());
  });

  test('a refused request is charged nothing afterwards', () => {
    const { policy, ask } = policyOf({
      tokens: { rate: '2/min', cost: { header: 'x-tokens' } },
      calls: { rate: '1/min', by: { header: 'x-a' } },
    });
    ask({ headers: [['x-a', '1']] });
    for (let i = 0; i < 5; i++) {
      const { exchange, reply } = ask({ headers: [['x-a', '1']] });
      assert.ok(reply);
      policy.response(exchange);
      policy.done(exchange);
    }
    assert.equal(ask({ headers: [['x-a', '2']] }).reply, null);
  });

  test('answers that come by a promise are waited for together', async () => {
    const { policy, limiter } = policyOf({ a: '2/min', b: { rate: '1/min', by: { header: 'x-b' } } });
    limiter.isSlow = true;
    const hook = policy.hooks[0]?.request ?? assert.fail();
    const of = async (b: string) => hook.run(exchangeOf({ headers: [['x-b', b]] }));
    assert.equal(await of('1'), undefined);
    const refused = await of('1');
    assert.equal(refused?.status, 429);
    assert.equal(await of('2'), undefined);
    assert.equal((await of('3'))?.status, 429);
  });
});

describe('what responses say about limits', () => {
  const both = { flood: { rate: '300/min', burst: 10 }, caller: '120/min by identity' };
  const identity = { id: '1' };

  test('the policies as declared, and what is left, the most constrained first', () => {
    const { policy, ask } = policyOf({ ...both, caller: '5/min by identity' });
    const { headers } = policy.response(ask({ identity }).exchange);
    assert.equal(fieldValue(headers, 'ratelimit-policy'), '"flood";q=300;w=60;sluice-burst=10, "caller";q=5;w=60');
    assert.equal(fieldValue(headers, 'ratelimit'), '"caller";r=4;t=12, "flood";r=9;t=1');
  });

  test('a refusal says it too, and no time ends after Retry-After', () => {
    const { policy, ask } = policyOf({ a: '1/min', b: '100/day' });
    ask();
    const { exchange, reply } = ask();
    const { headers } = policy.response(exchange, [], 429);
    assert.equal(retryAfter(reply), '60');
    assert.equal(fieldValue(headers, 'ratelimit'), '"a";r=0;t=60, "b";r=99;t=864');
  });

  test('the older fields, both, or none', () => {
    const told = (limitHeaders: string) => {
      const { policy, ask } = policyOf(both, { placement: { setting: () => limitHeaders } });
      const { headers } = policy.response(ask({ identity }).exchange, [['x-ratelimit-limit', '1']]);
      return ['ratelimit', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'].map((name) =>
        fieldValue(headers, name),
      );
    };
    assert.deepEqual(told('legacy'), [null, '300', '9', '1']);
    assert.deepEqual(told('both'), ['"flood";r=9;t=1, "caller";r=119;t=1', '300', '9', '1']);
    assert.deepEqual(told('none'), [null, '1', null, null]);
  });
});

describe('where a limit stands', () => {
  test('is its scope: uses of one scope share buckets, others do not', () => {
    const limiter = new TestLimiter();
    const uses = ['defaults', 'defaults', 'gateway web'].map((scope) => {
      return policyOf({ a: '1/min' }, { limiter, placement: { scopeOf: () => scope } });
    });
    assert.deepEqual(
      uses.map(({ passes }) => passes()),
      [true, false, true],
    );
  });

  test('one that a public route inherits needs no identity; its own does', () => {
    const reads = (isOwn: boolean) =>
      policyOf({ a: '1/min by identity' }, { placement: { isPublic: true, isOwn: () => isOwn } }).policy.hooks[0]
        ?.reads;
    assert.deepEqual(reads(false), []);
    assert.deepEqual(reads(true), ['identity']);
  });

  test('an explanation names rate, key and scope', () => {
    const { policy } = policyOf({
      a: { rate: '10/s', burst: 20, by: ['address', { header: 'x-a' }] },
      b: '1/min by identity',
      c: { rate: '1/h', by: 'consumer', when: "request.method == 'POST'" },
    });
    const explained = (isKnown: boolean) =>
      policy.hooks.flatMap(({ request }) => request?.explain?.(exchangeOf({ identity: { id: '7' } }), isKnown) ?? []);
    assert.deepEqual(
      explained(true).map(({ text }) => text),
      [
        'a: 10/s, burst 20 by address 192.0.2.1 and header x-a (none, so by address 192.0.2.1), scope defaults',
        'b: 1/min by identity customer 7, scope defaults',
        'c: 1/h by consumer (none, so by address 192.0.2.1), scope defaults, not for this request',
      ],
    );
    assert.equal(explained(false)[1]?.text, 'b: 1/min by identity (of whoever calls), scope defaults');
  });
});

test('problems of conditions and templates are reported where they stand', () => {
  assert.deepEqual(policyOf({ a: { rate: '1/s', when: 'nonsense ==' } }).policy.problems, [
    { severity: 'error', code: 'invalid-condition', path: ['a', 'when'] },
  ]);
  assert.deepEqual(policyOf({ a: { rate: '1/s', by: ['address', '{query.a.b}'] } }).policy.problems, [
    { severity: 'error', code: 'unknown-name', path: ['a', 'by', 1] },
  ]);
});
