import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { verdict } from '../../../../test/support/identifier.ts';
import { grantOf, metadataOf, oidcOptionsOf } from '../../../../test/support/oidc.ts';
import { fieldValue } from '../../../../test/support/policy.ts';
import type { HeaderBlock } from '../../../base/headers.ts';
import type { Reply } from '../../../plan/reply.ts';
import { Outage } from '../outage.ts';
import { Cookies } from './oidc-cookie.ts';
import { sealFor } from './oidc-feeds.ts';
import { LoginFlow } from './oidc-login.ts';
import { type LoginSecrets, ProviderFailure, type ProviderMetadata } from './oidc-provider.ts';
import type { Grant } from './oidc-session.ts';

const site = { origin: 'https://shop.example', isSecure: true };

function flowOf(overrides: object = {}) {
  const options = oidcOptionsOf(overrides);
  const cookies = new Cookies({ name: 'web', sameSite: options.session.sameSite }, true);
  const script = {
    redeemed: [] as LoginSecrets[],
    answer: (): Grant | ProviderFailure => grantOf(),
    fits: true,
    metadata: metadataOf('https://login.example') as ProviderMetadata | null,
  };
  const flow = new LoginFlow(options, {
    client: {
      async redeem(_metadata, _parameters, secrets) {
        script.redeemed.push(secrets);
        const answer = script.answer();
        if (answer instanceof ProviderFailure) throw answer;
        return answer;
      },
    },
    seal: sealFor('login', 'web', options),
    outage: new Outage(() => undefined),
    findProvider: async () => script.metadata,
    sealSession: () => (script.fits ? 'sealed' : null),
  });
  return { flow, cookies, script };
}

function pairs(headers: HeaderBlock): string {
  const all: string[] = [];
  headers.forEach((name, value) => {
    if (name === 'set-cookie') all.push(value.split(';', 1)[0] ?? '');
  });
  return all.join('; ');
}

function at(target: string, cookie = ''): ReturnType<typeof exchangeOf> {
  return exchangeOf({ scheme: 'https', target, headers: cookie === '' ? [] : [['cookie', cookie]] });
}

/** Begins a login and comes back from the provider. */
async function arrive(entry: ReturnType<typeof flowOf>, target = '/oauth2/login?return=/cart%3Fa=b%26c=d') {
  const begun = await entry.flow.login(at(target), site, entry.cookies);
  const to = new URL(fieldValue(begun.headers, 'location') ?? '');
  const state = to.searchParams.get('state') ?? '';
  const cookie = pairs(begun.headers);
  const callback = (query = `code=c&state=${state}`): Promise<Reply | null> =>
    entry.flow.callback(at(`/oauth2/callback?${query}`, cookie), entry.cookies);
  return { begun, to, state, cookie, callback };
}

