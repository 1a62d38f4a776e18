import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../harness.ts';
import { answering, connectRaw, OK } from '../support/raw.ts';
import { openScene } from '../support/scene.ts';

/** The life of a client's connection: how long it may wait, how much it may ask, how many there may be. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const onConnection = answering(() => OK);

describe('a connection', () => {
  test('without a request for too long ends without a word', async () => {
    await using scene = await openScene({ limits: { headTimeout: 100 } });
    await scene.client.untilClosed();
    assert.equal(scene.client.text, '');
  });

  test('with the beginning of one is told 408', async () => {
    for (const beginning of ['G', 'GET / HTTP/1.1\r\nhost: a\r\n']) {
      await using scene = await openScene({ limits: { headTimeout: 200 } });
      scene.client.send(beginning);
      const answer = await scene.client.response();
      assert.deepEqual([answer.status, answer.field('connection')], [408, 'close']);
      await scene.client.untilClosed();
    }
  });

  test('that drips its head has no more time for it than another', async () => {
    await using scene = await openScene({ limits: { headTimeout: 300 } });
    const drip = setInterval(() => scene.client.send('x'), 20);
    const answer = await scene.client.response();
    clearInterval(drip);
    assert.equal(answer.status, 408);
  });

  test('between requests may be idle for another time, then ends without a word', async () => {
    await using scene = await openScene({ limits: { headTimeout: 100, idleTimeout: 1_500 }, onConnection });
    scene.client.send(GET);
    const { end } = await scene.client.response();
    await new Promise((resolve) => setTimeout(resolve, 250));
    scene.client.send(GET);
    await scene.client.responses(2);
    await scene.client.untilClosed();
    assert.equal(scene.client.received, 2 * end);
  });

  test('whose second request does not arrive whole is told 408 as well', async () => {
    await using scene = await openScene({ limits: { headTimeout: 200 }, onConnection });
    scene.client.send(`${GET}GET / HT`);
    const [first, second] = await scene.client.responses(2);
    assert.deepEqual([first?.status, second?.status], [200, 408]);
  });

  test('whose body stops is told 408, and the call is cancelled', async () => {
    for (const framing of ['content-length: 10\r\n\r\nhalf ', 'transfer-encoding: chunked\r\n\r\n5\r\nhalf \r\n']) {
      await using scene = await openScene({ limits: { bodyTimeout: 200 } });
      scene.client.send(`POST / HTTP/1.1\r\nhost: a\r\n${framing}`);
      const server = await scene.server();
      const answer = await scene.client.response('POST');
      assert.deepEqual([answer.status, answer.field('connection')], [408, 'close']);
      await server.untilClosed();
      await scene.idle();
    }
  });

  test('that leaves its response untaken for too long is closed, and the call is cancelled', async () => {
    await using scene = await openScene({ limits: { writeTimeout: 300 } });
    scene.client.socket.pause();
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send('HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n');
    server.send(Buffer.alloc(60_000_000));
    await server.untilClosed();
    await scene.idle();
    await until('it is gone', () => scene.runtime.server.connections === 0);
  });

  test('serves a number of requests, and says so with the last', async () => {
    await using scene = await openScene({ limits: { maxRequestsPerConnection: 3 }, onConnection });
    scene.client.send(GET + GET + GET + GET);
    const answers = await scene.client.responses(3);
    assert.deepEqual(
      answers.map((answer) => answer.field('connection')),
      [undefined, undefined, 'close'],
    );
    await scene.client.untilClosed();
    assert.equal((await scene.client.responses(3)).length, 3);
  });

  test('that asks far ahead is not read further than a bound', async () => {
    await using scene = await openScene();
    const ahead = `GET /${'x'.repeat(1_000)} HTTP/1.1\r\nhost: a\r\n\r\n`.repeat(1_000);
    scene.client.send(GET);
    const { server } = await scene.asked();
    for (let i = 0; i < 40; i++) scene.client.send(ahead);
    await until('it is held back', () => scene.client.socket.writableLength > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(scene.client.socket.writableLength > 0);
    assert.equal(scene.runtime.server.active, 1);
    server.send(OK);
    assert.equal((await scene.client.response()).status, 200);
  });
});

test('connections past the most that there may be are closed at once', async () => {
  await using scene = await openScene({ limits: { maxConnections: 2 }, onConnection });
  const second = await connectRaw(scene.runtime.port);
  await until('both are there', () => scene.runtime.server.connections === 2);
  const third = await connectRaw(scene.runtime.port);
  await third.untilClosed();
  second.destroy();
  await until('one has left', () => scene.runtime.server.connections === 1);
  const fourth = await connectRaw(scene.runtime.port);
  fourth.send(GET);
  assert.equal((await fourth.response()).status, 200);
  fourth.destroy();
  third.destroy();
});
