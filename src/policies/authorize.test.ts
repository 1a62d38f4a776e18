import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { Authentication } from '../plan/identifier.ts';
import { Reply } from '../plan/reply.ts';
import { authorize } from './authorize.ts';

function authentication(challenge: string | null): Authentication {
  const fields: [string, string][] = challenge === null ? [] : [['www-authenticate', challenge]];
  return {
    invite: () => Reply.refuse(errors.credentialMissing, null, HeaderBlock.of(fields)),
    challengeOf: (entry) => (entry === 'customer' ? challenge : null),
  };
}

function caller(identity: Partial<Identity> | null, challenge: string | null = 'Bearer realm="shop"'): Exchange {
  const exchange = exchangeOf({ parameters: ['42'], ...(identity !== null && { identity }) });
  exchange.authentication = authentication(challenge);
  return exchange;
}

function ask(options: unknown, exchange: Exchange) {
  const { hooks, problems, request } = compilePolicy(authorize, options, { parameters: ['id'] });
  assert.deepEqual(problems, []);
  assert.ok(hooks[0]?.reads?.includes('identity'));
  const reply = request(exchange);
  return {
    code: refusal(reply)?.code ?? null,
    challenge: reply && fieldValue(reply.headers, 'www-authenticate'),
    reply,
  };
}

const passes = (options: unknown, identity: Partial<Identity>) => ask(options, caller(identity)).code === null;

describe('authorize', () => {
  test('scopes: all of them', () => {
    const options = { scopes: ['users:read', 'users:write'] };
    assert.ok(passes(options, { scopes: ['users:write', 'x', 'users:read'] }));
    assert.ok(!passes(options, { scopes: ['users:read'] }));
    assert.ok(!passes({ scopes: 'users:read' }, { scopes: ['users:read:all', 'USERS:READ'] }));
  });

  test('anyScope, roles, groups, consumers: one of them', () => {
    assert.ok(passes({ anyScope: ['a', 'b'] }, { scopes: ['b'] }));
    assert.ok(!passes({ anyScope: ['a', 'b'] }, { scopes: ['c'] }));
    assert.ok(passes({ roles: ['a', 'b'] }, { roles: ['b'] }));
    assert.ok(!passes({ roles: ['a'] }, { roles: [], groups: ['a'], scopes: ['a'] }));
    assert.ok(passes({ groups: 'partners' }, { groups: ['partners'] }));
    assert.ok(!passes({ groups: 'partners' }, { groups: [] }));
    assert.ok(passes({ consumers: ['acme'] }, { consumer: 'acme' }));
    assert.ok(!passes({ consumers: ['acme'] }, { consumer: null, id: 'acme' }));
  });

  test('claims by name and path, values of the same type', () => {
    const claims = { tier: 'gold', level: 3, 'x.y': 1, org: { id: 'a' }, amr: ['pwd', 'otp'], odd: { a: 1 } };
    const fits = (wanted: unknown) => passes({ claims: wanted }, { claims });
    assert.ok(fits({ tier: 'gold', level: 3, 'org.id': ['b', 'a'], 'x.y': 1, '/org/id': 'a' }));
    assert.ok(fits({ amr: 'otp' }));
    assert.ok(!fits({ amr: 'sms' }));
    assert.ok(!fits({ level: '3' }));
    assert.ok(!fits({ tier: 'gold', org: 'a' }));
    assert.ok(!fits({ constructor: 'a' }));
    assert.ok(!fits({ odd: '[object Object]' }));
    assert.ok(fits({ tier: { regex: 'g.ld' } }));
    assert.ok(!fits({ tier: { regex: 'g' } }), 'the whole text');
    assert.ok(!fits({ level: { regex: '3' } }), 'a number is no text');
    assert.ok(!passes({ claims: { long: { regex: 'a*' } } }, { claims: { long: 'a'.repeat(10_000) } }));
  });

  test('require: all conditions', () => {
    const own = "identity.id == path.id || 'admin' in identity.roles";
    assert.ok(passes({ require: own }, { id: '42' }));
    assert.ok(passes({ require: own }, { id: '7', roles: ['admin'] }));
    assert.ok(!passes({ require: own }, { id: '7' }));
    assert.ok(!passes({ require: [own, "request.method == 'POST'"] }, { id: '42' }));
  });

  test('everything that is named must hold', () => {
    const options = { scopes: 'a', roles: 'b', require: "identity.id == '1'" };
    assert.ok(passes(options, { id: '1', scopes: ['a'], roles: ['b'] }));
    assert.ok(!passes(options, { id: '1', scopes: ['a'] }));
    assert.ok(!passes(options, { id: '2', scopes: ['a'], roles: ['b'] }));
  });
});

