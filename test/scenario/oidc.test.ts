import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { until } from '../harness.ts';
import { Browser } from '../support/browser.ts';
import { COOKIE_SECRET } from '../support/oidc.ts';
import {
  COOKIE,
  callbackUrl,
  codeOf,
  fieldsOf,
  type Scene,
  setCookies,
  signedIn,
  startScene,
} from '../support/oidc-scene.ts';
import { CLIENT } from '../support/openid-provider.ts';

/** Browsers that sign in and out at a real provider, through a whole gateway. */

describe('oidc: signing in', () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene();
  });
  after(async () => {
    const { gateway } = scene;
    await scene.close();
    for (const secret of [CLIENT.secret, COOKIE_SECRET]) {
      assert.ok(!(gateway.stdout + gateway.stderr).includes(secret), 'a secret is in the log');
    }
    assert.match(gateway.stdout, /"cookie":"\[redacted\]"/);
    assert.doesNotMatch(gateway.stdout, new RegExp(`${COOKIE}=`));
  });

  test('a page leads to the provider and back, and the service knows who it is', async () => {
    const browser = new Browser();
    browser.cookies(scene.url).set('theme', 'dark');
    const first = await browser.visit(`${scene.url}/cart?item=7&item=8`);
    assert.equal(first.status, 302);
    assert.equal(first.headers['cache-control'], 'no-store');
    const to = new URL(first.headers.location ?? '');
    assert.equal(to.origin + to.pathname, `${scene.provider.url}/auth`);
    assert.equal(to.searchParams.get('response_type'), 'code');
    assert.equal(to.searchParams.get('code_challenge_method'), 'S256');
    assert.equal(to.searchParams.get('scope'), 'openid profile offline_access');
    for (const name of ['state', 'nonce', 'code_challenge']) assert.equal(to.searchParams.get(name)?.length, 43);
    const [login = ''] = setCookies(first);
    assert.match(login, new RegExp(`^${COOKIE}\\.login\\.[^=]+=[\\w-]+; Max-Age=900; Path=/; HttpOnly; SameSite=Lax$`));

    const page = await browser.open(`${scene.url}/cart?item=7&item=8`);
    assert.equal(page.url.href, `${scene.url}/cart?item=7&item=8`);
    const fields = fieldsOf(page);
    assert.equal(fields['x-who'], 'ada');
    assert.equal(fields['x-scopes'], 'openid,profile,offline_access');
    assert.equal(fields.cookie, 'theme=dark');
    assert.equal(fields.authorization, undefined);
    assert.equal((await browser.visit(`${scene.url}/editors`)).status, 200);
    const session = browser.cookies(scene.url).get(COOKIE) ?? '';
    assert.match(session, /^1\.[\w-]+$/);
    assert.ok(session.length < 3000, `a session of ${session.length} characters`);
  });

  test('scripts and other programs are told instead of led away', async () => {
    const answer = await new Browser().script(`${scene.url}/api/orders`);
    assert.equal(answer.status, 401);
    assert.equal(codeOf(answer), 'credential_missing');
    assert.equal(answer.headers['www-authenticate'], 'Cookie realm="shopWeb", form-action="/oauth2/login"');
    assert.deepEqual(setCookies(answer), []);
    const posted = await new Browser().visit(`${scene.url}/api/orders`, { method: 'POST', form: { a: 'b' } });
    assert.equal(posted.status, 401);
    const anonymous = await new Browser().visit(`${scene.url}/open`);
    assert.equal(fieldsOf(anonymous)['x-who'], undefined);
  });

  test('the login path leads back to paths of this host and nowhere else', async () => {
    const browser = await signedIn(scene.url);
    const returns: readonly (readonly [string, string])[] = [
      ['/cart?a=b', '/cart?a=b'],
      ['//elsewhere.example/', '/'],
      ['https://elsewhere.example/', '/'],
      ['/\\elsewhere.example', '/'],
      ['/%09/elsewhere.example', '/'],
      ['/oauth2/logout', '/'],
    ];
    for (const [asked, expected] of returns) {
      const page = await browser.open(
        `${scene.url}/oauth2/login?return=${asked.includes('%') ? asked : encodeURIComponent(asked)}`,
      );
      assert.equal(page.url.href, scene.url + expected, asked);
    }
  });

  test('several tabs sign in at once, each to its own page', async () => {
    const browser = new Browser();
    const tabs = ['/one', '/two', '/three'];
    const begun = await Promise.all(tabs.map((path) => browser.visit(scene.url + path)));
    for (const [index, { headers }] of begun.entries()) {
      const page = await browser.open(headers.location ?? '');
      assert.equal(page.url.href, scene.url + tabs[index]);
    }
    assert.deepEqual([...browser.cookies(scene.url).keys()], [COOKIE]);
  });

  test('logins that were begun and left do not pile up', async () => {
    const browser = new Browser();
    for (let i = 0; i < 20; i++) await browser.visit(`${scene.url}/${i}`);
    assert.ok(browser.cookies(scene.url).size <= 7, String(browser.cookies(scene.url).size));
  });

  test('a callback that comes again does no harm', async () => {
    const browser = new Browser();
    const callback = await callbackUrl(browser, scene.url);
    const jar = browser.copy();
    const [one, other] = await Promise.all([browser.visit(callback, { from: 'cross-site' }), jar.visit(callback)]);
    // Two workers may each have had one; whoever was first has the session.
    assert.ok([one, other].some(({ status, headers }) => status === 302 && headers.location === '/cart'));
    const fresh = await signedIn(scene.url);
    const history = fresh.history.find((each) => each.includes('/oauth2/callback')) ?? '';
    const again = await fresh.visit(history);
    assert.equal(again.status, 302);
    assert.equal(again.headers.location, '/');
    assert.equal(fieldsOf(await fresh.visit(`${scene.url}/`))['x-who'], 'ada');
  });

  test('nobody is signed in by a callback that somebody else began', async () => {
    const attacker = new Browser();
    const callback = await callbackUrl(attacker, scene.url);
    const victim = new Browser();
    const answer = await victim.visit(callback, { from: 'cross-site' });
    assert.equal(answer.status, 400);
    assert.equal(codeOf(answer), 'login_expired');
    assert.deepEqual(setCookies(answer), []);

    // Nor by one for a login of their own with another's code: state, nonce and verifier are tied together.
    const own = await callbackUrl(victim, scene.url);
    own.searchParams.set('code', callback.searchParams.get('code') ?? '');
    const mixed = await victim.visit(own);
    assert.equal(codeOf(mixed), 'login_refused');
    assert.equal(victim.cookies(scene.url).get(COOKIE), undefined);
  });

  test('callbacks that are forged, broken or refused say so and nothing more', async () => {
    const cases: readonly (readonly [string, string, (url: URL) => void])[] = [
      ['login_failed', 'no state', (url) => url.searchParams.delete('state')],
      ['login_failed', 'two states', (url) => url.searchParams.append('state', 'a'.repeat(43))],
      ['login_expired', 'another state', (url) => url.searchParams.set('state', 'a'.repeat(43))],
      ['login_failed', 'another issuer', (url) => url.searchParams.set('iss', 'https://elsewhere.example')],
      ['login_failed', 'no issuer', (url) => url.searchParams.delete('iss')],
      ['login_failed', 'no code', (url) => url.searchParams.delete('code')],
      ['login_refused', 'another code', (url) => url.searchParams.set('code', 'made-up')],
      ['login_refused', 'an error', (url) => url.searchParams.set('error', 'access_denied')],
      ['identity_unavailable', 'an error of the provider', (url) => url.searchParams.set('error', 'server_error')],
    ];
    for (const [code, what, spoil] of cases) {
      const browser = new Browser();
      const callback = await callbackUrl(browser, scene.url);
      callback.searchParams.set('error_description', '<script>alert(1)</script>');
      spoil(callback);
      const answer = await browser.visit(callback, { from: 'cross-site' });
      assert.equal(codeOf(answer), code, what);
      assert.doesNotMatch(answer.body, /script|made-up|127\.0\.0\.1/);
      assert.equal(browser.cookies(scene.url).get(COOKIE), undefined, what);
    }
    const looked = await new Browser().visit(`${scene.url}/oauth2/callback`, { method: 'HEAD' });
    assert.equal(looked.status, 405);
  });

  test('a cookie that was changed is no session', async () => {
    const browser = await signedIn(scene.url);
    const good = browser.cookies(scene.url).get(COOKIE) ?? '';
    const at = Math.floor(good.length / 2);
    const forged = [
      `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`,
      good.slice(0, -4),
      `2${good.slice(1)}`,
      good.slice(2),
      '1.',
      '',
      `1.${'A'.repeat(200)}`,
    ];
    for (const text of forged) {
      browser.cookies(scene.url).set(COOKIE, text);
      const answer = await browser.script(`${scene.url}/`);
      assert.equal(answer.status, 401, text);
      assert.equal(codeOf(answer), 'credential_invalid');
      assert.match(setCookies(answer)[0] ?? '', new RegExp(`^${COOKIE}=; Max-Age=0; Path=/; HttpOnly`));
      // What is presented and wrong passes nowhere; the next request is without it.
      browser.cookies(scene.url).set(COOKIE, text);
      assert.equal((await browser.script(`${scene.url}/open`)).status, 401);
      assert.equal((await browser.script(`${scene.url}/open`)).status, 200);
      browser.cookies(scene.url).set(COOKIE, text);
      const page = await browser.visit(`${scene.url}/cart`);
      assert.ok(page.headers.location?.startsWith(`${scene.provider.url}/auth?`));
    }
    // A login's cookie is sealed for something else.
    const [name = ''] = [...browser.cookies(scene.url).keys()].filter((each) => each.includes('.login.'));
    browser.cookies(scene.url).set(COOKIE, `1.${browser.cookies(scene.url).get(name)}`);
    assert.equal((await browser.script(`${scene.url}/`)).status, 401);
  });

  test('pages of neighbours cannot use the session', async () => {
    const browser = await signedIn(scene.url);
    const sent = { method: 'POST', form: { amount: '1' } } as const;
    assert.equal((await browser.script(`${scene.url}/pay`, sent)).status, 200);
    for (const from of ['same-site', 'cross-site'] as const) {
      const answer = await browser.script(`${scene.url}/pay`, { ...sent, from });
      assert.equal(answer.status, 403);
      assert.equal(codeOf(answer), 'cross_site_request');
      assert.equal((await browser.script(`${scene.url}/look`, { from })).status, 200);
    }
  });
});

