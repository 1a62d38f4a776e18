import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { request } from './request.ts';

function rewritten(options: unknown, facts: ExchangeFacts = {}, parameters: string[] = []) {
  const policy = compilePolicy(request, options, { parameters });
  assert.deepEqual(policy.problems, []);
  const exchange = exchangeOf(facts);
  assert.equal(policy.request(exchange), null);
  return exchange;
}

test('headers are set, added, renamed and removed', () => {
  const options = {
    headers: {
      set: { 'X-User-Id': '{identity.id}', 'x-version': 2, 'x-off': false },
      add: { 'x-tag': ['a', '{client.ip}'] },
      rename: { 'x-old': 'x-new', 'x-none': 'x-nothing' },
      remove: ['cookie', 'x-debug'],
    },
  };
  const headers: [string, string][] = [
    ['x-user-id', 'spoofed'],
    ['X-User-ID', 'again'],
    ['x-tag', 'theirs'],
    ['x-old', 'value'],
    ['cookie', 'a=b'],
    ['x-off', 'stays'],
  ];
  const exchange = rewritten(options, { headers, identity: { id: 'zoë' } });
  const value = (name: string) => fieldValue(exchange.headers, name);
  assert.equal(value('x-user-id'), 'zo\xc3\xab');
  assert.equal(value('x-version'), '2');
  assert.equal(value('x-tag'), 'theirs, a, 192.0.2.1');
  assert.equal(value('x-new'), 'value');
  assert.equal(value('x-old'), null);
  assert.equal(value('x-nothing'), null);
  assert.equal(value('cookie'), null);
  assert.equal(value('x-off'), 'stays');
  assert.equal(exchange.upstreamTarget, null);
});

test('without a value not even the client’s own field gets through', () => {
  const options = { headers: { set: { 'x-user-id': '{identity.id}' }, add: { 'x-more': '{query.q}' } } };
  const exchange = rewritten(options, { headers: [['x-user-id', 'admin']] });
  assert.equal(fieldValue(exchange.headers, 'x-user-id'), null);
  assert.equal(fieldValue(exchange.headers, 'x-more'), null);
});

test('a path keeps the query, unless it brings its own', () => {
  const facts = { target: '/v1/orders/7?a=%41&b', parameters: ['7'] };
  assert.equal(rewritten({ path: '/orders/{path.id}' }, facts, ['id']).upstreamTarget, '/orders/7?a=%41&b');
  assert.equal(rewritten({ path: '/o?id={path.id}' }, facts, ['id']).upstreamTarget, '/o?id=7');
  const rest = { target: '/legacy/a/b%20c', parameters: ['a/b%20c'] };
  assert.equal(rewritten({ path: '/v2/{path.rest}' }, rest, ['rest']).upstreamTarget, '/v2/a/b%20c');
});

test('single parameters change, the rest stays as it was sent', () => {
  const query = {
    set: { version: 2, tenant: '{header.x-tenant}', gone: '{header.x-none}', raw: true },
    remove: 'debug',
  };
  const facts: ExchangeFacts = {
    target: '/a?x=%41+&version=1&version=0&debug=1&gone=1&y',
    headers: [['x-tenant', 'a&b=c']],
  };
  assert.equal(rewritten({ query }, facts).upstreamTarget, '/a?x=%41+&y&version=2&tenant=a%26b%3Dc&raw=true');
  assert.equal(rewritten({ query: { remove: ['a', 'b'] } }, { target: '/x?a=1&b=2' }).upstreamTarget, '/x');
});

test('a path that misses a value, or would climb, is 400', () => {
  const policy = compilePolicy(request, { path: '/users/{query.id}' });
  for (const target of ['/a', '/a?id=', '/a?id=..', '/a?id=../admin', '/a?id=%2e%2e%2fadmin', '/a?id=a%5c..']) {
    const exchange = exchangeOf({ target });
    assert.equal(refusal(policy.request(exchange)), errors.missingValue, target);
    assert.equal(exchange.upstreamTarget, null);
  }
});

test('the path sees the fields as the client sent them', () => {
  const options = { path: '/{header.x-a}', headers: { set: { 'x-a': 'ours' } } };
  assert.equal(rewritten(options, { headers: [['x-a', 'theirs']] }).upstreamTarget, '/theirs');
});

test('what has to be known first is declared', () => {
  const { hooks } = compilePolicy(request, {
    headers: { set: { a: '{identity.id}', b: '{request.id}', c: '{identity.plan}' } },
  });
  assert.deepEqual(hooks[0]?.reads, ['identity', 'requestId']);
  assert.deepEqual(compilePolicy(request, {}).hooks, []);
  assert.deepEqual(compilePolicy(request, { headers: { set: { a: false } } }).hooks, []);
});

test('fields of the connection are nobody’s to set', () => {
  const names = [
    'Content-Length',
    'transfer-encoding',
    'connection',
    'TE',
    'upgrade',
    'keep-alive',
    'trailer',
    'expect',
  ];
  for (const name of names) {
    assert.deepEqual(problemsOf(request, { headers: { set: { [name]: 'x' } } }), ['Leave it to the gateway.'], name);
    assert.equal(problemsOf(request, { headers: { add: { [name]: 'x' } } }).length, 1, name);
    assert.equal(problemsOf(request, { headers: { remove: name } }).length, 1, name);
    assert.equal(problemsOf(request, { headers: { rename: { 'x-a': name } } }).length, 1, name);
    assert.equal(problemsOf(request, { headers: { rename: { [name]: 'x-a' } } }).length, 1, name);
  }
  assert.deepEqual(problemsOf(request, { headers: { set: { host: 'x' } } }), [
    'Set `hostHeader` of the upstream instead.',
  ]);
  assert.equal(problemsOf(request, { headers: { set: { 'a b': 'x' } } }).length, 1);
});

test('problems of templates are reported where they stand', () => {
  const { problems } = compilePolicy(request, {
    path: '/{path.nope}',
    headers: { set: { 'x-a': '{nope.x}' }, add: { 'x-b': ['ok', '{nope.y}'] } },
    query: { set: { q: '{' } },
  });
  assert.deepEqual(
    problems.map(({ path }) => path.join('.')),
    ['headers.set.x-a', 'headers.add.x-b.1', 'path', 'query.set.q'],
  );
});
