import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COOKIE_SECRET, oidcOptionsOf } from '../../../../test/support/oidc.ts';
import { oidc } from './oidc.ts';

function problems(options: object): string[] {
  const parsed = oidc.schema.safeParse({
    issuer: 'https://login.example',
    clientId: 'web',
    cookieSecret: COOKIE_SECRET,
    ...options,
  });
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('.'));
}

test('options that would not work are refused where they stand', () => {
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ cookieSecret: [COOKIE_SECRET, COOKIE_SECRET] }), []);
  const cases: readonly (readonly [object, string])[] = [
    [{ cookieSecret: 'short' }, 'cookieSecret'],
    [{ loginPath: '/oauth2/callback' }, 'loginPath'],
    [{ redirectPath: 'callback' }, 'redirectPath'],
    [{ redirectPath: '//callback' }, 'redirectPath'],
    [{ loginPath: '/login?x' }, 'loginPath'],
    [{ parameters: { state: 'fixed' } }, 'parameters.state'],
    [{ url: 'https://shop.example/web' }, 'url'],
    [{ postLogoutRedirect: '//elsewhere.example' }, 'postLogoutRedirect'],
    [{ session: { origins: 'https://*.shop.example' } }, 'session.origins'],
    [{ session: { sameSite: 'None' } }, 'session.sameSite'],
    [{ session: { cookie: '__Host web' } }, 'session.cookie'],
    [{ scopes: 'openid profile' }, 'scopes'],
    [{ issuer: 'https://user:password@login.example' }, 'issuer'],
    [{ unknown: true }, ''],
  ];
  for (const [options, path] of cases) assert.deepEqual(problems(options), [path], JSON.stringify(options));
});

test('its paths are its own', () => {
  assert.deepEqual(
    oidc
      .endpoints?.(oidcOptionsOf({ logoutPath: '/bye' }))
      .map(({ name, methods, path }) => [name, methods.join(), path]),
    [
      ['login', 'GET', '/oauth2/login'],
      ['callback', 'GET', '/oauth2/callback'],
      ['logout', 'GET,POST', '/bye'],
      ['backchannel', 'POST', '/oauth2/backchannel-logout'],
      ['frontchannel', 'GET', '/oauth2/frontchannel-logout'],
    ],
  );
});

test('what is not safe is said', () => {
  const codes = (overrides: object) => oidc.check?.(oidcOptionsOf(overrides), new Map()).map(({ code }) => code);
  assert.deepEqual(codes({}), []);
  assert.deepEqual(codes({ issuer: 'http://127.0.0.1:4000' }), []);
  assert.deepEqual(codes({ issuer: 'http://login.example' }), ['insecure-issuer']);
  assert.deepEqual(codes({ url: 'https://shop.example', session: { allowInsecure: true } }), ['unused-setting']);
});
