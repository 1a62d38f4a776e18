import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { base64url, type JWTPayload } from 'jose';
import { failures, IdentityProvider, json } from '../../../../test/support/identity-provider.ts';
import { metadataOf, oidcOptionsOf } from '../../../../test/support/oidc.ts';
import { ProviderClient, ProviderFailure } from './oidc-provider.ts';

const secrets = {
  state: 'state-1',
  nonce: 'nonce-1',
  verifier: 'v'.repeat(43),
  redirectUri: 'https://shop.example/oauth2/callback',
};
const good = { aud: 'shop-web', sub: 'ada', nonce: 'nonce-1' };

/** Answers of the token endpoint; discovery and keys are as ever. */
type Answer = (form: URLSearchParams, request: IncomingMessage, response: ServerResponse) => unknown;

describe('the protocol’s client', () => {
  let provider: IdentityProvider;
  let client: ProviderClient;
  let answer: Answer;

  before(async () => {
    provider = await IdentityProvider.start();
  });
  beforeEach(() => {
    client = new ProviderClient(oidcOptionsOf({ issuer: provider.issuer, timeout: '300ms' }));
    provider.metadata = {};
    provider.failure = async (request, response) => {
      if (request.url === '/jwks') return json(response, { keys: provider.keys });
      const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString());
      await answer(form, request, response);
    };
  });
  after(() => provider.leave());

  const parameters = (more: Record<string, string> = {}): URLSearchParams =>
    new URLSearchParams({ code: 'code-1', state: 'state-1', iss: provider.issuer, ...more });
  const redeem = (): ReturnType<ProviderClient['redeem']> =>
    client.redeem(metadataOf(provider.issuer), parameters(), secrets);
  const tokens = async (claims: JWTPayload, more = {}): Promise<object> => ({
    access_token: 'access-1',
    token_type: 'Bearer',
    expires_in: 300,
    id_token: await provider.token(claims),
    ...more,
  });

  async function reasonOf(attempt: Promise<unknown>): Promise<string> {
    try {
      await attempt;
    } catch (error) {
      assert.ok(error instanceof ProviderFailure, String(error));
      assert.doesNotMatch(error.message, /code-1|c2VjcmV0|nonce-1|access-1|script/);
      return error.reason;
    }
    return 'good';
  }

  test('a token that would break a header, or a metadata that leads out of TLS, is not taken', async () => {
    for (const access_token of ['a\r\nx-admin: yes', 'a b', 'é', 'a\0']) {
      answer = async (_form, _request, response) => json(response, await tokens(good, { access_token }));
      assert.equal(await reasonOf(redeem()), 'invalid', JSON.stringify(access_token));
    }
    provider.failure = null;
    provider.metadata = metadataOf(provider.issuer);
    assert.equal(await reasonOf(client.discover()), 'good');
    provider.metadata = { ...provider.metadata, end_session_endpoint: 'ftp://login.example/logout' };
    assert.equal(await reasonOf(client.discover()), 'invalid');
  });

  test('redeems a code, with secret and verifier, for checked claims', async () => {
    let asked: { form: URLSearchParams; authorization: string | undefined } | null = null;
    answer = async (form, request, response) => {
      asked = { form, authorization: request.headers.authorization };
      json(response, await tokens(good, { scope: 'openid', refresh_token: 'refresh-1' }));
    };
    const grant = await redeem();
    assert.equal(grant.claims.sub, 'ada');
    assert.deepEqual(
      [grant.scope, grant.accessToken, grant.accessLifetime, grant.refreshToken],
      ['openid', 'access-1', 300_000, 'refresh-1'],
    );
    const { form, authorization } = asked ?? assert.fail();
    assert.equal(authorization, `Basic ${Buffer.from('shop%2Dweb:secret').toString('base64')}`);
    assert.deepEqual(Object.fromEntries(form as URLSearchParams), {
      grant_type: 'authorization_code',
      code: 'code-1',
      redirect_uri: secrets.redirectUri,
      code_verifier: secrets.verifier,
    });
  });

  test('takes no ID token that is not for this login', async () => {
    const forge = (token: string, claims: JWTPayload): string => {
      const [header, , signature] = token.split('.');
      return `${header}.${base64url.encode(JSON.stringify(claims))}.${signature}`;
    };
    const now = Math.floor(Date.now() / 1000);
    const whole = { ...good, iss: provider.issuer, iat: now, exp: now + 300 };
    const cases: Record<string, () => Promise<object>> = {
      'another nonce': () => tokens({ ...good, nonce: 'nonce-2' }),
      'no nonce': () => tokens({ aud: 'shop-web', sub: 'ada' }),
      'another audience': () => tokens({ ...good, aud: 'other' }),
      'several audiences': () => tokens({ ...good, aud: ['shop-web', 'other'] }),
      'another issuer': () => tokens({ ...good, iss: 'https://elsewhere.example' }),
      'no subject': () => tokens({ aud: 'shop-web', nonce: 'nonce-1' }),
      'no ID token': () => tokens(good, { id_token: undefined }),
      'a forged one': async () =>
        tokens(good, { id_token: forge(await provider.token(good), { ...whole, sub: 'eve' }) }),
      'one that is not signed': () =>
        tokens(good, { id_token: `${base64url.encode('{"alg":"none"}')}.${base64url.encode(JSON.stringify(whole))}.` }),
      'an old one': async () =>
        tokens(good, { id_token: forge(await provider.token(good), { ...whole, exp: now - 3600 }) }),
    };
    const metadata = {
      ...metadataOf(provider.issuer),
      id_token_signing_alg_values_supported: ['ES256', 'HS256', 'none'],
    };
    for (const [what, make] of Object.entries(cases)) {
      answer = async (_form, _request, response) => json(response, await make());
      assert.equal(await reasonOf(client.redeem(metadata, parameters(), secrets)), 'invalid', what);
    }
  });

  test('takes no callback of another provider (RFC 9207), state or flow', async () => {
    answer = () => assert.fail('the code must not be sent');
    const metadata = { ...metadataOf(provider.issuer), authorization_response_iss_parameter_supported: true };
    const without = parameters();
    without.delete('iss');
    const cases = [
      without,
      parameters({ iss: 'https://elsewhere.example' }),
      parameters({ state: 'state-2' }),
      parameters({ id_token: 'a.b.c' }),
      new URLSearchParams(`${parameters()}&iss=twice`),
    ];
    for (const each of cases)
      assert.equal(await reasonOf(client.redeem(metadata, each, secrets)), 'invalid', String(each));
    const denied = parameters({ error: 'access_denied' });
    assert.equal(await reasonOf(client.redeem(metadata, denied, secrets)), 'refused');
  });

  test('tells a refusal from trouble', async () => {
    const say = (status: number, body: string, type = 'application/json'): Answer => {
      return (_form, _request, response) => response.writeHead(status, { 'content-type': type }).end(body);
    };
    const cases: readonly (readonly [string, Answer])[] = [
      ['refused', say(400, '{"error":"invalid_grant"}')],
      ['unavailable', say(400, '{"error":"invalid_client"}')],
      ['unavailable', say(400, '{"error":"<script>"}')],
      ['unavailable', say(500, 'no', 'text/plain')],
      ['unavailable', say(200, '<html>', 'text/html')],
      ['unavailable', say(302, '')],
      ['unavailable', (_form, request) => request.socket.destroy()],
      ['unavailable', (_form, request, response) => failures.huge(request, response)],
      ['unavailable', () => failures.slow()],
      ['unavailable', (_form, _request, response) => response.writeHead(401, { 'www-authenticate': 'Basic' }).end()],
    ];
    for (const [index, [reason, each]] of cases.entries()) {
      answer = each;
      assert.equal(await reasonOf(redeem()), reason, `case ${index}`);
      assert.equal(
        await reasonOf(client.refresh(metadataOf(provider.issuer), 'refresh-1', 'ada')),
        reason,
        `case ${index}`,
      );
    }
  });

  test('a refresh is about the same user', async () => {
    const metadata = metadataOf(provider.issuer);
    answer = async (_form, _request, response) => json(response, await tokens({ aud: 'shop-web', sub: 'eve' }));
    assert.equal(await reasonOf(client.refresh(metadata, 'refresh-1', 'ada')), 'invalid');
    answer = async (_form, _request, response) => json(response, await tokens(good, { id_token: undefined }));
    const grant = await client.refresh(metadata, 'refresh-1', 'ada');
    assert.deepEqual([grant.claims, grant.refreshToken], [{}, null]);
  });

  test('user info adds what the ID token does not say, about the same user', async () => {
    const asking = new ProviderClient(oidcOptionsOf({ issuer: provider.issuer, userinfo: true }));
    const metadata = { ...metadataOf(provider.issuer), userinfo_endpoint: `${provider.issuer}/userinfo` };
    let sub = 'ada';
    answer = async (_form, request, response) => {
      if (request.url !== '/userinfo') json(response, await tokens(good));
      else json(response, { sub, email: 'ada@shop.example', seen: request.headers.authorization, nonce: 'other' });
    };
    const { claims } = await asking.redeem(metadata, parameters(), secrets);
    assert.deepEqual([claims.email, claims.seen, claims.nonce], ['ada@shop.example', 'Bearer access-1', 'nonce-1']);
    sub = 'eve';
    assert.equal(await reasonOf(asking.redeem(metadata, parameters(), secrets)), 'invalid');
  });

  test('discovery keeps what is needed, and takes no half or foreign one', async () => {
    provider.failure = null;
    const { issuer: _, ...endpoints } = metadataOf(provider.issuer);
    provider.metadata = { ...endpoints, something_else: true };
    const found = await client.discover();
    assert.equal(found.token_endpoint, `${provider.issuer}/token`);
    assert.ok(!('something_else' in found));
    const wrong: object[] = [
      { ...endpoints, issuer: 'https://elsewhere.example' },
      { ...endpoints, token_endpoint: undefined },
      { ...endpoints, authorization_endpoint: 'javascript:alert(1)' },
    ];
    for (const each of wrong) {
      provider.metadata = JSON.parse(JSON.stringify(each));
      assert.equal(await reasonOf(client.discover()), 'invalid', JSON.stringify(each));
    }
    for (const failure of Object.values(failures)) {
      provider.failure = failure;
      assert.equal(await reasonOf(client.discover()), 'unavailable');
    }
  });
});
