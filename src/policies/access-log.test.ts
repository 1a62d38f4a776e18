import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExchangeFacts, exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { CredentialNames } from '../plan/identifier.ts';
import { accessLog } from './access-log.ts';

function finished(facts: ExchangeFacts = {}, more: Partial<Exchange> = {}): Exchange {
  return Object.assign(exchangeOf(facts), { status: 200, startedAt: 1000, endedAt: 1012.3456, ...more });
}

function logged(options: unknown, exchange: Exchange, credentials?: CredentialNames): Record<string, unknown> | null {
  const policy = compilePolicy(accessLog, options, {}, undefined, credentials);
  policy.done(exchange);
  assert.ok(policy.lines.length <= 1);
  const [line] = policy.lines;
  if (line === undefined) return null;
  assert.match(line, /^[^\n]+\n$/, 'one whole line');
  return JSON.parse(line) as Record<string, unknown>;
}

test('the usual fields', () => {
  const exchange = finished(
    { target: '/v1/orders/7?page=2', headers: [['user-agent', 'curl/8 "x"']], identity: { id: 'zoë' } },
    {
      id: 'abc',
      upstream: 'orders',
      upstreamAddress: '127.0.0.1:4002',
      upstreamStartedAt: 1001,
      upstreamEndedAt: 1011.25,
      attempts: 2,
      requestBytes: 5,
      responseBytes: 1_234_567,
    },
  );
  const { time, ...rest } = logged(true, exchange) ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    requestId: 'abc',
    gateway: 'web',
    route: 'GET /v1/orders/{id}',
    method: 'GET',
    host: 'shop.example',
    path: '/v1/orders/7',
    query: 'page=2',
    status: 200,
    requestBytes: 5,
    responseBytes: 1_234_567,
    duration: 12.346,
    gatewayTime: 2.096,
    upstreamTime: 10.25,
    client: '192.0.2.1',
    userAgent: 'curl/8 "x"',
    upstream: 'orders',
    upstreamAddress: '127.0.0.1:4002',
    attempts: 2,
    identity: 'zoë',
    auth: 'customer',
  });
});

test('what did not happen is not in the line', () => {
  const line = logged(true, finished({}, { error: errors.clientClosed, status: 499 }));
  assert.equal(line?.error, 'client_closed_request');
  for (const name of [
    'requestId',
    'query',
    'upstream',
    'upstreamTime',
    'attempts',
    'identity',
    'userAgent',
    'reported',
  ]) {
    assert.equal(Object.hasOwn(line ?? {}, name), false, name);
  }
});

test('credentials are never written', () => {
  const secret = 'hunter2';
  const names = ['authorization', 'cookie', 'proxy-authorization', 'x-api-key', 'x-session'];
  const exchange = finished({
    target: `/a?token=${secret}&ACCESS_TOKEN=${secret}&co%64e=${secret}&email=${secret}&page=2&bare`,
    headers: [...names.map((name): [string, string] => [name, secret]), ['x-tenant', 'acme']],
  });
  const policy = compilePolicy(accessLog, {
    headers: [...names, 'x-tenant'],
    responseHeaders: ['set-cookie', 'x-total'],
    redactQuery: 'Email',
    redactHeaders: 'X-Session',
  });
  policy.response(exchange, [
    ['set-cookie', secret],
    ['x-total', '3'],
  ]);
  policy.done(exchange);
  const [text = ''] = policy.lines;
  assert.equal(text.includes(secret), false);
  const line = JSON.parse(text) as Record<string, Record<string, string>>;
  assert.equal(line.query, 'token=[redacted]&ACCESS_TOKEN=[redacted]&co%64e=[redacted]&email=[redacted]&page=2&bare');
  assert.deepEqual(line.headers, {
    ...Object.fromEntries(names.map((name) => [name, '[redacted]'])),
    'x-tenant': 'acme',
  });
  assert.deepEqual(line.responseHeaders, { 'set-cookie': '[redacted]', 'x-total': '3' });
});

test('whatever a client sends, a line stays one line of JSON', () => {
  const hostile = 'a"b\\c\x01\x7f\xc3\xa9\xff\u2028';
  const line = logged(
    { headers: ['x-a'], fields: ['userAgent'] },
    finished({
      headers: [
        ['user-agent', hostile],
        ['x-a', hostile],
      ],
    }),
  );
  assert.ok(String(line?.userAgent).startsWith('a"b\\c\x01\x7fé'));
  assert.deepEqual(line?.headers, { 'x-a': line?.userAgent });
  assert.deepEqual(logged({ fields: ['error'], headers: 'x-a' }, finished({ headers: [['x-a', 'b']] })), {
    headers: { 'x-a': 'b' },
  });
  assert.deepEqual(logged({ fields: [] }, finished()), {});
});

test('long values are cut', () => {
  const line = logged(true, finished({ target: `/${'x'.repeat(5000)}?q=${'y'.repeat(5000)}` }));
  assert.equal(String(line?.path).length, 1025);
  assert.ok(String(line?.query).endsWith('y…'));
});

test('fields in the order asked for', () => {
  const policy = compilePolicy(accessLog, { fields: ['status', 'scheme', 'protocol', 'path'] });
  policy.done(finished());
  assert.deepEqual(policy.lines, ['{"status":200,"scheme":"http","protocol":"HTTP/1.1","path":"/v1/orders/7"}\n']);
});

test('failures are always written, the rest by share and status', () => {
  const none = { sample: '0%' };
  assert.equal(logged(none, finished()), null);
  assert.equal(logged(none, finished({}, { status: 404 })), null);
  assert.notEqual(logged(none, finished({}, { status: 502 })), null);
  assert.notEqual(logged(none, finished({}, { error: errors.clientClosed })), null);
  assert.equal(logged({ minStatus: 400 }, finished()), null);
  assert.notEqual(logged({ minStatus: 400 }, finished({}, { status: 404 })), null);
});

test('a file of its own', () => {
  const policy = compilePolicy(accessLog, { to: '/var/log/a.log' });
  policy.done(finished());
  assert.equal(policy.lines.length, 0);
  assert.equal(policy.files.get('/var/log/a.log')?.length, 1);
});

test('credentials of `auth` are never shown, wherever its entries have them', () => {
  const exchange = finished({
    target: '/v1/orders/7?Ticket=abc&page=2',
    headers: [
      ['x-partner-key', 'k'],
      ['x-tenant', 't'],
    ],
  });
  const credentials = { headers: ['x-partner-key'], parameters: ['ticket'] };
  const line = logged({ headers: ['x-partner-key', 'x-tenant'] }, exchange, credentials);
  assert.equal(line?.query, 'Ticket=[redacted]&page=2');
  assert.deepEqual(line?.headers, { 'x-partner-key': '[redacted]', 'x-tenant': 't' });
});

test('nor in the address that a request came from or is sent to', () => {
  const exchange = finished({ headers: [['referer', 'https://shop.example/a?ticket=abc&page=2']] });
  const options = { fields: 'referer', headers: 'referer', responseHeaders: 'location' };
  const credentials = { headers: [], parameters: ['ticket'] };
  const policy = compilePolicy(accessLog, options, {}, undefined, credentials);
  policy.response(exchange, [['location', '/b?ticket=abc#top']]);
  policy.done(exchange);
  assert.deepEqual(JSON.parse(policy.lines[0] ?? ''), {
    referer: 'https://shop.example/a?ticket=[redacted]&page=2',
    headers: { referer: 'https://shop.example/a?ticket=[redacted]&page=2' },
    responseHeaders: { location: '/b?ticket=[redacted]' },
  });
});
