import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf } from '../../test/support/policy.ts';
import { response } from './response.ts';

test('headers of every response are changed', () => {
  const policy = compilePolicy(response, {
    headers: {
      set: { 'x-route': '{route.name}', 'x-user': '{identity.id}' },
      add: { vary: 'x-tenant' },
      remove: 'via',
      rename: { 'x-count': 'x-total' },
    },
  });
  const { headers } = policy.response(exchangeOf(), [
    ['via', 'x'],
    ['vary', 'accept'],
    ['x-count', '3'],
    ['x-user', 'of the service'],
  ]);
  const value = (name: string) => fieldValue(headers, name);
  assert.equal(value('x-route'), 'GET /v1/orders/{id}');
  assert.equal(value('x-user'), null);
  assert.equal(value('vary'), 'accept, x-tenant');
  assert.equal(value('via'), null);
  assert.equal(value('x-total'), '3');
});

test('framing stays the codec’s', () => {
  assert.equal(problemsOf(response, { headers: { set: { 'content-length': '1' } } }).length, 1);
  assert.deepEqual(problemsOf(response, { headers: { set: { host: 'fine in a response' } } }), []);
});
