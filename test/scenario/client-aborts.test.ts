import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HeaderBlock } from '../../src/base/headers.ts';
import { Reply } from '../../src/plan/reply.ts';
import { until } from '../harness.ts';
import { handRoute } from '../support/plan.ts';
import { connectRaw, OK, type RawPeer } from '../support/raw.ts';
import { openScene } from '../support/scene.ts';

/** Clients that go away, or only end their sending side: nobody works on for nobody, and nobody is cut off early. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const POST_HALF = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ';
const HEAD_OF_10 = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n';

const leaving: [how: string, leave: (client: RawPeer) => void][] = [
  ['resets', (client) => client.reset()],
  ['closes', (client) => client.destroy()],
];

for (const [how, leave] of leaving) {
  describe(`a client that ${how}`, () => {
    test('before the response cancels the call', async () => {
      await using scene = await openScene({ limits: { halfCloseTimeout: 100 } });
      scene.client.send(GET);
      const { server } = await scene.asked();
      leave(scene.client);
      await server.untilClosed();
      await scene.idle();
    });

    test('in the middle of its body cancels the call', async () => {
      await using scene = await openScene();
      scene.client.send(POST_HALF);
      const server = await scene.server();
      await server.until('half of it', ({ text }) => text.endsWith('half '));
      leave(scene.client);
      await server.untilClosed();
      await scene.idle();
    });

    test('in the middle of the response cancels the call', async () => {
      await using scene = await openScene({ limits: { halfCloseTimeout: 100 } });
      scene.client.send(GET);
      const { server } = await scene.asked();
      server.send(`${HEAD_OF_10}half `);
      await scene.client.until('half of it', ({ text }) => text.endsWith('half '));
      leave(scene.client);
      await until('the upstream sees the end', () => {
        // A closed client is only told from a half-closed one by what it does with bytes.
        if (!server.closed && !server.ended) server.send('.');
        return server.closed || server.ended;
      });
      await scene.idle();
    });

    test('while its response waits for it cancels the call', async () => {
      await using scene = await openScene({ limits: { halfCloseTimeout: 100 } });
      scene.client.socket.pause();
      scene.client.send(GET);
      const { server } = await scene.asked();
      server.send(`HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n`);
      server.send(Buffer.alloc(30_000_000));
      await until('the gateway has stopped reading', () => server.socket.writableLength > 0);
      leave(scene.client);
      await server.untilClosed();
      await scene.idle();
    });

    test('while its request waits for a connection gives up its place', async () => {
      await using scene = await openScene({
        upstreamOptions: { maxConnections: 1 },
        limits: { halfCloseTimeout: 100 },
      });
      scene.client.send(GET);
      const { server } = await scene.asked();
      const second = await connectRaw(scene.runtime.port);
      second.send(GET);
      await until('both are active', () => scene.runtime.server.active === 2);
      leave(second);
      await until('one is left', () => scene.runtime.server.active === 1);
      server.send(OK);
      assert.equal((await scene.client.response()).status, 200);
      await scene.idle();
      assert.equal(scene.upstream.connections.length, 1);
    });
  });
}

describe('a client that ends its sending side', () => {
  test('gets the answer that comes in time', async () => {
    await using scene = await openScene({ limits: { halfCloseTimeout: 5_000 } });
    scene.client.end(GET);
    const { server } = await scene.asked();
    server.send(`${HEAD_OF_10}0123456789`);
    assert.equal((await scene.client.response()).body.toString(), '0123456789');
    await scene.client.untilClosed();
    await scene.idle();
  });

  test('is taken for gone when none comes', async () => {
    await using scene = await openScene({ limits: { halfCloseTimeout: 100 } });
    scene.client.end(GET);
    const { server } = await scene.asked();
    await server.untilClosed();
    await scene.client.untilClosed();
    assert.equal(scene.client.text, '');
    await scene.idle();
  });

  test('gets an answer that has begun to its end, however long that takes', async () => {
    await using scene = await openScene({ limits: { halfCloseTimeout: 100 } });
    scene.client.end(GET);
    const { server } = await scene.asked();
    server.send(HEAD_OF_10);
    for (const digit of '0123456789') {
      await new Promise((resolve) => setTimeout(resolve, 40));
      server.send(digit);
    }
    assert.equal((await scene.client.response()).body.toString(), '0123456789');
  });

  test('gets the answers to all that it had asked', async () => {
    await using scene = await openScene();
    scene.client.end(GET + GET + GET);
    for (let count = 1; count <= 3; count++) {
      const { server } = await scene.asked(0, count);
      server.send(OK);
    }
    assert.equal((await scene.client.responses(3)).length, 3);
    await scene.client.untilClosed();
    await scene.idle();
  });

  test('in the middle of a request gets no answer to it', async () => {
    await using scene = await openScene();
    scene.client.end(`${GET}GET / HTT`);
    const { server } = await scene.asked();
    server.send(OK);
    assert.equal((await scene.client.response()).status, 200);
    await scene.client.untilClosed();
    assert.equal((await scene.client.responses(1)).length, 1);
    await until('the connection is gone', () => scene.runtime.server.connections === 0);
  });

  test('gets a large answer although it reads it slowly', async () => {
    const body = Buffer.alloc(4_000_000, 'x');
    const route = handRoute({
      dispatch: () => assert.fail('not asked'),
      request: [{ phase: 'guard', run: () => fixed(body) }],
    });
    await using scene = await openScene({ routes: () => ({ '/*': route }), limits: { halfCloseTimeout: 100 } });
    scene.client.socket.pause();
    scene.client.end(GET);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    scene.client.socket.resume();
    assert.equal((await scene.client.response()).body.length, body.length);
  });
});

function fixed(body: Buffer): Reply {
  return new Reply(200, HeaderBlock.of([]), body);
}

test('a slow reader of a closing connection gets all that was written for it', async () => {
  const body = Buffer.alloc(4_000_000, 'x');
  const route = handRoute({
    dispatch: () => assert.fail('not asked'),
    request: [{ phase: 'guard', run: () => fixed(body) }],
  });
  await using scene = await openScene({ routes: () => ({ '/*': route }) });
  scene.client.socket.pause();
  scene.client.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  scene.client.socket.resume();
  assert.equal((await scene.client.response()).body.length, body.length);
  await until('the connection is gone', () => scene.runtime.server.connections === 0);
});
