import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, identifierEnv, type TestIdentifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { fieldValue } from '../../../../test/support/policy.ts';
import { rfcTokens } from '../../../../test/support/rfc-tokens.ts';
import {
  type Part,
  type Signer,
  secondsFromNow,
  secretSigner,
  signer,
  tokenOf,
} from '../../../../test/support/tokens.ts';
import type { Identity } from '../../../plan/exchange.ts';
import type { Identifier } from '../../../plan/identifier.ts';
import { Reply } from '../../../plan/reply.ts';
import { type JwksState, KEYS_FEED, STATE } from '../jwks/jwks-feed.ts';
import { jwt } from './jwt.ts';

const issuer = 'https://login.example';
const rsa = signer('RS256');
const ec = signer('ES256');

function claimsOf(more: object = {}): object {
  return { iss: issuer, aud: 'shop', sub: 'ann', exp: secondsFromNow(600), iat: secondsFromNow(0), ...more };
}

interface Opened {
  readonly identifier: Identifier;
  readonly env: TestIdentifierEnv;
}

function open(options: object, overrides: Parameters<typeof identifierEnv>[0] = {}): Opened {
  const env = identifierEnv(overrides);
  return { identifier: jwt.compile(jwt.schema.parse(options), env), env };
}

/** An entry whose keys are in its options. */
function fixed(options: object = {}, keys: readonly Signer[] = [rsa, ec]): Opened {
  return open({ issuer, audience: 'shop', jwks: { keys: keys.map(({ jwk }) => jwk) }, ...options });
}

function ask(identifier: Identifier, token: string): Identity | Reply | undefined {
  const answer = identifier.identify(exchangeOf({ headers: [['authorization', `Bearer ${token}`]] }));
  assert.ok(!(answer instanceof Promise), 'what needs no key is said at once');
  return answer;
}

function publish(env: TestIdentifierEnv, state: Partial<JwksState>, name: string = STATE): void {
  const whole = { keys: [], obtained: true, failure: null, ...state };
  env.feeds.find<JwksState>(KEYS_FEED).update([[name, whole]]);
}

function publicKeys(...signers: Signer[]): JwksState['keys'] {
  return signers.map(({ jwk }) => jwk as unknown as JwksState['keys'][number]);
}

test('who comes with a good token', () => {
  const { identifier } = open(
    { issuer, jwks: { keys: [rsa.jwk] }, roles: ['roles', 'realm_access.roles'], consumer: ['azp', 'client_id'] },
    { defaultPlan: 'free', consumers: new Map([['acme', consumer({ plan: 'gold', groups: ['partners'] })]]) },
  );
  const claims = claimsOf({
    scope: 'users:read orders:write',
    scp: ['extra'],
    roles: 'clerk',
    realm_access: { roles: ['admin'] },
    groups: ['staff'],
    client_id: 'acme',
  });
  const identity = ask(identifier, tokenOf(rsa, claims));
  assert.deepEqual(identity, {
    id: 'ann',
    method: 'customer',
    consumer: 'acme',
    plan: 'gold',
    scopes: ['users:read', 'orders:write', 'extra'],
    roles: ['clerk', 'admin'],
    groups: ['staff', 'partners'],
    claims,
  });
  assert.equal(identifier.place, 'bearer authorization');
  assert.equal(identifier.challenge, 'Bearer realm="customer"');
});

test('who has no token is somebody else’s matter', () => {
  const { identifier } = fixed();
  assert.equal(identifier.identify(exchangeOf()), undefined);
  assert.equal(identifier.identify(exchangeOf({ headers: [['authorization', 'Basic YTpi']] })), undefined);
});

test('every algorithm of a key is good, unless `algorithms` names others', () => {
  const { identifier } = fixed();
  const narrow = fixed({ algorithms: ['PS256', 'ES256'] }).identifier;
  for (const algorithm of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']) {
    const token = tokenOf({ ...rsa, algorithm }, claimsOf());
    assert.equal(verdict(ask(identifier, token)), 'ann', algorithm);
    assert.equal(verdict(ask(narrow, token)), algorithm === 'PS256' ? 'ann' : 'token_invalid', algorithm);
  }
});

test('secrets, of which several are good while one takes the place of another', () => {
  const [old, next] = [Buffer.from('o'.repeat(32)), Buffer.alloc(64, 0xfe)];
  const { identifier } = open({ secret: [old.toString(), { base64: next.toString('base64') }], algorithms: 'HS256' });
  for (const secret of [old, next]) {
    assert.equal(verdict(ask(identifier, tokenOf(secretSigner('HS256', secret), claimsOf()))), 'ann');
    assert.equal(verdict(ask(identifier, tokenOf(secretSigner('HS384', secret), claimsOf()))), 'token_invalid');
  }
  const other = secretSigner('HS256', Buffer.alloc(32, 1));
  assert.equal(verdict(ask(identifier, tokenOf(other, claimsOf()))), 'token_invalid');
});

