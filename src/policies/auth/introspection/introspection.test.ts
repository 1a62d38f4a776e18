import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, verdict } from '../../../../test/support/identifier.ts';
import {
  type Answer,
  type AskingEntry,
  always,
  bearer,
  identityIn,
  linesOf,
  openEntry,
  replyIn,
} from '../../../../test/support/identity-service.ts';
import { problemsOf } from '../../../../test/support/policy.ts';
import type { IdentifierEnv } from '../../../plan/identifier.ts';
import { introspection } from './introspection.ts';

const client = { id: 'gateway', secret: 'it is + secret' };

function open(answer: Answer, options: object = {}, overrides: Partial<IdentifierEnv> = {}): Promise<AskingEntry> {
  return openEntry(introspection, '/introspect?realm=shop', answer, { client, ...options }, overrides);
}

const json = { 'content-type': 'application/json', 'cache-control': 'no-store' };

function saying(members: unknown): Answer {
  return always(200, json, JSON.stringify(members));
}

function now(): number {
  return Math.floor(Date.now() / 1_000);
}

/** Every token is good and its own subject, but those that begin with `bad`. */
const bySubject: Answer = async (request, response) => {
  const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString());
  const token = form.get('token') ?? '';
  response
    .writeHead(200, json)
    .end(JSON.stringify(token.startsWith('bad') ? { active: false } : { active: true, sub: token }));
};

