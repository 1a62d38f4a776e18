import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, until } from '../harness.ts';
import { redisMissing, startRedis } from '../support/redis.ts';

/** Two gateways that share a Redis: one limit between them, and each of them for itself when it is gone. */

const LIMIT = 20;

function config(port: number, onFailure = 'local'): string {
  return `stores: { shared: { redis: "redis://127.0.0.1:${port}", onFailure: ${onFailure}, timeout: 2s } }
routes:
  GET /limited: { respond: 204, limits: { all: { rate: ${LIMIT}/h, by: route } } }
`;
}

async function accepted(gateways: readonly Gateway[], attempts: number): Promise<number> {
  let count = 0;
  for (let i = 0; i < attempts; i++) {
    const gateway = gateways[i % gateways.length] as Gateway;
    const { status } = await fetch(`${gateway.url}/limited`);
    assert.ok(status === 204 || status === 429, String(status));
    if (status === 204) count++;
  }
  return count;
}

async function storeOf(gateway: Gateway): Promise<Status['limitStore']> {
  return ((await gateway.admin('GET', '/status')).body as Status).limitStore;
}

function inOrder(gateway: Gateway): Promise<true> {
  return until('limits are decided in Redis', async () => (await storeOf(gateway))?.state === 'closed');
}

describe('limits across machines', { skip: redisMissing }, () => {
  it('are one limit, however the requests are spread', async () => {
    await using redis = await startRedis();
    await using one = await startGateway(config(redis.port), { workers: 2 });
    await using two = await startGateway(config(redis.port));
    await inOrder(one);
    await inOrder(two);
    assert.equal(await accepted([one, two], 3 * LIMIT), LIMIT);
    assert.match(await (await fetch(`${one.adminUrl}/metrics`)).text(), /^sluice_ratelimit_store_up 1$/m);
  });

  it('go on when Redis is killed: no error, and no machine grants more than the limit', async () => {
    await using redis = await startRedis();
    await using gateway = await startGateway(config(redis.port));
    await inOrder(gateway);
    await redis.kill();
    const granted = await accepted([gateway], 3 * LIMIT);
    assert.ok(granted >= 1 && granted <= LIMIT, String(granted));
    assert.notEqual((await storeOf(gateway))?.state, 'closed');
  });

  it('refuse with 503 where that is what was chosen', async () => {
    await using redis = await startRedis();
    await using gateway = await startGateway(config(redis.port, 'deny'));
    await inOrder(gateway);
    assert.equal((await fetch(`${gateway.url}/limited`)).status, 204);
    await redis.kill();
    const refused = await until('it is noticed', async () => {
      const response = await fetch(`${gateway.url}/limited`);
      return response.status === 503 ? response : null;
    });
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  });
});