describe('oidc: the end of a session', () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene();
  });
  after(() => scene.close());

  test('a logout ends it here, at the provider, and wherever the cookie was copied to', async () => {
    const browser = await signedIn(scene.url);
    const copy = browser.copy();
    const answer = await browser.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'same-origin', form: {} });
    assert.equal(answer.status, 303);
    const to = new URL(answer.headers.location ?? '');
    assert.equal(to.origin + to.pathname, `${scene.provider.url}/session/end`);
    assert.equal(to.searchParams.get('post_logout_redirect_uri'), `${scene.url}/bye`);
    assert.equal(to.searchParams.get('id_token_hint')?.split('.').length, 3);
    assert.equal(browser.cookies(scene.url).size, 0);
    await until('every worker knows', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => copy.copy().script(`${scene.url}/`)));
      return answers.every((each) => each.status === 401 && codeOf(each) === 'credential_revoked');
    });
    const page = await browser.open(to);
    assert.equal(page.url.href, `${scene.url}/bye`);
    // The provider's own session is over too: it asks again who it is.
    const asked = browser.history.length;
    await browser.open(`${scene.url}/`);
    assert.ok(browser.history.slice(asked).filter((each) => each.includes('/interaction/')).length >= 3);
  });

  test('no other page can end it', async () => {
    const browser = await signedIn(scene.url);
    const posted = await browser.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'cross-site', form: {} });
    assert.equal(posted.status, 403);
    const linked = await browser.visit(`${scene.url}/oauth2/logout`, { from: 'cross-site' });
    assert.equal(linked.status, 200);
    assert.match(linked.body, /<form method="post"><button>Sign out/);
    assert.match(String(linked.headers['content-security-policy']), /frame-ancestors 'none'/);
    assert.equal((await browser.script(`${scene.url}/`)).status, 200);
    const own = await browser.visit(`${scene.url}/oauth2/logout`, { from: 'same-origin' });
    assert.equal(own.status, 303);
    const nobody = await new Browser().visit(`${scene.url}/oauth2/logout`, { from: 'cross-site' });
    assert.equal(nobody.headers.location, '/bye');
  });

  test('the provider can end it, and who signs in again is in again', async () => {
    const browser = await signedIn(scene.url, 'grace');
    const other = await signedIn(scene.url, 'alan');
    const before = scene.provider.count('POST /session/end/confirm');
    assert.equal((await browser.open(`${scene.provider.url}/session/end`)).status, 200);
    assert.equal(scene.provider.count('POST /session/end/confirm'), before + 1);
    await until('every worker knows', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => browser.copy().script(`${scene.url}/`)));
      return answers.every((each) => each.status === 401 && codeOf(each) === 'credential_revoked');
    });
    assert.equal((await other.script(`${scene.url}/`)).status, 200);
    assert.equal(fieldsOf(await browser.open(`${scene.url}/`))['x-who'], 'grace');
  });

  test('a page of the provider can end it, by its name and with its cookie only', async () => {
    const browser = await signedIn(scene.url);
    const out = await browser.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'same-origin', form: {} });
    const idToken = new URL(out.headers.location ?? '').searchParams.get('id_token_hint') ?? '';
    const { sid } = decodeJwt<{ sid: string }>(idToken);
    // The provider has not ended its own session, and knows this one by the same name.
    await browser.open(`${scene.url}/`);
    const copy = browser.copy();
    const address = (iss: string, sid: string): string =>
      `${scene.url}/oauth2/frontchannel-logout?${new URLSearchParams({ iss, sid })}`;
    for (const path of [address(scene.provider.url, 'another'), address('https://elsewhere.example', sid)]) {
      const answer = await browser.visit(path, { from: 'same-site' });
      assert.deepEqual([answer.status, answer.headers['set-cookie']], [200, undefined]);
    }
    assert.equal((await new Browser().visit(address(scene.provider.url, sid), { from: 'cross-site' })).status, 200);
    assert.equal((await browser.script(`${scene.url}/`)).status, 200);
    const ended = await browser.visit(address(scene.provider.url, sid), { from: 'same-site' });
    assert.deepEqual([ended.status, ended.headers['cache-control']], [200, 'no-store']);
    assert.equal((await browser.script(`${scene.url}/`)).status, 401);
    await until(
      'a copy of its cookie is of no use',
      async () => (await copy.copy().script(`${scene.url}/`)).status === 401,
    );
  });

  test('logout tokens that are none are refused', async () => {
    const browser = await signedIn(scene.url);
    const path = `${scene.url}/oauth2/backchannel-logout`;
    const forms: Record<string, string>[] = [
      {},
      { logout_token: '' },
      { logout_token: 'a.b.c' },
      { logout_token: 'x' },
    ];
    for (const form of forms) {
      const answer = await new Browser().script(path, { method: 'POST', form, from: 'cross-site' });
      assert.equal(answer.status, 400);
      assert.equal(codeOf(answer), 'logout_token_invalid');
    }
    const long = await new Browser().script(path, { method: 'POST', form: { logout_token: 'a'.repeat(40_000) } });
    assert.equal(long.status, 413);
    assert.equal((await browser.script(`${scene.url}/`)).status, 200);
    // An ID token is signed by the same keys, and must not do.
    const out = await browser.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'same-origin', form: {} });
    const idToken = new URL(out.headers.location ?? '').searchParams.get('id_token_hint') ?? '';
    const answer = await new Browser().script(path, { method: 'POST', form: { logout_token: idToken } });
    assert.equal(answer.status, 400);
  });
});
