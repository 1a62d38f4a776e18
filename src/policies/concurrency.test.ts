import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import type { Gate, GateOptions } from '../plan/admission.ts';
import { UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { concurrency } from './concurrency.ts';
import { upstreamConcurrency } from './upstream-concurrency.ts';

/** Remembers what it was opened with, and what it would count calls by. */
class Opened implements Gate {
  options: GateOptions | null = null;
  keyOf: ((call: UpstreamCall) => string) | null = null;
  report: ((exchange: Exchange) => void) | null = null;

  guard(...[next, keyOf, report]: Parameters<Gate['guard']>): typeof next {
    this.keyOf = keyOf;
    this.report = report;
    return next;
  }

  key(exchange: Exchange): string | undefined {
    return this.keyOf?.(new UpstreamCall('GET', '/', 'shop.example', new HeaderBlock(), null, exchange));
  }
}

function open(given: unknown, policy: typeof concurrency | typeof upstreamConcurrency = concurrency, isPublic = false) {
  const opened = new Opened();
  const compiled = compilePolicy(policy, given, { name: 'GET /orders', gateway: 'web' }, undefined, undefined, {
    gate: (options) => {
      opened.options = options;
      return opened;
    },
    placement: { scopeOf: () => 'gateway web', isOwn: () => false, isPublic },
  });
  for (const { dispatch } of compiled.hooks) dispatch?.wrap(() => undefined, null);
  return { opened, compiled };
}

describe('concurrency of routes', () => {
  test('a number is the long form with defaults', () => {
    const { opened } = open(50);
    assert.deepEqual(opened.options, {
      scope: { kind: 'route', name: 'web\nGET /orders' },
      max: 50,
      queue: 50,
      timeout: 1_000,
      adaptive: null,
    });
    assert.equal(opened.keyOf, null);
    assert.deepEqual(open({ max: 50 }).opened.options, opened.options);
  });

  test('callers are counted over all routes that have it from one place, and do not wait', () => {
    const { opened } = open({ max: 5, by: 'identity' });
    assert.equal(opened.options?.scope.kind, 'callers');
    assert.match(opened.options?.scope.name ?? '', /^gateway web\n/);
    assert.equal(opened.options?.queue, 0);
    assert.notEqual(opened.options?.scope.name, open({ max: 5, by: 'consumer' }).opened.options?.scope.name);
  });

  test('tells callers apart', () => {
    const identity = { id: 'ada', method: 'customer', consumer: 'acme' };
    const exchange = exchangeOf({ identity, clientAddress: '2001:db8:1:2:3::4', headers: [['x-tenant', 'one']] });
    const other = exchangeOf({ identity: { ...identity, id: 'bob' }, clientAddress: '2001:db8:1:2::9' });
    const nobody = exchangeOf({ clientAddress: '192.0.2.9' });
    const keys = (by: unknown): (string | undefined)[] => {
      const { opened } = open({ max: 1, by });
      return [exchange, other, nobody].map((each) => opened.key(each));
    };
    assert.deepEqual(keys('consumer').slice(0, 2), ['acme', 'acme']);
    const [ada, bob, stranger] = keys('identity');
    assert.notEqual(ada, bob);
    assert.match(stranger ?? '', /192\.0\.2\.9$/);
    const [first, second] = keys('address');
    assert.equal(first, second, 'one /64 is one client');
    const [tenant, untold] = keys({ header: 'X-Tenant' });
    assert.equal(tenant, 'one');
    assert.match(untold ?? '', /2001:db8:1:2/);
  });

  test('needs to know who calls, except where it was declared for routes that everybody may ask', () => {
    const reads = (given: unknown, isPublic: boolean) => open(given, concurrency, isPublic).compiled.hooks[0]?.reads;
    assert.deepEqual(reads({ max: 1, by: 'identity' }, false), ['identity']);
    assert.deepEqual(reads({ max: 1, by: 'identity' }, true), []);
    assert.deepEqual(reads(1, false), []);
  });

  test('a report counts and logs', () => {
    const { opened, compiled } = open({ max: 1, report: true });
    const exchange = exchangeOf();
    opened.report?.(exchange);
    assert.equal(exchange.reported, 1);
    assert.match(compiled.lines.join(''), new RegExp(`"code":"${errors.overloaded.code}"`));
    assert.equal(open(1).opened.report, null);
  });

  test('what makes no sense is told', () => {
    for (const given of [0, { max: 0 }, { queue: 1 }, { max: 1, by: 'tenant' }, { max: 1, timeout: '0' }]) {
      assert.notDeepEqual(problemsOf(concurrency, given), [], JSON.stringify(given));
    }
  });
});

describe('concurrency of upstreams', () => {
  test('a number, or a limit that finds itself', () => {
    const scope = { kind: 'upstream', name: 'GET /orders' };
    const fixed = { scope, max: 50, queue: 50, timeout: 1_000, adaptive: null };
    assert.deepEqual(open(50, upstreamConcurrency).opened.options, fixed);
    const { adaptive, max, queue } = open({ adaptive: true }, upstreamConcurrency).opened.options as GateOptions;
    assert.deepEqual(
      { adaptive, max, queue },
      {
        adaptive: { min: 1, initial: 20, tolerance: 1.5 },
        max: 1_000,
        queue: 1_000,
      },
    );
    const own = open({ max: 40, adaptive: { min: 4 }, queue: 7 }, upstreamConcurrency).opened.options;
    assert.deepEqual([own?.max, own?.queue, own?.adaptive?.min], [40, 7, 4]);
  });

  test('what makes no sense is told', () => {
    for (const given of [{}, { max: 2, adaptive: { min: 3 } }, { max: 2, adaptive: { tolerance: 1 } }, { queue: 5 }]) {
      assert.notDeepEqual(problemsOf(upstreamConcurrency, given), [], JSON.stringify(given));
    }
  });
});
