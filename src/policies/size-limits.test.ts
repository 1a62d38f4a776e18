import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import { sizeLimits } from './size-limits.ts';

test('a body limit is the executor’s, who sees the bytes', () => {
  const policy = compilePolicy(sizeLimits, { body: '1KiB' });
  assert.equal(policy.hooks[0]?.maxBody, 1024);
  assert.equal(policy.hooks[0]?.request, undefined);
});

test('targets and heads', () => {
  const ask = (options: object, exchange = exchangeOf({ target: '/abc?d=1' })) =>
    refusal(compilePolicy(sizeLimits, options).request(exchange));
  assert.equal(ask({ target: '8B' }), null);
  assert.equal(ask({ target: '7B' }), errors.uriTooLong);
  const exchange = exchangeOf();
  const headers = new HeaderBlock();
  headers.reset('GET / HTTP/1.1\r\na: b\r\nc: d\r\n\r\n');
  headers.receive(0, 16, 17, 19, 20, false);
  headers.receive(0, 22, 23, 25, 26, false);
  exchange.headers = headers;
  assert.equal(ask({ fields: 2 }, exchange), null);
  assert.equal(ask({ fields: 1 }, exchange), errors.headersTooLarge);
  assert.equal(ask({ head: '30B' }, exchange), null);
  assert.equal(ask({ head: '29B' }, exchange), errors.headersTooLarge);
});

test('report lets pass and counts, bodies by what has arrived', () => {
  const policy = compilePolicy(sizeLimits, { body: '10B', target: '1B', report: true });
  assert.equal(policy.hooks[0]?.maxBody, undefined);
  const exchange = exchangeOf();
  assert.equal(policy.request(exchange), null);
  exchange.requestBytes = 11;
  policy.done(exchange);
  assert.equal(exchange.reported, 2);
  assert.deepEqual(
    policy.lines.map((line) => (JSON.parse(line) as { code: string }).code),
    ['uri_too_long', 'body_too_large'],
  );
});

test('limiting nothing is a mistake', () => {
  assert.deepEqual(problemsOf(sizeLimits, { report: true }), ['Add `body`, `head`, `fields` or `target`.']);
});