describe('what a refusal says', () => {
  test('nobody has identified: 401 with the challenges of the route', () => {
    const { code, challenge, reply } = ask({ scopes: 'a' }, caller(null));
    assert.deepEqual([code, reply?.status, challenge], ['credential_missing', 401, 'Bearer realm="shop"']);
  });

  test('or the way to a login', () => {
    const exchange = caller(null);
    const login = new Reply(302, HeaderBlock.of([['location', '/login']]), null);
    exchange.authentication = { ...authentication(null), invite: () => login };
    assert.equal(ask({ roles: 'a' }, exchange).reply, login);
  });

  test('nobody could identify: there is nothing to challenge with', () => {
    const { code, challenge } = ask({ roles: 'a' }, exchangeOf());
    assert.deepEqual([code, challenge], ['not_authorized', null]);
  });

  test('a bearer token of too little scope (RFC 6750, 3.1)', () => {
    const options = { scopes: ['users:read', 'users:write'], anyScope: ['x', 'y'] };
    const { code, challenge, reply } = ask(options, caller({ scopes: ['users:read'] }));
    assert.deepEqual([code, reply?.status], ['insufficient_scope', 403]);
    assert.equal(challenge, 'Bearer realm="shop", error="insufficient_scope", scope="users:read users:write x"');
    assert.equal(ask({ scopes: 'a' }, caller({}, 'Bearer')).challenge, 'Bearer error="insufficient_scope", scope="a"');
    assert.equal(reply?.detail, null);
  });

  test('other credentials and other checks get no challenge', () => {
    assert.deepEqual(ask({ scopes: 'a' }, caller({}, null)).challenge, null);
    assert.deepEqual(ask({ scopes: 'a' }, caller({}, 'Basic realm="x"')).challenge, null);
    const { code, challenge } = ask({ scopes: 'a', roles: 'b' }, caller({ scopes: ['a'] }));
    assert.deepEqual([code, challenge], ['not_authorized', null]);
  });

  test('report counts, logs which check it was, and lets pass', () => {
    for (const [identity, detail] of [
      [null, undefined],
      [{ scopes: ['a'] }, 'role b or c'],
    ] as const) {
      const { request, lines } = compilePolicy(authorize, { scopes: 'a', roles: ['b', 'c'], report: true });
      const exchange = caller(identity);
      assert.equal(request(exchange), null);
      assert.equal(exchange.reported, 1);
      assert.equal((JSON.parse(lines[0] ?? '{}') as { detail?: string }).detail, detail);
    }
  });

  test('an explanation names every check, and what there is instead', () => {
    const options = { scopes: 'a', roles: ['b', 'c'], claims: { tier: 'gold' }, require: ["header.x == 'y'", 'true'] };
    const { hooks } = compilePolicy(authorize, options);
    const findings = hooks[0]?.request?.explain?.(caller({ scopes: ['a'], claims: { tier: 'free' } }), true) ?? [];
    assert.deepEqual(findings, [
      { text: 'scopes a', holds: true, path: ['scopes'] },
      { text: 'role b or c: the caller has none', holds: false, path: ['roles'] },
      { text: 'claim tier "gold": the caller has "free"', holds: false, path: ['claims', 'tier'] },
      { text: "condition header.x == 'y': `header.x` is missing", holds: false, path: ['require', 0] },
      { text: 'condition true', holds: true, path: ['require', 1] },
    ]);
  });
});

describe('options', () => {
  test('what asks for nothing is a slip', () => {
    assert.deepEqual(problemsOf(authorize, { report: true }), ['Add `scopes`, `roles`, `require` or another key.']);
    assert.deepEqual(problemsOf(authorize, { roles: [] }), ['Name at least one, or leave it out.']);
    assert.equal(problemsOf(authorize, { scopes: 'a b' }).length, 1);
    assert.equal(problemsOf(authorize, { scopes: 'a"' }).length, 1);
    assert.equal(problemsOf(authorize, { claims: { a: { regex: '(a)\\1' } } }).length, 1);
  });

  test('conditions are checked where they stand', () => {
    const { problems } = compilePolicy(authorize, { require: ['true', "identity.rolez == 'a'"] });
    assert.deepEqual(problems, [{ severity: 'error', code: 'unknown-name', path: ['require', 1] }]);
  });
});
