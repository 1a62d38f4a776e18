import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream } from '../harness.ts';

/** A cache before services to which clients are bound by a cookie. */

const CONFIG = (urls: readonly string[]): string => `
upstreams:
  main: { targets: [${urls.join(', ')}], affinity: { cookie: seat } }
routes:
  /usual/*: { to: main, cache: true }
  /kept/*: { to: main, cache: { setCookie: keep } }
`;

describe('a cache before services to which clients are bound', () => {
  const upstreams: Upstream[] = [];
  let gateway: Gateway;

  before(async () => {
    for (let i = 0; i < 2; i++) {
      upstreams.push(
        await startUpstream((asked, response) => {
          response.setHeader('cache-control', 'max-age=60');
          if (asked.url?.endsWith('own') === true) response.setHeader('set-cookie', 'mine=1');
          response.end(`answer ${i}`);
        }),
      );
    }
    gateway = await startGateway(CONFIG(upstreams.map(({ url }) => url)));
  });
  after(async () => {
    await gateway?.stop();
    for (const upstream of upstreams) await upstream.close();
  });

  async function ask(path: string) {
    const answer = await fetch(gateway.url + path);
    await answer.text();
    return { status: answer.headers.get('cache-status') ?? '', cookies: answer.headers.getSetCookie() };
  }

  test('binds the client who was answered by one, and keeps what others may have', async () => {
    for (const path of ['/usual/a', '/kept/a', '/kept/own']) {
      const first = await ask(path);
      assert.equal(first.cookies.filter((line) => line.startsWith('seat=')).length, 1, path);
      const second = await ask(path);
      assert.match(second.status, /; hit/, path);
      assert.deepEqual(second.cookies, path.endsWith('own') ? ['mine=1'] : [], path);
    }
  });
});
