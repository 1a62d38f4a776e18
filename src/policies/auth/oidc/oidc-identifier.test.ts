import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, identifierEnv, verdict } from '../../../../test/support/identifier.ts';
import { metadataOf, oidcOptionsOf, sessionOf } from '../../../../test/support/oidc.ts';
import { fieldValue } from '../../../../test/support/policy.ts';
import { HeaderBlock } from '../../../base/headers.ts';
import { ResponseHead } from '../../../plan/call.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import { Reply } from '../../../plan/reply.ts';
import {
  LOGOUTS_FEED,
  logoutKey,
  METADATA,
  OVER,
  PROVIDER_FEED,
  RENEWALS_FEED,
  renewalKey,
  sealFor,
} from './oidc-feeds.ts';
import { OidcIdentifier } from './oidc-identifier.ts';
import { encodeSession, type Session } from './oidc-session.ts';

const HOUR = 3_600_000;
const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

/** An entry whose main thread has published that nobody was logged out. */
function entryOf(overrides: object = {}, isRead = true) {
  const env = identifierEnv({
    entry: 'shopWeb',
    consumers: new Map([['acme', consumer({ plan: 'gold', roles: ['buyer'] })]]),
  });
  const options = oidcOptionsOf(overrides);
  const feeds = {
    logouts: env.feeds.find<number>(LOGOUTS_FEED),
    renewals: env.feeds.find<string>(RENEWALS_FEED),
    provider: env.feeds.find<unknown>(PROVIDER_FEED),
  };
  if (isRead) feeds.logouts.replace([]);
  feeds.provider.replace([[METADATA, metadataOf('https://login.example')]]);
  const seal = sealFor('session', 'shopWeb', options);
  const cookieOf = (session: Session): string => `__Host-sluice-shopWeb=1.${seal.seal(encodeSession(session))}`;
  return {
    env,
    options,
    feeds,
    cookieOf,
    identifier: new OidcIdentifier(options, env),
    renewal: sealFor('renewal', 'shopWeb', options),
  };
}

function asking(cookie: string, fields: Readonly<Record<string, string>> = {}, method = 'GET'): Exchange {
  return exchangeOf({ method, scheme: 'https', headers: [['cookie', cookie], ...Object.entries(fields)] });
}

function sync(answer: ReturnType<OidcIdentifier['identify']>): Identity | Reply | undefined {
  assert.ok(!(answer instanceof Promise), 'what is known needs no waiting');
  return answer;
}

function respond(identifier: OidcIdentifier, exchange: Exchange): HeaderBlock {
  const head = new ResponseHead(200, HeaderBlock.of([['cache-control', 'public']]), 'none', -1);
  identifier.respond(exchange, head);
  return head.headers;
}

