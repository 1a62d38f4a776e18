import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { freePort, type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { type Answer, Browser } from '../support/browser.ts';
import { CLIENT, type OpenIdProvider, startOpenIdProvider } from '../support/openid-provider.ts';

/** Browsers that sign in at a real provider, through a whole gateway with two workers. */

const COOKIE = 'sluice-shopWeb';
const COOKIE_SECRET = 'a-cookie-secret-of-more-than-32-characters';

interface Scene {
  readonly url: string;
  readonly gateway: Gateway;
  readonly provider: OpenIdProvider;
  readonly shop: Upstream;
  close(): Promise<void>;
}

interface SceneOptions {
  readonly accessTokenTtl?: number;
  readonly more?: string;
  readonly session?: string;
}

async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const provider = await startOpenIdProvider({ gateway: url, accessTokenTtl: options.accessTokenTtl ?? 3600 });
  // It says which fields arrived.
  const shop = await startUpstream((request, response) => {
    request.resume();
    response.setHeader('cache-control', 'public, max-age=60');
    response.end(JSON.stringify(request.headers));
  });
  const scene = { url, provider, shop };
  const close = async (): Promise<void> => {
    await Promise.all([provider.close(), shop.close()]);
  };
  try {
    const gateway = await startGateway(configOf(scene, options), STARTED);
    return { ...scene, gateway, close: () => Promise.all([gateway.stop(), close()]).then(() => undefined) };
  } catch (error) {
    await close();
    throw error;
  }
}

const STARTED = { workers: 2, env: { CLIENT_SECRET: CLIENT.secret, COOKIE_SECRET } };

function configOf({ url, provider, shop }: Pick<Scene, 'url' | 'provider' | 'shop'>, options: SceneOptions): string {
  return `
listen: 127.0.0.1:${new URL(url).port}
upstreams: { shop: ${shop.url} }
auth:
  shopWeb:
    oidc:
      issuer: ${provider.url}
      clientId: ${CLIENT.id}
      clientSecret: "\${env:CLIENT_SECRET}"
      cookieSecret: "\${env:COOKIE_SECRET}"
      scopes: [profile, offline_access]
      parameters: { prompt: consent }
      postLogoutRedirect: /bye
      timeout: 2s
      session: ${options.session ?? '{}'}
${options.more ?? ''}
defaults:
  accessLog: { headers: [cookie, x-who], responseHeaders: [set-cookie] }
  request: { headers: { set: { x-who: "{identity.id}", x-roles: "{identity.roles}", x-scopes: "{identity.scopes}" } } }
routes:
  /bye: { auth: public, request: false, respond: { body: bye } }
  /open: { auth: { methods: shopWeb, optional: true }, to: shop }
  /editors: { auth: shopWeb, authorize: { roles: editor }, to: shop }
  /*: { auth: shopWeb, to: shop }
`;
}

function codeOf({ body }: Answer): unknown {
  return (JSON.parse(body) as { code?: unknown }).code;
}

function fieldsOf({ status, body }: Answer): Record<string, string> {
  assert.equal(status, 200, body);
  return JSON.parse(body);
}

function setCookies({ headers }: Answer): string[] {
  return headers['set-cookie'] ?? [];
}

async function signedIn(url: string, user?: string): Promise<Browser> {
  const browser = new Browser(user);
  assert.equal((await browser.open(`${url}/`)).status, 200);
  return browser;
}

/** Up to the provider's last redirect: the address with the code, not yet asked for. */
async function callbackUrl(browser: Browser, url: string): Promise<URL> {
  const scout = browser.copy();
  const first = await browser.visit(`${url}/cart`);
  scout.jar.clear();
  let answer = await scout.visit(first.headers.location ?? '');
  for (;;) {
    const { location } = answer.headers;
    if (location?.startsWith(url)) return new URL(location);
    const action = /<form[^>]* action="([^"]*)"/.exec(answer.body)?.[1];
    const prompt = /name="prompt" value="([^"]*)"/.exec(answer.body)?.[1] ?? '';
    answer =
      location !== undefined
        ? await scout.visit(new URL(location, answer.url))
        : await scout.visit(new URL(action ?? '', answer.url), { method: 'POST', form: { prompt, login: 'ada' } });
  }
}

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

