import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { redisMissing, startRedis, type TestRedis } from '../support/redis.ts';

describe('machines that share a store', { skip: redisMissing }, () => {
  let redis: TestRedis;
  let upstream: Upstream;
  let one: Gateway;
  let other: Gateway;

  before(async () => {
    redis = await startRedis();
    upstream = await startUpstream((asked, response) => {
      response.setHeader('cache-tag', 'things');
      if (asked.url?.startsWith('/vary')) response.setHeader('vary', 'x-variant');
      response.end(`${asked.url} ${asked.headers['x-variant'] ?? ''}`);
    });
    const config = `
stores: { shared: { redis: "redis://127.0.0.1:${redis.port}", timeout: 500ms, cache: true } }
routes:
  /*: { to: ${upstream.url}, cache: { ttl: 60s, purge: { when: "client.ip == '127.0.0.1'" } } }
`;
    one = await startGateway(config);
    other = await startGateway(config);
    // Both have found their way to it.
    await until('responses are shared', async () => {
      const path = `/probe/${Math.random()}`;
      await get(one, path);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return (await get(other, path)).isHit;
    });
  });
  after(async () => {
    await one?.stop();
    await other?.stop();
    await upstream?.close();
    await redis?.[Symbol.asyncDispose]();
  });

  async function get(
    gateway: Gateway,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<{ body: string; isHit: boolean }> {
    // The same public URL on both, as behind a balancer: `fetch` would not set a host.
    const { request } = await import('node:http');
    return new Promise((resolve, reject) => {
      request(gateway.url + path, { headers: { host: 'shop.example', ...headers }, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.once('end', () =>
          resolve({ body, isHit: String(response.headers['cache-status']).startsWith('Sluice; hit') }),
        );
      })
        .once('error', reject)
        .end();
    });
  }

  test('ask a service once', async () => {
    await get(one, '/shared');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(await get(other, '/shared'), { body: '/shared ', isHit: true });
    assert.equal(upstream.requests.filter(({ url }) => url === '/shared').length, 1);
    await get(one, '/vary', { 'x-variant': 'a' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(await get(other, '/vary', { 'x-variant': 'a' }), { body: '/vary a', isHit: true });
    assert.equal((await get(other, '/vary', { 'x-variant': 'b' })).isHit, false);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await get(one, '/vary', { 'x-variant': 'b' })).isHit, true);
  });

  test('purge everywhere, within a second', async () => {
    for (const gateway of [one, other]) await get(gateway, '/purged');
    const { body } = await one.admin('POST', '/cache/purge', { tags: ['things'] });
    assert.equal((body as { told: boolean }).told, true);
    const started = performance.now();
    await until('the other one has purged it', async () => {
      const before = upstream.requests.length;
      await get(other, '/purged');
      return upstream.requests.length > before;
    });
    assert.ok(performance.now() - started < 5_000);
  });

  test('go on each on its own while it is away, and then catch up', async () => {
    await get(one, '/away');
    await redis.kill();
    assert.equal((await get(one, '/away')).isHit, true);
    assert.equal((await get(one, '/alone')).isHit, false);
    const purged = await one.admin('POST', '/cache/purge', { url: 'http://shop.example/away' });
    assert.equal((purged.body as { told: boolean }).told, false);
    assert.equal((await get(one, '/away')).isHit, false);
    await get(other, '/away');
    await redis.start();
    await until('the other one has heard of it', async () => !(await get(other, '/away')).isHit);
  });
});
