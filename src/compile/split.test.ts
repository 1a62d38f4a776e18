import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callOf, TestSink } from '../../test/support/dispatch.ts';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import type { SplitDocument } from './plan-document.ts';
import { split } from './split.ts';

const KEYS = 20_000;

/** Asks a split of these weights, and says which side was asked. */
function splitter(weights: Readonly<Record<string, number>>, document: Partial<SplitDocument>) {
  let asked = '';
  const sides = Object.entries(weights).map(([name, weight]) => ({
    name,
    weight,
    dispatch: () => {
      asked = name;
    },
  }));
  const dispatch = split(sides, { by: null, force: null, ...document });
  return (facts: ExchangeFacts = {}): string => {
    dispatch(callOf({ exchange: exchangeOf(facts) }), new TestSink());
    return asked;
  };
}

const tenant = (name: number | string): ExchangeFacts => ({ headers: [['x-tenant', String(name)]] });
const byTenant = { by: { header: 'x-tenant' } };

describe('a pinned split', () => {
  test('gives every side its share of many keys, and the same key always the same side', () => {
    const ask = splitter({ orders: 95, next: 5 }, byTenant);
    let next = 0;
    for (let key = 0; key < KEYS; key++) {
      const side = ask(tenant(`tenant-${key}`));
      assert.equal(ask(tenant(`tenant-${key}`)), side);
      if (side === 'next') next++;
    }
    // Four standard deviations of a fair draw.
    assert.ok(Math.abs(next / KEYS - 0.05) < 4 * Math.sqrt((0.05 * 0.95) / KEYS), String(next));
  });

  test('moves only who has to move when weights change', () => {
    const before = splitter({ orders: 95, next: 5 }, byTenant);
    const after = splitter({ orders: 80, next: 20 }, byTenant);
    const [moves, back] = [new Set<number>(), new Set<number>()];
    for (let key = 0; key < KEYS; key++) {
      const [one, other] = [before(tenant(key)), after(tenant(key))];
      if (one === 'orders' && other === 'next') moves.add(key);
      if (one === 'next' && other === 'orders') back.add(key);
    }
    assert.equal(back.size, 0);
    assert.ok(Math.abs(moves.size / KEYS - 0.15) < 0.02, String(moves.size));
  });

  test('does not care in which order the sides are written, nor in which unit', () => {
    const [one, other] = [splitter({ a: 3, b: 1 }, byTenant), splitter({ b: 100, a: 300 }, byTenant)];
    for (let key = 0; key < 1_000; key++) assert.equal(one(tenant(key)), other(tenant(key)));
  });

  test('goes by address where a caller has not got what it is pinned by', () => {
    const clients = (ask: (facts: ExchangeFacts) => string) =>
      Array.from({ length: 200 }, (_, i) => ask({ clientAddress: `192.0.2.${i}` }));
    const byAddress = clients(splitter({ a: 1, b: 1 }, { by: 'address' }));
    assert.deepEqual(clients(splitter({ a: 1, b: 1 }, byTenant)), byAddress);
    assert.deepEqual(clients(splitter({ a: 1, b: 1 }, { by: 'identity' })), byAddress);
    assert.equal(new Set(byAddress).size, 2);
    const ask = splitter({ a: 1, b: 1 }, { by: 'address' });
    const neighbours = ['2001:db8::1', '2001:db8::ffff'].map((clientAddress) => ask({ clientAddress }));
    assert.equal(new Set(neighbours).size, 1, 'a site has all of a /64');
  });

  test('knows callers by identity, consumer and cookie', () => {
    const spread = (document: Partial<SplitDocument>, facts: (key: number) => ExchangeFacts) => {
      const ask = splitter({ a: 1, b: 1 }, document);
      const sides = Array.from({ length: 100 }, (_, key) => ask(facts(key)));
      assert.equal(new Set(sides).size, 2);
      for (let key = 0; key < 100; key++) {
        assert.equal(ask({ ...facts(key), clientAddress: `198.51.100.${key}` }), sides[key]);
      }
    };
    spread({ by: 'identity' }, (key) => ({ identity: { id: `user-${key}` } }));
    spread({ by: 'consumer' }, (key) => ({ identity: { id: 'x', consumer: `acme-${key}` } }));
    spread({ by: { cookie: 'sid' } }, (key) => ({ headers: [['cookie', `a=1; sid=${key}`]] }));
  });
});

describe('a forced side', () => {
  const force = { header: 'x-canary' };

  test('is taken when it is one', () => {
    const ask = splitter({ orders: 1_000_000, next: 1 }, { force });
    assert.equal(ask({ headers: [['x-canary', 'next']] }), 'next');
    const byCookie = splitter({ orders: 1_000_000, next: 1 }, { ...byTenant, force: { cookie: 'canary' } });
    assert.equal(byCookie({ headers: [['cookie', 'canary=next']] }), 'next');
  });

  test('is not when it is none, or has no weight', () => {
    const ask = splitter({ orders: 1, next: 0 }, { force });
    for (const wish of ['next', 'other', '', '__proto__']) {
      assert.equal(ask({ headers: [['x-canary', wish]] }), 'orders');
    }
  });
});

test('a side without weight gets nothing', () => {
  for (const document of [{}, byTenant]) {
    const ask = splitter({ none: 0, a: 1, nil: 0, b: 1 }, document);
    const asked = new Set(Array.from({ length: 500 }, (_, key) => ask(tenant(key))));
    assert.deepEqual([...asked].sort(), ['a', 'b']);
  }
});