test('RFC 7519, 3.1: its example is good but for its age', () => {
  const [{ secret = '', token } = { token: '' }] = rfcTokens;
  const base64 = { secret: { base64: secret }, issuer: 'joe', id: 'iss' };
  assert.equal(verdict(ask(open(base64).identifier, token)), 'token_expired');
});

test('what claims have to say', () => {
  const { identifier } = fixed({ requiredClaims: ['exp', 'tenant'], maxAge: '1h', clockSkew: '10s' });
  const judge = (more: object): string | null =>
    verdict(ask(identifier, tokenOf(ec, claimsOf({ tenant: 1, ...more }))));
  assert.equal(judge({}), 'ann');
  assert.equal(judge({ exp: secondsFromNow(-5) }), 'ann');
  assert.equal(judge({ exp: secondsFromNow(-11) }), 'token_expired');
  assert.equal(judge({ iat: secondsFromNow(-3700) }), 'token_expired');
  const wrong: readonly object[] = [
    { iss: `${issuer}/` },
    { iss: undefined },
    { aud: 'other' },
    { aud: undefined },
    { tenant: undefined },
    { exp: undefined },
    { exp: String(secondsFromNow(600)) },
    { exp: secondsFromNow(600) * 1000 },
    { nbf: secondsFromNow(20) },
    { nbf: '0' },
    { iat: secondsFromNow(20) },
    { iat: undefined },
    { jti: 7 },
    { sub: undefined },
    { sub: '' },
    { sub: ['ann'] },
  ];
  for (const more of wrong) assert.equal(judge(more), 'token_invalid', JSON.stringify(more));
});