describe('a login', () => {
  test('keeps what only it may know in its cookie, and says the rest to the provider', async () => {
    const entry = flowOf({ parameters: { audience: 'orders', prompt: 'login' }, scopes: 'email' });
    const { to, cookie, callback, state } = await arrive(entry);
    assert.equal(to.searchParams.get('audience'), 'orders');
    assert.equal(to.searchParams.get('prompt'), 'login');
    assert.equal(to.searchParams.get('scope'), 'openid email');
    assert.ok(!cookie.includes(state));
    const reply = await callback();
    assert.equal(reply?.status, 302);
    assert.equal(fieldValue(reply?.headers ?? assert.fail(), 'location'), '/cart?a=b&c=d');
    assert.match(pairs(reply?.headers ?? assert.fail()), /^__Host-web\.login\.[\w-]+=; __Host-web=1\.sealed$/);
    assert.equal(entry.script.redeemed[0]?.redirectUri, 'https://shop.example/oauth2/callback');
    assert.equal(entry.script.redeemed[0]?.nonce, to.searchParams.get('nonce'));
  });

  test('uses a code once, though its callback comes again', async () => {
    const entry = flowOf();
    const { callback } = await arrive(entry);
    const replies = await Promise.all([callback(), callback()]);
    assert.deepEqual(
      replies.map((reply) => reply?.status),
      [302, 302],
    );
    assert.equal((await callback())?.status, 302);
    assert.equal(entry.script.redeemed.length, 1);
  });

  test('is nobody’s without its cookie, with another’s, or with one of another state', async () => {
    const entry = flowOf();
    const one = await arrive(entry);
    const other = await arrive(entry);
    assert.equal(await entry.flow.callback(at(`/oauth2/callback?code=c&state=${one.state}`), entry.cookies), null);
    const [, sealed = ''] = other.cookie.split('=');
    const [name = ''] = one.cookie.split('=');
    const swapped = at(`/oauth2/callback?code=c&state=${one.state}`, `${name}=${sealed}`);
    assert.equal(await entry.flow.callback(swapped, entry.cookies), null);
    // The beginning of the state, which finds the cookie, is not the state.
    const guessed = one.state.slice(0, 10) + 'A'.repeat(33);
    assert.equal(await one.callback(`code=c&state=${guessed}`), null);
    assert.deepEqual(entry.script.redeemed, []);
  });

  test('states of no known form are not looked for', async () => {
    const { flow, cookies } = flowOf();
    for (const query of [
      '',
      'state=',
      `state=${'a'.repeat(44)}`,
      `state=${'a'.repeat(42)}%00`,
      `state=${'a'.repeat(43)}&state=b`,
    ]) {
      assert.equal(
        verdict((await flow.callback(at(`/oauth2/callback?${query}`), cookies)) ?? undefined),
        'login_failed',
        query,
      );
    }
  });

  test('says what came of it in one word', async () => {
    const reasons = { refused: 'login_refused', invalid: 'login_failed', unavailable: 'identity_unavailable' } as const;
    for (const [reason, code] of Object.entries(reasons)) {
      const entry = flowOf();
      entry.script.answer = () => new ProviderFailure(reason as keyof typeof reasons, 'internal words');
      const reply = await (await arrive(entry)).callback();
      assert.equal(verdict(reply ?? undefined), code);
      assert.equal(reply?.detail, null);
      assert.equal(fieldValue(reply?.headers ?? assert.fail(), 'cache-control'), 'no-store');
      assert.match(pairs(reply?.headers ?? assert.fail()), /^__Host-web\.login\.[\w-]+=$/);
    }
    const large = flowOf();
    large.script.fits = false;
    assert.equal(verdict((await (await arrive(large)).callback()) ?? undefined), 'login_too_large');
  });

  test('waits for the provider', async () => {
    const { flow, cookies, script } = flowOf();
    script.metadata = null;
    const reply = await flow.login(at('/oauth2/login'), site, cookies);
    assert.equal(verdict(reply), 'identity_unavailable');
    assert.equal(fieldValue(reply.headers, 'retry-after'), '5');
  });

  test('with strict cookies goes on from a page of this site', async () => {
    const reply = await (await arrive(flowOf({ session: { sameSite: 'Strict' } }))).callback();
    assert.equal(reply?.status, 200);
    assert.match(String(reply?.body), /http-equiv="refresh" content="0;url=\/cart\?a=b&#38;c=d"/);
  });

  test('leads back to nowhere else, and not in a circle', async () => {
    for (const to of [
      '//evil.example',
      'https://evil.example',
      '/%5Cevil.example',
      '/oauth2/login?return=/',
      '/oauth2/logout',
    ]) {
      const reply = await (await arrive(flowOf(), `/oauth2/login?return=${encodeURIComponent(to)}`)).callback();
      const path = fieldValue(reply?.headers ?? assert.fail(), 'location') ?? '';
      assert.ok(path === '/' || path === '/%5Cevil.example', `${to} → ${path}`);
    }
  });

  test('of too many tabs the earlier ones are given up', async () => {
    const { flow, cookies } = flowOf();
    const field = Array.from({ length: 6 }, (_, i) => `__Host-web.login.${i}=x`).join('; ');
    const reply = await flow.login(at('/oauth2/login', field), site, cookies);
    assert.equal(
      pairs(reply.headers)
        .split('; ')
        .filter((pair) => /^__Host-web\.login\.\d=$/.test(pair)).length,
      6,
    );
  });
});

test('no login leads to a path of its own, however that is spelled', async () => {
  for (const path of [
    '/oauth2/logout',
    '/oauth2/./logout',
    '/oauth2/x/../logout',
    '/oauth2/%6cogout',
    '/oauth2/%2e/logout?a',
  ]) {
    const { callback } = await arrive(flowOf(), `/oauth2/login?return=${encodeURIComponent(path)}`);
    assert.equal(fieldValue((await callback())?.headers ?? assert.fail(), 'location'), '/', path);
  }
});