describe('oidc: refreshing', () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ accessTokenTtl: 4, more: '      forwardAccessToken: true' });
  });
  afterEach(() => {
    scene.provider.instead = null;
  });
  after(() => scene.close());

  const tokenOf = (answer: Answer): string => fieldsOf(answer).authorization ?? '';

  test('the service gets a fresh access token, by one request however many wait for it', async () => {
    const browser = await signedIn(scene.url);
    const first = tokenOf(await browser.script(`${scene.url}/`));
    assert.match(first, /^Bearer \S+$/);
    const before = scene.provider.count('POST /token');
    scene.provider.roles = ['editor', 'owner'];
    await until('the access token is about to end', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => browser.copy().script(`${scene.url}/`)));
      return answers.some((each) => tokenOf(each) !== first);
    });
    // With the old cookie, on connections to both workers: nobody uses the refresh token again.
    const answers = await Promise.all(Array.from({ length: 8 }, () => browser.copy().script(`${scene.url}/`)));
    for (const answer of answers) {
      assert.notEqual(tokenOf(answer), first);
      assert.match(setCookies(answer)[0] ?? '', new RegExp(`^${COOKIE}=1\\.`));
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
    assert.equal(new Set(answers.map(tokenOf)).size, 1);
    assert.equal(scene.provider.count('POST /token'), before + 1);
    const renewed = await browser.script(`${scene.url}/`);
    assert.equal(fieldsOf(renewed)['x-roles'], 'editor,owner');
    assert.deepEqual(setCookies(await browser.script(`${scene.url}/`)), []);
  });

  test('sessions go on while the provider does not answer', async () => {
    const browser = await signedIn(scene.url);
    scene.provider.instead = (_request, response) => response.writeHead(503).end();
    const before = scene.provider.count('POST /token');
    await until('a refresh fails', async () => {
      assert.equal((await browser.script(`${scene.url}/`)).status, 200);
      return scene.provider.count('POST /token') > before;
    });
    assert.equal((await browser.script(`${scene.url}/`)).status, 200);
  });

  test('who may no longer is out once the access token has ended', async () => {
    const browser = await signedIn(scene.url);
    scene.provider.instead = (_request, response) =>
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
    const last = await until('the session ends', async () => {
      const answer = await browser.copy().script(`${scene.url}/`);
      return answer.status === 401 && answer;
    });
    assert.equal(codeOf(last), 'credential_revoked');
    scene.provider.instead = null;
    assert.equal(fieldsOf(await browser.open(`${scene.url}/`))['x-who'], 'ada');
  });
});

describe('oidc: trouble', () => {
  test('without the provider sessions go on and logins wait; a restart forgets nothing', async () => {
    const scene = await startScene({ session: '{ ttl: 1h, idle: 30m }' });
    try {
      const browser = await signedIn(scene.url);
      const left = await signedIn(scene.url, 'left');
      const copy = left.copy();
      await left.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'same-origin', form: {} });
      const arriving = new Browser();
      const callback = await callbackUrl(arriving, scene.url);
      await scene.provider.close();

      assert.equal(fieldsOf(await browser.script(`${scene.url}/`))['x-who'], 'ada');
      const early = await arriving.visit(callback);
      assert.equal(early.status, 503);
      assert.equal(codeOf(early), 'identity_unavailable');
      assert.equal(early.headers['retry-after'], '5');

      scene.gateway.signal('SIGTERM');
      await scene.gateway.exited;
      await using again = await startGateway('', { ...STARTED, like: scene.gateway });
      assert.equal(fieldsOf(await browser.script(`${scene.url}/`))['x-who'], 'ada');
      assert.equal(codeOf(await copy.script(`${scene.url}/`)), 'credential_revoked');
      const begun = await new Browser().open(`${scene.url}/cart`);
      assert.equal(begun.url.pathname, '/oauth2/login');
      assert.equal(begun.status, 503);
      assert.equal(codeOf(begun), 'identity_unavailable');
      assert.match(again.stderr, /shopWeb: the provider cannot be found/);
      const out = await browser.visit(`${scene.url}/oauth2/logout`, { method: 'POST', from: 'same-origin', form: {} });
      assert.equal(out.headers.location, '/bye');

      const port = Number(new URL(scene.provider.url).port);
      const provider = await startOpenIdProvider({ gateway: scene.url, port });
      try {
        await until('somebody can sign in', async () => (await new Browser().open(`${scene.url}/cart`)).status === 200);
      } finally {
        await provider.close();
      }
    } finally {
      await scene.close();
    }
  });

  test('sessions end after a time without requests, and go on with them', async () => {
    const scene = await startScene({ session: '{ ttl: 1h, idle: 2s }' });
    try {
      const browser = await signedIn(scene.url);
      const idle = browser.copy();
      const begun = performance.now();
      await until('twice the time has passed', async () => {
        assert.equal((await browser.script(`${scene.url}/`)).status, 200);
        return performance.now() - begun > 4000;
      });
      assert.equal(codeOf(await idle.script(`${scene.url}/`)), 'credential_expired');
      assert.equal(idle.cookies(scene.url).size, 0);
    } finally {
      await scene.close();
    }
  });
});
