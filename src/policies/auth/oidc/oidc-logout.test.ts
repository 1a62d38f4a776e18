import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { base64url, SignJWT } from 'jose';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { TestFeed } from '../../../../test/support/feeds.ts';
import { verdict } from '../../../../test/support/identifier.ts';
import { failures, IdentityProvider } from '../../../../test/support/identity-provider.ts';
import { metadataOf, oidcOptionsOf } from '../../../../test/support/oidc.ts';
import { Chunk } from '../../../plan/call.ts';
import type { Reply } from '../../../plan/reply.ts';
import { Outage } from '../outage.ts';
import { logoutKey } from './oidc-feeds.ts';
import { LogoutFlow } from './oidc-logout.ts';
import { ProviderClient, type ProviderMetadata } from './oidc-provider.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const good = { aud: 'shop-web', sub: 'ada', sid: 'sid-1', jti: 'logout-1', events: { [EVENT]: {} } };

describe('back-channel logout', () => {
  let provider: IdentityProvider;
  let logouts: TestFeed<number>;
  let flow: LogoutFlow;
  let metadata: ProviderMetadata | null;
  const lines: string[] = [];

  before(async () => {
    provider = await IdentityProvider.start();
  });
  beforeEach(() => {
    provider.failure = null;
    lines.length = 0;
    metadata = metadataOf(provider.issuer);
    logouts = new TestFeed();
    logouts.answer = async (hint) => {
      const { key, at } = JSON.parse(hint);
      logouts.update([[key, at]]);
    };
    const options = oidcOptionsOf({ issuer: provider.issuer, timeout: '300ms', clockSkew: '10s' });
    flow = new LogoutFlow(options, {
      client: new ProviderClient(options),
      outage: new Outage((line) => lines.push(line)),
      logouts,
      findProvider: async () => metadata,
    });
  });
  after(() => provider.leave());

  function say(body: string, type = 'application/x-www-form-urlencoded'): Promise<Reply> {
    const exchange = exchangeOf({ method: 'POST', headers: [['content-type', type]] });
    const bytes = Buffer.from(body);
    exchange.body = {
      size: bytes.length,
      replayable: false,
      started: false,
      start(sink) {
        const chunk = new Chunk(bytes);
        chunk.end = chunk.payload = bytes.length;
        sink.data(chunk);
        sink.end(null);
      },
      resume: () => undefined,
      cancel: () => undefined,
    };
    return flow.backchannel(exchange);
  }
  const tell = (token: string): Promise<Reply> => say(`logout_token=${encodeURIComponent(token)}`);
  const ended = (): string[] => [...logouts.entries()].map(([key]) => key);

  test('ends the session that is named, or all of a user', async () => {
    const reply = await tell(await provider.token(good));
    assert.equal(reply.status, 200);
    assert.deepEqual(ended(), [logoutKey('sid', 'sid-1')]);
    const { sid: _, ...ofUser } = good;
    assert.equal((await tell(await provider.token(ofUser))).status, 200);
    assert.deepEqual(ended(), [logoutKey('sid', 'sid-1'), logoutKey('sub', 'ada')]);
  });

  test('a token that comes again ends no later session', async () => {
    const iat = Math.floor(Date.now() / 1000) - 60;
    await tell(await provider.token({ ...good, iat }));
    assert.equal(logouts.get(logoutKey('sid', 'sid-1')), iat * 1000 + 999 + 10_000);
  });

  test('a provider whose clock is behind ends what began a moment ago', async () => {
    const startedAt = Date.now();
    await tell(await provider.token({ ...good, iat: Math.floor(startedAt / 1000) - 5 }));
    assert.ok((logouts.get(logoutKey('sid', 'sid-1')) ?? 0) >= startedAt);
  });

  test('what is no logout token of this provider for this client is refused', async () => {
    const claims: Record<string, Record<string, unknown>> = {
      'an ID token': { ...good, nonce: 'n' },
      'without an event': { ...good, events: undefined },
      'another event': { ...good, events: { other: {} } },
      'an event as text': { ...good, events: EVENT },
      'no event': { ...good, events: {} },
      'for somebody else': { ...good, aud: 'other-client' },
      'of somebody else': { ...good, iss: 'https://elsewhere.example' },
      'about nobody': { ...good, sub: undefined, sid: undefined },
      'about a number': { ...good, sub: 7, sid: undefined },
      'without jti': { ...good, jti: undefined },
    };
    for (const [what, each] of Object.entries(claims)) {
      const token = await provider.token(JSON.parse(JSON.stringify(each)));
      assert.equal(verdict(await tell(token)), 'logout_token_invalid', what);
    }
    assert.deepEqual(ended(), []);
  });

  test('old, unsigned, forged and confused tokens are refused', async () => {
    const token = await provider.token(good);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const none = base64url.encode('{"alg":"none"}');
    const secret = new TextEncoder().encode(JSON.stringify(provider.keys[0]));
    const claims = { ...good, iss: provider.issuer };
    const sign = (kid: string): SignJWT => new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid }).setIssuedAt();
    const tokens: Record<string, string> = {
      unsigned: `${none}.${payload}.`,
      'with the signature of something else': `${header}.${base64url.encode(JSON.stringify({ ...claims, sub: 'eve' }))}.${signature}`,
      cut: token.slice(0, -2),
      'signed with the public key as a secret': await sign('first').sign(secret),
      'signed with the client’s secret': await sign('first').sign(new TextEncoder().encode('secret'.repeat(8))),
      'of a key that nobody has': await sign('unknown').sign(secret),
      text: 'not-a-token',
    };
    for (const [what, each] of Object.entries(tokens)) {
      assert.equal(verdict(await tell(each)), 'logout_token_invalid', what);
    }
    assert.deepEqual(ended(), []);
  });

  test('bodies that are no form are refused', async () => {
    const token = await provider.token(good);
    assert.equal(
      verdict(await say(JSON.stringify({ logout_token: token }), 'application/json')),
      'logout_token_invalid',
    );
    assert.equal(verdict(await say('')), 'logout_token_invalid');
    assert.equal(verdict(await say(`logout_token=${'a'.repeat(40_000)}`)), 'body_too_large');
  });

  test('without keys, provider or main thread it cannot be judged: the provider may come again', async () => {
    const token = await provider.token(good);
    for (const failure of Object.values(failures)) {
      provider.failure = failure;
      assert.equal(verdict(await tell(token)), 'identity_unavailable');
    }
    assert.equal(lines.length, 1);
    provider.failure = null;
    metadata = null;
    assert.equal(verdict(await tell(token)), 'identity_unavailable');
    metadata = metadataOf(provider.issuer);
    logouts.answer = null;
    assert.equal(verdict(await tell(token)), 'identity_unavailable');
  });
});