test('which types of token are good', () => {
  const judge = (options: object, typ: string | undefined): string | null =>
    verdict(ask(fixed(options).identifier, tokenOf(ec, claimsOf(), { typ })));
  for (const typ of [undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt']) assert.equal(judge({}, typ), 'ann');
  for (const typ of ['logout+jwt', 'dpop+jwt', 'JOSE', '', 'application/x/jwt']) {
    assert.equal(judge({}, typ), 'token_invalid', typ);
  }
  assert.equal(judge({ typ: 'at+jwt' }, 'application/AT+JWT'), 'ann');
  assert.equal(judge({ typ: 'application/at+jwt' }, 'at+jwt'), 'ann');
  for (const typ of [undefined, 'JWT']) assert.equal(judge({ typ: 'at+jwt' }, typ), 'token_invalid');
});

test('refusals say as much as RFC 6750 wants, and no more', () => {
  const { identifier } = fixed();
  const forged = tokenOf(signer('RS256', rsa.kid), claimsOf());
  const wrong: [string, Part][] = [
    ['token_malformed', '{"sub":"ann","sub":"bob"}'],
    ['token_malformed', '[]'],
    ['token_invalid', claimsOf({ aud: 'other' })],
    ['token_expired', claimsOf({ exp: 1 })],
  ];
  const replies = wrong.map(([code, claims]) => [code, ask(identifier, tokenOf(ec, claims))] as const);
  for (const [code, reply] of [...replies, ['token_invalid', ask(identifier, forged)] as const]) {
    assert.ok(reply instanceof Reply);
    assert.equal(reply.error?.code, code);
    assert.equal(reply.status, 401);
    assert.equal(reply.detail, null);
    assert.equal(fieldValue(reply.headers, 'www-authenticate'), 'Bearer realm="customer", error="invalid_token"');
  }
});

test('a token in the query goes no further, and logs know which parameter it is', () => {
  const options = { query: 'JWT' };
  const { identifier } = fixed(options);
  const good = exchangeOf({ target: `/?a=b&JWT=${tokenOf(ec, claimsOf())}` });
  assert.equal(verdict(identifier.identify(good) as Identity), 'ann');
  identifier.conceal?.(good);
  assert.equal(good.query, 'a=b');
  assert.equal(fixed({ keep: true }).identifier.conceal, null);
  assert.deepEqual(jwt.credentials?.(jwt.schema.parse({ issuer, ...options })), { headers: [], parameters: ['jwt'] });
});

test('two issuers at one place know their own tokens', () => {
  const [one, two] = [signer('ES256', 'same'), signer('ES256', 'same')];
  const first = open({ issuer: 'https://one.example', jwks: { keys: [one.jwk] } }).identifier;
  const second = open({ issuer: 'https://two.example', jwks: { keys: [two.jwk] } }).identifier;
  assert.equal(first.place, second.place);
  const token = tokenOf(two, claimsOf({ iss: 'https://two.example' }));
  assert.equal(verdict(ask(first, token)), 'token_invalid');
  assert.equal(verdict(ask(second, token)), 'ann');
  const pretender = tokenOf(two, claimsOf({ iss: 'https://one.example' }));
  for (const each of [first, second]) assert.equal(verdict(ask(each, pretender)), 'token_invalid');
});

test('keys that are fetched: the token waits for a missing one, once', async () => {
  const { identifier, env } = open({ issuer, audience: 'shop' });
  publish(env, { keys: publicKeys(rsa) });
  const feed = env.feeds.find<JwksState>(KEYS_FEED, async () => publish(env, { keys: publicKeys(rsa, ec) }));
  assert.equal(verdict(ask(identifier, tokenOf(rsa, claimsOf()))), 'ann');
  const exchange = exchangeOf({ headers: [['authorization', `Bearer ${tokenOf(ec, claimsOf({ sub: 'bob' }))}`]] });
  const answer = identifier.identify(exchange);
  assert.ok(answer instanceof Promise);
  assert.equal(verdict(await answer), 'bob');
  assert.deepEqual(feed.asked, [JSON.stringify([STATE, ec.kid])]);
});

test('a key that nobody has: 401, or 503 while the issuer fails', async () => {
  const { identifier, env } = open({ issuer, audience: 'shop' });
  const judge = async (token: string): Promise<Identity | Reply | undefined> =>
    identifier.identify(exchangeOf({ headers: [['authorization', `Bearer ${token}`]] }));
  const token = tokenOf(ec, claimsOf());
  const { asked } = env.feeds.find<JwksState>(KEYS_FEED);

  assert.equal(verdict(await judge(token)), 'identity_unavailable', 'nothing is known yet');
  publish(env, { obtained: false });
  const reply = await judge(token);
  assert.ok(reply instanceof Reply);
  assert.equal(reply.status, 503);
  assert.equal(fieldValue(reply.headers, 'retry-after'), '5');
  publish(env, { keys: publicKeys(rsa) });
  assert.equal(verdict(await judge(token)), 'token_invalid');
  publish(env, { keys: publicKeys(rsa), failure: 'answers 500' });
  assert.equal(verdict(await judge(token)), 'identity_unavailable');
  assert.equal(verdict(await judge(tokenOf(rsa, claimsOf()))), 'ann', 'known keys go on');
  assert.equal(asked.length, 4);

  // What could never be good is refused whatever is known, and nobody looks for its key.
  publish(env, { obtained: false, failure: 'is gone' });
  for (const claims of [claimsOf({ iss: 'https://other.example' }), claimsOf({ exp: 1 }), claimsOf({ aud: 'other' })]) {
    assert.ok(['token_invalid', 'token_expired'].includes(String(verdict(ask(identifier, tokenOf(ec, claims))))));
  }
  assert.equal(verdict(ask(identifier, 'a.b.c')), 'token_malformed');
  assert.equal(asked.length, 4);
  publish(env, { keys: publicKeys(rsa) });
  assert.equal(verdict(ask(identifier, tokenOf({ ...ec, kid: 'x'.repeat(300) }, claimsOf()))), 'token_invalid');
  assert.equal(asked.length, 4);
});

test('several issuers that are discovered: each with its own keys', async () => {
  const other = 'https://other.example';
  const { identifier, env } = open({ issuer: [issuer, other], audience: 'shop' });
  publish(env, { keys: publicKeys(rsa) }, issuer);
  publish(env, { keys: publicKeys(ec) }, other);
  const judge = async (by: Signer, iss: string): Promise<string | null> =>
    verdict(
      (await identifier.identify(
        exchangeOf({ headers: [['authorization', `Bearer ${tokenOf(by, claimsOf({ iss }))}`]] }),
      )) as Identity,
    );
  assert.equal(await judge(rsa, issuer), 'ann');
  assert.equal(await judge(ec, other), 'ann');
  assert.equal(await judge(ec, issuer), 'token_invalid');
  assert.equal(await judge(rsa, other), 'token_invalid');
  const { asked } = env.feeds.find<JwksState>(KEYS_FEED);
  assert.deepEqual(asked, [JSON.stringify([issuer, ec.kid]), JSON.stringify([other, rsa.kid])]);
});
