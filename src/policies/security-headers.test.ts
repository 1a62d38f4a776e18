import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf } from '../../test/support/policy.ts';
import { securityHeaders } from './security-headers.ts';

function answer(options: unknown, scheme: 'http' | 'https' = 'https', upstream: [string, string][] = []) {
  const { headers } = compilePolicy(securityHeaders, options).response(exchangeOf({ scheme }), upstream);
  return (name: string) => fieldValue(headers, name);
}

test('safe defaults', () => {
  const value = answer(true);
  assert.equal(value('strict-transport-security'), 'max-age=31536000');
  assert.equal(value('x-content-type-options'), 'nosniff');
  assert.equal(value('x-frame-options'), 'SAMEORIGIN');
  assert.equal(value('content-security-policy'), "frame-ancestors 'self'");
  assert.equal(value('referrer-policy'), 'strict-origin-when-cross-origin');
  assert.equal(value('permissions-policy'), null);
});

test('transport security only where there is some', () => {
  assert.equal(answer(true, 'http')('strict-transport-security'), null);
  assert.equal(answer(true, 'http')('x-content-type-options'), 'nosniff');
  const strict = { strictTransportSecurity: { maxAge: '730d', includeSubDomains: true, preload: true } };
  assert.equal(answer(strict)('strict-transport-security'), 'max-age=63072000; includeSubDomains; preload');
  assert.equal(answer({ strictTransportSecurity: false })('strict-transport-security'), null);
});

test('what runs behind is not told', () => {
  const upstream: [string, string][] = [
    ['server', 'x/1'],
    ['x-powered-by', 'y'],
    ['X-AspNet-Version', '4'],
  ];
  const value = answer(true, 'http', upstream);
  for (const name of ['server', 'x-powered-by', 'x-aspnet-version']) assert.equal(value(name), null);
  assert.equal(answer({ hideServer: false }, 'http', upstream)('server'), 'x/1');
});

test('a service’s own value wins unless it is to be replaced', () => {
  const upstream: [string, string][] = [['X-Frame-Options', 'DENY']];
  assert.equal(answer(true, 'http', upstream)('x-frame-options'), 'DENY');
  assert.equal(answer({ replace: true }, 'http', upstream)('x-frame-options'), 'SAMEORIGIN');
  assert.equal(answer({ frameOptions: false, replace: true }, 'http', upstream)('x-frame-options'), 'DENY');
});

test('a value is one line', () => {
  assert.equal(problemsOf(securityHeaders, { referrerPolicy: 'a\r\nb: c' }).length, 1);
});