describe('what the issuer is asked', () => {
  async function bodyOf(options: object): Promise<{ entry: AskingEntry; body: string }> {
    let body = '';
    const entry = await open(async (request, response) => {
      body = Buffer.concat(await Array.fromAsync(request)).toString();
      saying({ active: false })(request, response);
    }, options);
    await entry.identify(exchangeOf(bearer('a+b/c==', ['cookie', 'x=1'])));
    return { entry, body };
  }

  test('the token, by a client that says who it is in Authorization', async () => {
    const { entry, body } = await bodyOf({});
    await using _ = entry;
    assert.equal(body, 'token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token');
    const [request] = entry.service.requests;
    assert.equal(`${request?.method} ${request?.url}`, 'POST /introspect?realm=shop');
    const encoded = Buffer.from('gateway:it+is+%2B+secret').toString('base64');
    assert.deepEqual(
      { ...request?.headers },
      {
        host: `127.0.0.1:${entry.service.port}`,
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${encoded}`,
        'content-length': String(body.length),
      },
    );
  });

  test('or in the body', async () => {
    const { entry, body } = await bodyOf({ client: { ...client, authentication: 'client_secret_post' } });
    await using _ = entry;
    assert.ok(body.endsWith('&client_id=gateway&client_secret=it+is+%2B+secret'));
    assert.equal(entry.service.requests[0]?.headers.authorization, undefined);
  });

  test('nothing without a token, with several, or with what can be none', async () => {
    await using entry = await open(bySubject, { header: 'authorization', query: 'access_token' });
    const cases: [ReturnType<typeof exchangeOf>, string | null][] = [
      [exchangeOf(), null],
      [exchangeOf({ headers: [['authorization', 'Basic YTpi']] }), null],
      [exchangeOf(bearer('a', ['authorization', 'Bearer b'])), 'credential_ambiguous'],
      [exchangeOf({ ...bearer('a'), target: '/v1/orders/7?access_token=b' }), 'credential_ambiguous'],
      [exchangeOf(bearer('a b')), 'token_malformed'],
      [exchangeOf(bearer('r\xe9')), 'token_malformed'],
      [exchangeOf(bearer('')), 'token_malformed'],
      [exchangeOf(bearer('x'.repeat(16_385))), 'token_malformed'],
    ];
    for (const [exchange, found] of cases) {
      assert.equal(verdict(await entry.identify(exchange)), found);
      assert.equal(exchange.query, '');
    }
    assert.equal(entry.service.requests.length, 0);
  });
});

describe('what an answer means', () => {
  const good = { active: true, sub: 'alice' };
  const strict = { issuer: 'https://login.example', audience: ['shop', 'shop-admin'] };
  const whole = { ...good, iss: 'https://login.example', aud: ['other', 'shop'] };
  const cases: [what: string, answer: Answer, found: string, options?: object][] = [
    ['active', saying(good), 'alice'],
    ['inactive', saying({ active: false }), 'token_invalid'],
    ['inactive, whatever else it says', saying({ ...good, active: false }), 'token_invalid'],
    ['valid for a while', saying({ ...good, exp: now() + 100, nbf: now() - 100, iat: now() - 100 }), 'alice'],
    ['expired within the skew', saying({ ...good, exp: now() - 10 }), 'alice'],
    ['expired', saying({ ...good, exp: now() - 100 }), 'token_expired'],
    ['not valid yet', saying({ ...good, nbf: now() + 100 }), 'token_invalid'],
    ['absent members as null', saying({ ...good, exp: null, aud: null }), 'alice'],
    ['of the issuer, for us', saying(whole), 'alice', strict],
    ['of another issuer', saying({ ...whole, iss: 'https://login.example/' }), 'token_invalid', strict],
    ['of nobody', saying({ ...good, aud: 'shop' }), 'token_invalid', strict],
    ['for others', saying({ ...whole, aud: 'other' }), 'token_invalid', strict],
    ['for nobody', saying({ ...good, iss: 'https://login.example' }), 'token_invalid', strict],
    ['without a name', saying({ active: true }), 'token_invalid'],
    ['with another name', saying({ ...good, username: 'bob' }), 'bob', { id: ['username', 'sub'] }],
    ['with the scopes', saying({ ...good, scope: 'a b c' }), 'alice', { requiredScopes: ['a', 'c'] }],
    ['without a scope', saying({ ...good, scope: 'a bc' }), 'insufficient_scope', { requiredScopes: ['a', 'c'] }],
    ['text for a truth', saying({ ...good, active: 'true' }), 'identity_unavailable'],
    ['no verdict', saying({ sub: 'alice' }), 'identity_unavailable'],
    ['a list', saying([good]), 'identity_unavailable'],
    ['a time that is text', saying({ ...good, exp: String(now() + 100) }), 'identity_unavailable'],
    ['two verdicts', always(200, json, '{"active":false,"active":true,"sub":"a"}'), 'identity_unavailable'],
    ['nothing', always(200, json), 'identity_unavailable'],
    ['a page', always(200, { 'content-type': 'text/html' }, '<h1>login</h1>'), 'identity_unavailable'],
    ['half of it', always(200, json, '{"active":true,"sub":"al'), 'identity_unavailable'],
    ['depth without end', always(200, json, `{"active":true,"sub":"a","x":${'['.repeat(1e4)}`), 'identity_unavailable'],
    ['too much', saying({ ...good, x: 'x'.repeat(70_000) }), 'identity_unavailable'],
    ['201', always(201, json, JSON.stringify(good)), 'identity_unavailable'],
    ['a redirect', always(302, { location: '/' }), 'identity_unavailable'],
    ['401: the gateway is unknown', always(401), 'identity_unavailable'],
    ['500', always(500, json, JSON.stringify(good)), 'identity_unavailable'],
    ['no answer', (_request, response) => void response.destroy(), 'identity_unavailable'],
    ['a late answer', () => undefined, 'identity_unavailable', { timeout: '50ms' }],
  ];
  for (const [what, answer, found, options] of cases) {
    test(`${what}: ${found}`, async () => {
      await using entry = await open(answer, options);
      const exchange = exchangeOf(bearer('t-1'));
      const outcome = await entry.identify(exchange);
      assert.equal(verdict(outcome), found);
      assert.deepEqual(linesOf(exchange), []);
      assert.equal(entry.env.problems.length, found === 'identity_unavailable' ? 1 : 0);
      assert.ok(!entry.env.problems.some((line) => line.includes('t-1') || line.includes(client.secret)));
    });
  }

  test('members become the identity', async () => {
    const said = {
      ...good,
      scope: 'orders:read orders:write',
      client_id: 'acme',
      groups: ['staff'],
      realm_access: { roles: ['admin', 7] },
    };
    const consumers = new Map([['acme', consumer({ plan: 'gold', roles: ['partner'] })]]);
    const options = { consumer: 'client_id', roles: 'realm_access.roles' };
    await using entry = await open(saying(said), options, { consumers });
    const found = identityIn(await entry.identify(exchangeOf(bearer('t'))));
    assert.deepEqual(
      { ...found, claims: { ...found.claims } },
      {
        id: 'alice',
        method: 'customer',
        consumer: 'acme',
        plan: 'gold',
        scopes: ['orders:read', 'orders:write'],
        roles: ['admin', 'partner'],
        groups: ['staff'],
        claims: said,
      },
    );
  });

  test('refusals carry the challenge of RFC 6750, and no reason', async () => {
    await using entry = await open(saying({ active: true, sub: 'a', scope: 'a' }), { requiredScopes: ['a', 'b'] });
    const missing = replyIn(await entry.identify(exchangeOf(bearer('t'))));
    assert.deepEqual(linesOf(missing), [
      'www-authenticate: Bearer realm="customer", error="insufficient_scope", scope="a b"',
    ]);
    await using inactive = await open(saying({ active: false }));
    const refused = replyIn(await inactive.identify(exchangeOf(bearer('t'))));
    assert.deepEqual(linesOf(refused), ['www-authenticate: Bearer realm="customer", error="invalid_token"']);
    assert.equal(refused.detail, null);
  });
});

describe('remembered answers', () => {
  async function asked(entry: AskingEntry, times = 2): Promise<number> {
    for (let i = 0; i < times; i++) await entry.identify(exchangeOf(bearer('t')));
    return entry.service.requests.length;
  }

  test('are given at once, good and bad ones', async () => {
    await using entry = await open(bySubject);
    for (const token of ['alice', 'bad']) {
      const first = verdict(await entry.identify(exchangeOf(bearer(token))));
      const second = entry.identifier.identify(exchangeOf(bearer(token)));
      assert.ok(!(second instanceof Promise));
      assert.equal(verdict(second), first);
    }
    assert.equal(entry.service.requests.length, 2);
  });

  test('are for one token; many at once are asked about once each', async () => {
    await using entry = await open(bySubject);
    const tokens = Array.from({ length: 400 }, (_, i) => `${i % 4 === 0 ? 'bad' : 'user'}-${i % 40}`);
    const found = await Promise.all(tokens.map((token) => entry.identify(exchangeOf(bearer(token)))));
    assert.deepEqual(
      found.map(verdict),
      tokens.map((token) => (token.startsWith('bad') ? 'token_invalid' : token)),
    );
    assert.equal(entry.service.requests.length, 40);
  });

  test('are none where they are not wanted, past the end of the token, and of failures', async () => {
    const none = { cache: { ttl: 0, inactive: 0 } };
    const ending = { active: true, sub: 'a', exp: now() - 30 };
    for (const [answer, options, times] of [
      [saying({ active: true, sub: 'a' }), {}, 1],
      [saying({ active: true, sub: 'a' }), none, 2],
      [saying({ active: false }), {}, 1],
      [saying({ active: false }), none, 2],
      [saying({ ...ending, exp: now() + 1_000 }), {}, 1],
      [always(500), {}, 2],
      [saying({ active: true, sub: 'a', x: 'x'.repeat(20_000) }), {}, 2],
    ] as const) {
      await using entry = await open(answer, options);
      assert.equal(await asked(entry), times);
    }
  });

  test('refuse a token, a subject or a consumer that was revoked meanwhile', async () => {
    const said = { active: true, sub: 'alice', username: 'Alice', jti: 'j1', client_id: 'acme' };
    for (const [kind, id] of [
      ['token', 'j1'],
      ['subject', 'alice'],
      ['subject', 'Alice'],
      ['consumer', 'acme'],
    ] as const) {
      await using entry = await open(saying(said), { id: 'username', consumer: 'client_id' });
      assert.equal(verdict(await entry.identify(exchangeOf(bearer('t')))), 'Alice');
      entry.env.revocations.revoke(kind, id);
      assert.equal(verdict(await entry.identify(exchangeOf(bearer('t')))), 'credential_revoked');
      assert.equal(entry.service.requests.length, 1);
    }
  });
});

test('a kept connection that ended is no reason to refuse anybody', async () => {
  let count = 0;
  await using entry = await open((request, response) => {
    // Every second request meets a connection that is about to end.
    if (++count % 2 === 0) request.socket.destroy();
    else bySubject(request, response);
  });
  for (const user of ['a', 'b', 'c', 'd']) assert.equal(verdict(await entry.identify(exchangeOf(bearer(user)))), user);
});

test('options that cannot be meant are refused, and the examples are right', () => {
  const url = 'http://127.0.0.1:9000/introspect';
  for (const [options, remedy] of [
    [{ url: 'https://id:secret@login.example/', client }, 'Leave `user:password@` out.'],
    [{ url, client, scheme: 'Token', cookie: 'session' }, 'Remove it, or name the `header`.'],
  ] as const) {
    assert.deepEqual(problemsOf(introspection, options), [remedy]);
  }
  for (const { options } of introspection.examples) assert.deepEqual(problemsOf(introspection, options), []);
});
