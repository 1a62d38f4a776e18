import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Endpoint } from '../../src/plan/upstream.ts';
import { freePort } from '../harness.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { handUpstream } from '../support/plan.ts';
import { readRequests } from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import { ask, type Stage, stage } from '../support/stage.ts';

/** Which of an upstream's endpoints a call goes to, and what becomes of it when that one cannot be reached. */

describe('endpoints', () => {
  test('share the calls', async () => {
    await using it = await stage({}, 2);
    for (let i = 0; i < 10; i++) await ask(it.runtime.port);
    assert.deepEqual(requestCounts(it), [5, 5]);
  });

  test('that refuse leave their calls to the next, bodies included', async () => {
    await using it = await stage({}, 1);
    const dead = await Promise.all([freePort(), freePort()]);
    const urls = [...dead.map((port) => `http://127.0.0.1:${port}`), it.upstreams[0]?.url as string];
    using runtime = await startRuntime({ upstreams: urls });
    const post = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello';
    for (let i = 0; i < 6; i++) assert.equal((await ask(runtime.port, post)).status, 200);
    const received = readRequests(it.upstreams[0]?.connections[0]?.bytes as Buffer).requests;
    assert.deepEqual(
      received.map(({ body }) => body.toString()),
      Array(6).fill('hello'),
    );
  });

  test('all down: 502', async () => {
    const urls = await Promise.all([freePort(), freePort()].map(async (port) => `http://127.0.0.1:${await port}`));
    using runtime = await startRuntime({ upstreams: urls });
    const answer = await ask(runtime.port);
    assert.deepEqual([answer.status, answer.code], [502, 'upstream_connect_failed']);
  });

  test('names are resolved, and a name that is unknown is 502', async () => {
    await using it = await stage({});
    using known = await startRuntime({ upstreams: `http://localhost:${it.upstreams[0]?.port}` });
    assert.equal((await ask(known.port)).status, 200);
    using unknown = await startRuntime({ upstreams: 'http://nobody.invalid' });
    assert.equal((await ask(unknown.port)).code, 'upstream_connect_failed');
  });

  test('that leave a connection unanswered: the next one in time, 504 without one', async () => {
    const hole = await startBlackHole();
    try {
      await using it = await stage({});
      using beside = await startRuntime({
        upstreams: [hole.url, it.upstreams[0]?.url as string],
        upstreamOptions: { connectTimeout: 200 },
      });
      for (let i = 0; i < 4; i++) assert.equal((await ask(beside.port)).status, 200);
      using alone = await startRuntime({ upstreams: hole.url, upstreamOptions: { connectTimeout: 200 } });
      const answer = await ask(alone.port);
      assert.deepEqual([answer.status, answer.code], [504, 'upstream_connect_timeout']);
    } finally {
      hole.close();
    }
  });

  test('of unequal weight get unequal shares, evenly spread', async () => {
    await using it = await stage({}, 3);
    const endpoints = handUpstream(it.upstreams.map(({ url }) => url)).endpoints.map((endpoint, index) => ({
      ...endpoint,
      weight: [5, 1, 2][index] as number,
    }));
    const order: number[] = [];
    using runtime = await startRuntime({ upstreams: 'http://unused.invalid', upstreamOptions: { endpoints } });
    for (let i = 0; i < 16; i++) {
      const before = requestCounts(it);
      await ask(runtime.port);
      order.push(requestCounts(it).findIndex((count, index) => count > (before[index] as number)));
    }
    assert.deepEqual(order, [0, 2, 0, 0, 1, 0, 2, 0, 0, 2, 0, 0, 1, 0, 2, 0]);
  });

  test('a path of an endpoint goes before that of the request', async () => {
    await using it = await stage({});
    const [endpoint] = handUpstream([it.upstreams[0]?.url as string]).endpoints;
    using runtime = await startRuntime({
      upstreams: 'http://unused.invalid',
      upstreamOptions: { endpoints: [{ ...(endpoint as Endpoint), basePath: '/base' }] },
    });
    await ask(runtime.port, 'GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal(readRequests(it.upstreams[0]?.connections[0]?.bytes as Buffer).requests[0]?.target, '/base/x?y');
  });
});

function requestCounts({ upstreams }: Stage): number[] {
  return upstreams.map(({ connections }) =>
    connections.reduce((sum, { bytes }) => sum + readRequests(bytes).requests.length, 0),
  );
}
