import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { createLocalJWKSet, type JWTVerifyResult, jwtVerify } from 'jose';
import { exchangeOf } from '../../test/support/exchange.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import { compilePolicy, fieldValue, problemsOf, refusal } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { Supervised } from '../plan/policy.ts';
import { MemoryRecords } from '../stores/memory-records.ts';
import { identityToken } from './identity-token.ts';
import { PUBLIC_KEYS_FEED, type PublicKey, SIGNING_KEY_FEED } from './signing/signing-key.ts';

const running: Supervised[] = [];
after(() => {
  for (const each of running) void each.close();
});

/** The main thread's side and a worker's. */
async function open(given: unknown = true) {
  const feeds = new TestFeeds();
  const parsed = identityToken.schema.parse(given);
  const reports: (() => unknown)[] = [];
  const work = identityToken.supervise?.(parsed, {
    feed: (name, answer) => feeds.find(name, answer),
    records: new MemoryRecords(() => undefined),
    stateDirectory: null,
    problem: () => undefined,
    report: (read) => reports.push(read),
  });
  assert.ok(work !== undefined);
  running.push(work);
  await work.settled;
  const policy = compilePolicy(identityToken, given, {}, feeds);
  const keys = [...feeds.find<PublicKey>(PUBLIC_KEYS_FEED).entries()].map(([, key]) => key);
  const verify = (token: string): Promise<JWTVerifyResult> => jwtVerify(token, createLocalJWKSet({ keys }));
  return { policy, feeds, verify, reports };
}

function caller(identity: Partial<Identity> = {}, headers: [string, string][] = []): Exchange {
  return exchangeOf({ identity: { id: 'alice', ...identity }, headers });
}

function token(exchange: Exchange, header = 'x-identity-token'): string {
  return fieldValue(exchange.headers, header) ?? '';
}

describe('what it says', () => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    test(`${algorithm}: anybody with the published keys can verify it`, async () => {
      const { policy, verify } = await open({ algorithm });
      const exchange = caller();
      assert.equal(policy.request(exchange), null);
      const { payload, protectedHeader } = await verify(token(exchange));
      assert.equal(protectedHeader.alg, algorithm);
      assert.equal(payload.sub, 'alice');
    });
  }

  test('who calls, for whom, and for how long', async () => {
    const { policy, verify } = await open({ issuer: 'https://gw.example', audience: ['orders', 'stock'], ttl: '90s' });
    const exchange = caller({ scopes: ['a', 'b'], roles: ['r'], groups: ['g'], consumer: 'acme', plan: 'gold' });
    policy.request(exchange);
    const { iat = 0, exp, jti, ...rest } = (await verify(token(exchange))).payload;
    assert.equal(exp, iat + 90);
    assert.match(String(jti), /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, {
      iss: 'https://gw.example',
      sub: 'alice',
      aud: ['orders', 'stock'],
      scope: 'a b',
      roles: ['r'],
      groups: ['g'],
      consumer: 'acme',
      plan: 'gold',
      method: 'customer',
    });
  });

  test('what there is not is left out, one audience is text', async () => {
    const { policy, verify } = await open({ audience: 'orders' });
    const exchange = caller();
    policy.request(exchange);
    const { payload } = await verify(token(exchange));
    assert.deepEqual(Object.keys(payload).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'method', 'sub']);
    assert.equal(payload.aud, 'orders');
  });

  test('chosen claims, and of those only what the credential has', async () => {
    const { policy, verify } = await open({ claims: ['email', 'tenant', 'constructor'] });
    const exchange = caller({ claims: { email: 'a@b.example', tenant: { id: 7 }, secret: 'x' } });
    policy.request(exchange);
    const { payload } = await verify(token(exchange));
    assert.deepEqual([payload.email, payload.tenant, payload.secret], ['a@b.example', { id: 7 }, undefined]);
    assert.equal(Object.hasOwn(payload, 'constructor'), false);
  });

  test('a claim cannot pass for one of the gateway', () => {
    assert.deepEqual(problemsOf(identityToken, { claims: ['email', 'sub'] }), ['Leave it out.']);
  });
});

describe('where it stands', () => {
  test('in its field alone, whatever the client sent there', async () => {
    const { policy } = await open();
    const exchange = caller({}, [
      ['X-Identity-Token', 'forged'],
      ['x-identity-token', 'again'],
    ]);
    policy.request(exchange);
    assert.equal(token(exchange).split('.').length, 3);
    assert.doesNotMatch(token(exchange), /forged|again/);
  });

  test('a caller without an identity has none', async () => {
    const { policy } = await open();
    const exchange = exchangeOf({ headers: [['x-identity-token', 'forged']] });
    assert.equal(policy.request(exchange), null);
    assert.equal(fieldValue(exchange.headers, 'x-identity-token'), null);
  });

  test('behind a scheme where one is usual or wanted', async () => {
    for (const [options, header, prefix] of [
      [{ header: 'authorization' }, 'authorization', 'Bearer '],
      [{ header: 'Authorization', scheme: 'DPoP' }, 'authorization', 'DPoP '],
      [{ header: 'x-token', scheme: 'JWT' }, 'x-token', 'JWT '],
      [{ header: 'x-token' }, 'x-token', 'ey'],
    ] as const) {
      const { policy } = await open(options);
      const exchange = caller();
      policy.request(exchange);
      assert.ok(token(exchange, header).startsWith(prefix));
      assert.deepEqual(identityToken.identityFields?.(identityToken.schema.parse(options)), [header]);
    }
    assert.equal(problemsOf(identityToken, { header: 'host' }).length, 1);
  });
});

describe('how it is made', () => {
  test('once for a caller, and for each caller another', async () => {
    const { policy } = await open();
    const first = caller();
    const same = exchangeOf();
    same.identity = first.identity;
    const other = caller();
    for (const exchange of [first, same, other]) policy.request(exchange);
    assert.equal(token(first), token(same));
    assert.notEqual(token(first), token(other));
  });

  test('anew when half of its time is over, or the clock was set back', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const { policy } = await open({ ttl: '60s' });
    const exchange = caller();
    policy.request(exchange);
    const first = token(exchange);
    t.mock.timers.tick(29_000);
    policy.request(exchange);
    assert.equal(token(exchange), first);
    t.mock.timers.tick(2_000);
    policy.request(exchange);
    const second = token(exchange);
    assert.notEqual(second, first);
    t.mock.timers.setTime(Date.now() - 3_600_000);
    policy.request(exchange);
    assert.notEqual(token(exchange), second);
  });

  test('without a key the request waits for better times', () => {
    const policy = compilePolicy(identityToken, true);
    assert.equal(refusal(policy.request(caller())), errors.identityUnavailable);
    assert.equal(policy.request(exchangeOf()), null, 'which do not concern those without identity');
  });

  test('private halves are published to sign with and nowhere else', async () => {
    const { feeds, reports } = await open();
    assert.match(JSON.stringify([...feeds.find(SIGNING_KEY_FEED).entries()]), /"d":/);
    assert.doesNotMatch(JSON.stringify([...feeds.find(PUBLIC_KEYS_FEED).entries()]), /"d":/);
    assert.doesNotMatch(JSON.stringify(reports.map((read) => read())), /"d":/);
  });
});