describe('recognising', () => {
  test('a session says who it is, at once, and the same again', () => {
    const { identifier, cookieOf } = entryOf({ claims: { consumer: 'org', roles: 'realm.roles' } });
    const claims = { sub: 'ada', org: 'acme', realm: { roles: ['editor'] } };
    const cookie = cookieOf(sessionOf({ claims, scope: 'openid orders:read' }));
    const identity = sync(identifier.identify(asking(cookie)));
    assert.deepEqual(identity, {
      id: 'ada',
      method: 'shopWeb',
      consumer: 'acme',
      plan: 'gold',
      scopes: ['openid', 'orders:read'],
      roles: ['editor', 'buyer'],
      groups: [],
      claims,
    });
    assert.equal(sync(identifier.identify(asking(cookie))), identity);
  });

  test('requests without it are nobody’s', () => {
    const { identifier, cookieOf } = entryOf();
    assert.equal(identifier.identify(exchangeOf({ scheme: 'https' })), undefined);
    assert.equal(identifier.identify(asking('theme=dark')), undefined);
    // The cookie of TLS over plain HTTP is not the cookie of this request.
    const plain = exchangeOf({ headers: [['cookie', cookieOf(sessionOf())]] });
    assert.equal(identifier.identify(plain), undefined);
  });

  test('behind `url` it does not matter how the request came in', () => {
    const { identifier, cookieOf } = entryOf({ url: 'https://shop.example' });
    const exchange = exchangeOf({ headers: [['cookie', cookieOf(sessionOf())]] });
    assert.equal(verdict(sync(identifier.identify(exchange))), 'ada');
  });

  test('what is over, ended or revoked is refused, and the cookie goes', () => {
    const now = Date.now();
    const cases: readonly (readonly [string, Partial<Session>, (entry: ReturnType<typeof entryOf>) => void])[] = [
      ['credential_expired', { endsAt: now - 1 }, () => undefined],
      ['credential_expired', { activeAt: now - HOUR - 1 }, () => undefined],
      ['credential_revoked', {}, ({ feeds }) => feeds.logouts.update([[logoutKey('session', 'session-1'), 1]])],
      ['credential_revoked', { sid: 's' }, ({ feeds }) => feeds.logouts.update([[logoutKey('sid', 's'), now]])],
      ['credential_revoked', {}, ({ feeds }) => feeds.logouts.update([[logoutKey('sub', 'ada'), now]])],
      ['credential_revoked', {}, ({ env }) => env.revocations.revoke('subject', 'ada')],
      ['credential_revoked', { sid: 's' }, ({ env }) => env.revocations.revoke('token', 's')],
      [
        'credential_revoked',
        { claims: { sub: 'ada', org: 'acme' } },
        ({ env }) => env.revocations.revoke('consumer', 'acme'),
      ],
      ['credential_invalid', { claims: { name: 'nobody' } }, () => undefined],
    ];
    for (const [code, session, act] of cases) {
      const entry = entryOf({ claims: { consumer: 'org' } });
      const cookie = entry.cookieOf(sessionOf(session));
      if (code === 'credential_revoked') assert.equal(verdict(sync(entry.identifier.identify(asking(cookie)))), 'ada');
      act(entry);
      const answer = sync(entry.identifier.identify(asking(cookie)));
      assert.equal(verdict(answer), code, JSON.stringify(session));
      assert.ok(answer instanceof Reply);
      assert.match(fieldValue(answer.headers, 'set-cookie') ?? '', /^__Host-sluice-shopWeb=; Max-Age=0/);
      assert.equal(fieldValue(answer.headers, 'www-authenticate'), entry.identifier.challenge);
      const led = sync(entry.identifier.identify(asking(cookie, page)));
      assert.ok(led instanceof Reply && led.status === 302);
    }
  });

  test('a logout before the sign-in is none of this session', () => {
    const { identifier, cookieOf, feeds } = entryOf();
    const session = sessionOf({ sid: 's' });
    feeds.logouts.replace([
      [logoutKey('sub', 'ada'), session.startedAt - 1],
      [logoutKey('sid', 's'), session.startedAt - 1],
    ]);
    assert.equal(verdict(sync(identifier.identify(asking(cookieOf(session))))), 'ada');
  });

  test('until it is known who was logged out, nobody is refused and nobody passes', () => {
    const { identifier, cookieOf } = entryOf({}, false);
    for (const fields of [{}, page]) {
      const answer = sync(identifier.identify(asking(cookieOf(sessionOf()), fields)));
      assert.ok(answer instanceof Reply);
      assert.equal(answer.status, 503);
      assert.equal(fieldValue(answer.headers, 'retry-after'), '5');
      assert.equal(fieldValue(answer.headers, 'set-cookie'), null);
    }
  });

  test('a request of another origin that could change something is refused, with the session left alone', () => {
    const { identifier, cookieOf } = entryOf({ session: { origins: 'https://app.shop.example' } });
    const cookie = cookieOf(sessionOf());
    const foreign = { 'sec-fetch-site': 'same-site', origin: 'https://evil.shop.example' };
    const answer = sync(identifier.identify(asking(cookie, foreign, 'POST')));
    assert.equal(verdict(answer), 'cross_site_request');
    assert.ok(answer instanceof Reply && fieldValue(answer.headers, 'set-cookie') === null);
    const allowed = { ...foreign, origin: 'https://app.shop.example' };
    assert.equal(verdict(sync(identifier.identify(asking(cookie, allowed, 'POST')))), 'ada');
    assert.equal(verdict(sync(identifier.identify(asking(cookie, foreign)))), 'ada');
  });
});

