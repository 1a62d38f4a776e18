import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { ipRules } from './ip-rules.ts';

function enters(options: object, clientAddress: string): boolean {
  const reply = compilePolicy(ipRules, options).request(exchangeOf({ clientAddress }));
  if (reply !== null) assert.equal(refusal(reply), errors.accessDenied);
  return reply === null;
}

test('allow lets in only whom it names, deny keeps out whom it names', () => {
  assert.equal(enters({ allow: '10.0.0.0/8' }, '10.1.2.3'), true);
  assert.equal(enters({ allow: '10.0.0.0/8' }, '192.0.2.1'), false);
  assert.equal(enters({ deny: ['192.0.2.0/24', '2001:db8::/32'] }, '10.1.2.3'), true);
  assert.equal(enters({ deny: ['192.0.2.0/24', '2001:db8::/32'] }, '2001:db8::7'), false);
  assert.equal(enters({ allow: '10.0.0.0/8', deny: '10.6.6.6' }, '10.6.6.6'), false);
  assert.equal(enters({ deny: '192.0.2.0/24' }, '::ffff:192.0.2.9'), false, 'the other spelling');
});

test('a client whose address nobody knows is not among the allowed', () => {
  assert.equal(enters({ allow: ['0.0.0.0/0', '::/0'] }, ''), false);
  assert.equal(enters({ deny: '192.0.2.0/24' }, ''), true);
});

test('an empty allow list lets nobody in', () => {
  assert.equal(enters({ allow: [] }, '10.0.0.1'), false);
});

test('report lets pass, counts and logs', () => {
  const policy = compilePolicy(ipRules, { deny: '192.0.2.0/24', report: true });
  const exchange = exchangeOf({ clientAddress: '192.0.2.9', target: '/a"b' });
  assert.equal(policy.request(exchange), null);
  assert.equal(exchange.reported, 1);
  const [line = ''] = policy.lines;
  const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-/);
  assert.deepEqual(rest, {
    event: 'reported',
    policy: 'ipRules',
    code: 'access_denied',
    status: 403,
    route: 'GET /v1/orders/{id}',
    method: 'GET',
    path: '/a"b',
    client: '192.0.2.9',
  });
});

test('wrong lists say what to write', () => {
  assert.deepEqual(problemsOf(ipRules, {}), ['Add `allow` or `deny`.']);
  assert.deepEqual(problemsOf(ipRules, { deny: ['10.0.0.1/8'] }), [
    'Write `10.0.0.0/8`, or `10.0.0.1` for the one address.',
  ]);
});
