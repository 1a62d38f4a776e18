import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue } from '../../test/support/policy.ts';
import { requestId } from './request-id.ts';

const given = (id: string, trusted = true) => exchangeOf({ headers: [['x-request-id', id]], peer: { trusted } });

test('every request gets an id of its own, told to the service and the client', () => {
  const policy = compilePolicy(requestId, true);
  const [one, two] = [exchangeOf(), exchangeOf()];
  assert.equal(policy.request(one), null);
  policy.request(two);
  assert.match(one.id, /^[0-9a-f]{32}$/);
  assert.notEqual(one.id, two.id);
  assert.equal(fieldValue(one.headers, 'x-request-id'), one.id);
  assert.equal(fieldValue(policy.response(one, [['x-request-id', 'upstream']]).headers, 'x-request-id'), one.id);
  assert.deepEqual(policy.hooks[0]?.writes, ['requestId']);
});

test('a trusted proxy’s id is kept when it is well formed', () => {
  const policy = compilePolicy(requestId, true);
  for (const id of ['abc-123', 'A.b_c~d:/+=@', 'x'.repeat(128)]) {
    const exchange = given(id);
    policy.request(exchange);
    assert.equal(exchange.id, id);
  }
  for (const id of ['', 'a b', 'a"b', 'a,b', 'é', 'a\tb', '{x}', 'a;b', 'x'.repeat(129), 'a[b', 'a`b']) {
    const exchange = given(id);
    policy.request(exchange);
    assert.match(exchange.id, /^[0-9a-f]{32}$/, id);
    assert.equal(fieldValue(exchange.headers, 'x-request-id'), exchange.id);
  }
  const twice = exchangeOf({
    headers: [
      ['x-request-id', 'a'],
      ['x-request-id', 'b'],
    ],
    peer: { trusted: true },
  });
  policy.request(twice);
  assert.match(twice.id, /^[0-9a-f]{32}$/);
});

test('whose ids are kept', () => {
  const idBy = (accept: string, trusted: boolean) => {
    const exchange = given('theirs', trusted);
    compilePolicy(requestId, { accept }).request(exchange);
    return exchange.id === 'theirs';
  };
  assert.deepEqual([idBy('trusted', true), idBy('trusted', false)], [true, false]);
  assert.deepEqual([idBy('always', true), idBy('always', false)], [true, true]);
  assert.deepEqual([idBy('never', true), idBy('never', false)], [false, false]);
});

test('another name, and silence to the client', () => {
  const policy = compilePolicy(requestId, { header: 'X-Correlation-Id', respond: false });
  const exchange = exchangeOf();
  policy.request(exchange);
  assert.equal(fieldValue(exchange.headers, 'x-correlation-id'), exchange.id);
  assert.equal(fieldValue(policy.response(exchange).headers, 'x-correlation-id'), null);
});