describe('towards service and client', () => {
  test('the service gets the access token if it is to, and never the cookie', () => {
    for (const forwardAccessToken of [false, true]) {
      const { identifier, cookieOf } = entryOf({ forwardAccessToken });
      const exchange = asking(`theme=dark; ${cookieOf(sessionOf({ accessToken: 'access-1' }))}`);
      exchange.identity = sync(identifier.identify(exchange)) as Identity;
      identifier.conceal(exchange);
      assert.equal(fieldValue(exchange.headers, 'cookie'), 'theme=dark');
      assert.equal(fieldValue(exchange.headers, 'authorization'), forwardAccessToken ? 'Bearer access-1' : null);
    }
  });

  test('a cookie is written again when a quarter of the idle time has passed, once', () => {
    const { identifier, cookieOf } = entryOf();
    const exchange = asking(cookieOf(sessionOf({ activeAt: Date.now() - HOUR / 4 - 1 })));
    exchange.identity = sync(identifier.identify(exchange)) as Identity;
    const headers = respond(identifier, exchange);
    assert.match(fieldValue(headers, 'set-cookie') ?? '', /^__Host-sluice-shopWeb=1\.[\w-]+; Max-Age=3600; /);
    assert.equal(fieldValue(headers, 'cache-control'), 'no-store');
    const again = respond(identifier, exchange);
    assert.equal(fieldValue(again, 'set-cookie'), null);
    assert.equal(fieldValue(again, 'cache-control'), 'public');
  });

  test('one that an earlier secret sealed is written again', () => {
    const secrets = ['an-earlier-secret-of-more-than-32-characters', 'a-newer-secret-with-more-than-32-characters'];
    const before = entryOf({ cookieSecret: secrets[0] });
    const { identifier } = entryOf({ cookieSecret: secrets.toReversed() });
    const exchange = asking(before.cookieOf(sessionOf()));
    exchange.identity = sync(identifier.identify(exchange)) as Identity;
    assert.match(fieldValue(respond(identifier, exchange), 'set-cookie') ?? '', /^__Host-sluice-shopWeb=1\./);
  });

  test('the login’s cookie is the narrowest there is', () => {
    const { identifier } = entryOf();
    const reply = identifier.invite(
      exchangeOf({ scheme: 'https', target: '/cart?a=b', headers: Object.entries(page) }),
    );
    assert.match(
      fieldValue(reply?.headers ?? new HeaderBlock(), 'set-cookie') ?? '',
      /^__Host-sluice-shopWeb\.login\.[\w-]{10}=[\w-]+; Max-Age=900; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    const to = new URL(fieldValue(reply?.headers ?? new HeaderBlock(), 'location') ?? '');
    assert.equal(to.searchParams.get('tenant'), 'shop');
    assert.equal(to.searchParams.get('redirect_uri'), 'https://shop.example/oauth2/callback');
  });

  test('nobody signs in over plain HTTP from elsewhere', () => {
    const { identifier, env } = entryOf();
    const exchange = exchangeOf({ headers: Object.entries(page) });
    assert.equal(verdict(identifier.invite(exchange)), 'login_insecure');
    assert.equal(env.problems.length, 1);
    const allowed = entryOf({ session: { allowInsecure: true } });
    assert.equal(allowed.identifier.invite(exchange)?.status, 302);
  });
});

describe('refreshing', () => {
  const due = (overrides: Partial<Session> = {}): Session => {
    const now = Date.now();
    return sessionOf({ refreshToken: 'refresh-1', refreshAt: now - 1, accessUntil: now + 60_000, ...overrides });
  };

  test('many requests wait for one refresh, and all answers bring the new cookie', async () => {
    const { identifier, cookieOf, feeds, renewal } = entryOf({ forwardAccessToken: true });
    const session = due({ accessToken: 'access-1' });
    const cookie = cookieOf(session);
    const renewed = { ...session, refreshToken: 'refresh-2', refreshAt: Date.now() + HOUR, accessToken: 'access-2' };
    feeds.renewals.answer = async () => {
      await new Promise(setImmediate);
      feeds.renewals.update([[renewalKey(session), renewal.seal(encodeSession(renewed))]]);
    };
    const exchanges = Array.from({ length: 5 }, () => asking(cookie));
    const identities = await Promise.all(exchanges.map((exchange) => identifier.identify(exchange)));
    assert.equal(feeds.renewals.asked.length, 1);
    assert.doesNotMatch(feeds.renewals.asked[0] ?? '', /refresh|access/);
    for (const [index, exchange] of exchanges.entries()) {
      exchange.identity = identities[index] as Identity;
      identifier.conceal(exchange);
      assert.equal(fieldValue(exchange.headers, 'authorization'), 'Bearer access-2');
      assert.match(fieldValue(respond(identifier, exchange), 'set-cookie') ?? '', /^__Host-sluice-shopWeb=1\./);
    }
    // Later ones with the old cookie need not wait.
    assert.equal(verdict(sync(identifier.identify(asking(cookie)))), 'ada');
  });

  test('what another worker’s request brought is taken over at once', () => {
    const { identifier, cookieOf, feeds, renewal } = entryOf();
    const session = due();
    feeds.renewals.replace([
      [renewalKey(session), renewal.seal(encodeSession({ ...session, refreshToken: 'refresh-2', refreshAt: null }))],
    ]);
    assert.equal(verdict(sync(identifier.identify(asking(cookieOf(session))))), 'ada');
    assert.deepEqual(feeds.renewals.asked, []);
  });

  test('without an answer the session goes on, and the provider is left alone for a while', async () => {
    const { identifier, cookieOf, feeds } = entryOf();
    const cookie = cookieOf(due({ accessUntil: Date.now() - 1 }));
    assert.equal(verdict(await identifier.identify(asking(cookie))), 'ada');
    assert.equal(verdict(sync(identifier.identify(asking(cookie)))), 'ada');
    assert.equal(feeds.renewals.asked.length, 1);
  });

  test('unless it is to be refused once the access token has ended', async () => {
    const { identifier, cookieOf } = entryOf({ session: { onRefreshFailure: 'refuse' } });
    assert.equal(verdict(await identifier.identify(asking(cookieOf(due())))), 'ada');
    const ended = due({ id: 'session-2', accessUntil: Date.now() - 1 });
    assert.equal(verdict(await identifier.identify(asking(cookieOf(ended)))), 'identity_unavailable');
  });

  test('the provider’s no ends the session with the access token, and no cookie is written meanwhile', () => {
    const { identifier, cookieOf, feeds } = entryOf();
    const session = due({ activeAt: Date.now() - HOUR / 2 });
    feeds.renewals.replace([[renewalKey(session), OVER]]);
    const exchange = asking(cookieOf(session));
    exchange.identity = sync(identifier.identify(exchange)) as Identity;
    assert.equal(exchange.identity.id, 'ada');
    assert.equal(fieldValue(respond(identifier, exchange), 'set-cookie'), null);
    const ended = { ...session, accessUntil: Date.now() - 1 };
    assert.equal(verdict(sync(identifier.identify(asking(cookieOf(ended))))), 'credential_revoked');
  });
});

test('a shorter `ttl` holds for sessions that are there already', () => {
  const { identifier, cookieOf } = entryOf({ session: { ttl: '1h' } });
  const now = Date.now();
  const old = sessionOf({ startedAt: now - 2 * HOUR, endsAt: now + 22 * HOUR, activeAt: now - 1000 });
  assert.equal(verdict(sync(identifier.identify(asking(cookieOf(old))))), 'credential_expired');
});

test('who a refresh says it is, is judged anew, on workers that only hear of it too', () => {
  const { identifier, cookieOf, feeds, renewal, env } = entryOf({ claims: { consumer: 'org' } });
  const session = sessionOf({ refreshToken: 'r', refreshAt: Date.now() + 60_000 });
  const due = { ...session, refreshAt: Date.now() - 1 };
  env.revocations.revoke('consumer', 'acme');
  const cookie = cookieOf(due);
  feeds.renewals.update([
    [renewalKey(due), renewal.seal(encodeSession({ ...session, claims: { sub: 'ada', org: 'acme' } }))],
  ]);
  assert.equal(verdict(sync(identifier.identify(asking(cookie)))), 'credential_revoked');
});

test('where the service gets the access token, it gets no other in its place', () => {
  const { identifier, cookieOf } = entryOf({ forwardAccessToken: true });
  for (const [accessToken, expected] of [
    ['good', 'Bearer good'],
    [null, null],
  ] as const) {
    const exchange = asking(cookieOf(sessionOf({ accessToken })), { authorization: 'Bearer of-somebody-else' });
    exchange.identity = sync(identifier.identify(exchange)) as Identity;
    identifier.conceal(exchange);
    assert.equal(fieldValue(exchange.headers, 'authorization'), expected);
  }
});
