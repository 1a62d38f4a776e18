import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startGateway, until } from '../harness.ts';
import { type Answer, Browser } from '../support/browser.ts';
import {
  COOKIE,
  callbackUrl,
  codeOf,
  fieldsOf,
  type Scene,
  STARTED,
  setCookies,
  signedIn,
  startScene,
} from '../support/oidc-scene.ts';
import { startOpenIdProvider } from '../support/openid-provider.ts';

/** Sessions of browsers over time: refreshed, idle, and with their provider in trouble. */

describe('oidc: refreshing', () => {
  let scene: Scene;
  before(async () => {
    scene = await startScene({ accessTokenTtl: 4, more: '      forwardAccessToken: true' });
  });
  afterEach(() => {
    scene.provider.instead = null;
    scene.provider.accessTokenTtl = 4;
  });
  after(() => scene.close());

  const tokenOf = (answer: Answer): string => fieldsOf(answer).authorization ?? '';

  test('the service gets a fresh access token, by one request however many wait for it', async () => {
    const browser = await signedIn(scene.url);
    const before = scene.provider.count('POST /token');
    const batch = (): Promise<Answer[]> =>
      Promise.all(Array.from({ length: 8 }, () => browser.copy().script(`${scene.url}/`)));
    // The next one lasts.
    scene.provider.accessTokenTtl = 3600;
    scene.provider.roles = ['editor', 'owner'];
    await until('the access token is about to end', async () => {
      for (const answer of await batch()) assert.match(tokenOf(answer), /^Bearer \S+$/);
      return scene.provider.count('POST /token') > before;
    });
    // With the old cookie, on connections to both workers: nobody uses the refresh token again.
    const answers = await batch();
    for (const answer of answers) {
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
