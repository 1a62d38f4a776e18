import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../harness.ts';
import { OK, type RawPeer, readResponses } from '../support/raw.ts';
import { openScene } from '../support/scene.ts';
import type { StrictResponse } from '../support/strict-http.ts';

/** Upstreams that break off, babble, or fall silent: the client can always tell, and never waits for ever. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

function codeOf(response: StrictResponse): string {
  assert.equal(response.field('content-type'), 'application/problem+json');
  return (JSON.parse(response.body.toString()) as { code: string }).code;
}

/** The connection has ended, and no response on it can be taken for complete. */
async function brokenOff(client: RawPeer): Promise<void> {
  await client.untilClosed();
  assert.deepEqual(readResponses(client.bytes, [], true), []);
}

describe('an upstream that ends before its head', () => {
  for (const how of ['end', 'destroy', 'reset'] as const) {
    test(`by ${how}: 502, and the client's connection lives`, async () => {
      await using scene = await openScene();
      scene.client.send(GET);
      const { server } = await scene.asked();
      server[how]();
      const answer = await scene.client.response();
      assert.deepEqual([answer.status, codeOf(answer)], [502, 'upstream_reset']);
      scene.client.send(GET);
      const again = await scene.asked(1);
      again.server.send(OK);
      assert.equal((await scene.client.responses(2))[1]?.status, 200);
    });
  }

  test('in the middle of it: 502', async () => {
    await using scene = await openScene();
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.end('HTTP/1.1 200 OK\r\ncontent-le');
    assert.equal(codeOf(await scene.client.response()), 'upstream_malformed');
  });
});

describe('an upstream that ends inside its body', () => {
  const breaks: [what: string, text: string, request?: string][] = [
    ['a length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf '],
    ['chunks', `${CHUNKED}5\r\nhalf \r\n`],
    ['a chunk', `${CHUNKED}a\r\nhalf `],
    ['a chunk size', `${CHUNKED}5\r\nhalf \r\n1`],
    ['the last chunk', `${CHUNKED}5\r\nhalf \r\n0\r\n`],
    ['trailers', `${CHUNKED}5\r\nhalf \r\n0\r\nx-sum`],
  ];
  for (const [what, text] of breaks) {
    for (const how of ['end', 'reset'] as const) {
      test(`of ${what} by ${how}: the client's response stays visibly incomplete`, async () => {
        await using scene = await openScene();
        scene.client.send(GET);
        const { server } = await scene.asked();
        server.send(text);
        await scene.client.until('what there is', (client) => client.text.includes('half '));
        server[how]();
        await brokenOff(scene.client);
        await scene.idle();
      });
    }
  }

  test('makes a reset of it for a client that knows the end only by the connection', async () => {
    await using scene = await openScene();
    scene.client.send('GET / HTTP/1.0\r\nhost: a\r\n\r\n');
    const { server } = await scene.asked();
    server.send(`${CHUNKED}5\r\nhalf \r\n`);
    await scene.client.until('what there is', ({ text }) => text.includes('half '));
    server.end();
    await scene.client.untilClosed();
    assert.equal(scene.client.ended, false);
    await scene.client.until('the reset', ({ error }) => error !== null);
  });
});

describe('an upstream that talks no HTTP', () => {
  const garbage: [what: string, text: string | Buffer][] = [
    ['another protocol', '220 mail.example ESMTP\r\n'],
    ['binary', Buffer.from([0x16, 0x03, 0x01, 0, 1, 2, 3, 4])],
    ['both framings', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an unasked 101', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
  ];
  for (const [what, text] of garbage) {
    test(`but ${what}: 502, and its connection is dropped`, async () => {
      await using scene = await openScene();
      scene.client.send(GET);
      const { server } = await scene.asked();
      server.send(text);
      const answer = await scene.client.response();
      assert.deepEqual([answer.status, codeOf(answer)], [502, 'upstream_malformed']);
      await server.untilClosed();
    });
  }

  test('from the middle of its chunks on: the response stays incomplete', async () => {
    await using scene = await openScene();
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send(`${CHUNKED}5\r\nhalf \r\nzz\r\n`);
    await brokenOff(scene.client);
    await server.untilClosed();
  });
});

describe('an upstream that takes too long', () => {
  const limits = { headTimeout: 200, idleTimeout: 200 };

  async function timedOut(client: RawPeer): Promise<void> {
    const answer = await client.response();
    assert.deepEqual([answer.status, codeOf(answer)], [504, 'upstream_timeout']);
  }

  test('for its head: 504', async () => {
    for (const request of [GET, POST]) {
      await using scene = await openScene({ upstreamOptions: limits });
      scene.client.send(request);
      const { server } = await scene.asked();
      await timedOut(scene.client);
      await server.untilClosed();
    }
  });

  test('for the rest of its head: 504', async () => {
    await using scene = await openScene({ upstreamOptions: limits });
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 O');
    await timedOut(scene.client);
  });

  test('inside its body: the response stays incomplete', async () => {
    await using scene = await openScene({ upstreamOptions: limits });
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send(`${CHUNKED}5\r\nhalf \r\n`);
    await brokenOff(scene.client);
    await server.untilClosed();
  });

  test('to take a request body: 504', async () => {
    await using scene = await openScene({
      upstreamOptions: limits,
      onConnection: ({ socket }) => socket.pause(),
    });
    scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n');
    scene.client.send(Buffer.alloc(50_000_000));
    await timedOut(scene.client);
    await scene.idle();
  });

  test('in all: 504 before the head, an incomplete response after it', async () => {
    await using scene = await openScene({ upstreamOptions: { totalTimeout: 300 } });
    scene.client.send(GET);
    await timedOut(scene.client);
    scene.client.send(GET);
    const { server } = await scene.asked(1);
    server.send('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
    const drip = setInterval(() => server.send('.'), 20);
    await scene.client.untilClosed();
    clearInterval(drip);
    assert.equal((await scene.client.responses(1)).length, 1);
    await server.untilClosed();
  });

  test('but a client that reads slowly is not the upstream being late', async () => {
    // Longer than a busy machine needs for one piece of it.
    await using scene = await openScene({ upstreamOptions: { ...limits, idleTimeout: 1_000 } });
    scene.client.socket.pause();
    scene.client.send(GET);
    const { server } = await scene.asked();
    const body = Buffer.alloc(30_000_000, 'x');
    server.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
    server.send(body);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    scene.client.socket.resume();
    await until('all of it', () => scene.client.received > body.length);
    assert.equal((await scene.client.response()).body.length, body.length);
  });

  test('nor is a client that sends slowly', async () => {
    await using scene = await openScene({ upstreamOptions: limits });
    scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe');
    await new Promise((resolve) => setTimeout(resolve, 600));
    scene.client.send('llo');
    const { server } = await scene.asked();
    server.send(OK);
    assert.equal((await scene.client.response('POST')).status, 200);
  });
});
