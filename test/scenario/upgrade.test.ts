import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { until } from '../harness.ts';
import { type RawPeer, readRequests } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import { openScene, type Scene } from '../support/scene.ts';

/** Tunnels behind an upgrade (RFC 9110, 7.8): WebSockets as programs use them, then the bytes beneath. */

const MEBIBYTE = 1_048_576;

interface Sockets extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly client: WebSocket;
  readonly server: WebSocket;
}

async function connected(): Promise<Sockets> {
  const listening = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 * MEBIBYTE });
  await once(listening, 'listening');
  const runtime = await startRuntime({ upstreams: `http://127.0.0.1:${(listening.address() as AddressInfo).port}` });
  const arrived = once(listening, 'connection') as Promise<[WebSocket]>;
  const client = new WebSocket(`ws://127.0.0.1:${runtime.port}/chat?room=1`, 'talk', { maxPayload: 64 * MEBIBYTE });
  const [[server]] = await Promise.all([arrived, once(client, 'open')]);
  return {
    runtime,
    client,
    server,
    async [Symbol.asyncDispose]() {
      client.terminate();
      runtime.stop();
      for (const each of listening.clients) each.terminate();
      listening.close();
      await once(listening, 'close');
    },
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('WebSockets', () => {
  test('messages of every size go both ways', { timeout: 60_000 }, async () => {
    await using it = await connected();
    assert.equal(it.client.protocol, 'talk');
    it.server.on('message', (data: Buffer, isBinary) => it.server.send(data, { binary: isBinary }));
    for (const size of [0, 1, 125, 126, 65_535, 65_536, MEBIBYTE, 20 * MEBIBYTE]) {
      const message = randomBytes(size);
      const echoed = once(it.client, 'message') as Promise<[Buffer]>;
      it.client.send(message);
      const [echo] = await echoed;
      assert.equal(sha256(echo), sha256(message));
    }
  });

  test('both sides at once', async () => {
    await using it = await connected();
    const counts = { client: 0, server: 0 };
    it.client.on('message', () => counts.client++);
    it.server.on('message', () => counts.server++);
    for (let i = 0; i < 500; i++) {
      it.client.send(randomBytes(i * 7));
      it.server.send(randomBytes(i * 11));
    }
    await until('all have arrived', () => counts.client === 500 && counts.server === 500);
  });

  test('are counted, and destroyed with the server', async () => {
    await using it = await connected();
    assert.equal(it.runtime.server.active, 1);
    assert.equal(it.runtime.server.connections, 1);
    const closed = Promise.all([once(it.client, 'close'), once(it.server, 'close')]);
    it.runtime.server.destroy();
    await closed;
    await until('nothing is left', () => it.runtime.server.active === 0 && it.runtime.server.connections === 0);
  });

  for (const side of ['client', 'server'] as const) {
    test(`the ${side} closes with code and reason`, async () => {
      await using it = await connected();
      const other = side === 'client' ? it.server : it.client;
      const closed = once(other, 'close') as Promise<[number, Buffer]>;
      it[side].close(4321, 'enough');
      const [code, reason] = await closed;
      assert.deepEqual([code, reason.toString()], [4321, 'enough']);
      await until('nothing is left', () => it.runtime.server.active === 0 && it.runtime.server.connections === 0);
    });

    test(`the ${side} vanishes`, async () => {
      await using it = await connected();
      const other = side === 'client' ? it.server : it.client;
      const closed = once(other, 'close') as Promise<[number]>;
      it[side].terminate();
      assert.equal((await closed)[0], 1006);
      await until('nothing is left', () => it.runtime.server.active === 0);
    });
  }

  test('live on while the gateway drains and while its plan changes', async () => {
    await using it = await connected();
    it.runtime.server.drain();
    await it.runtime.reload();
    const echoed = once(it.server, 'message') as Promise<[Buffer]>;
    it.client.send('still here');
    assert.equal((await echoed)[0].toString(), 'still here');
  });
});

const UPGRADE =
  'GET /t HTTP/1.1\r\nhost: a\r\nconnection: x-hop, Upgrade\r\nupgrade: Custom\r\nx-hop: 1\r\nx-end: 2\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: custom\r\nx-accept: 1\r\n\r\n';

async function tunnel(scene: Scene, early = '', answer = SWITCHED): Promise<RawPeer> {
  scene.client.send(UPGRADE + early);
  const server = await scene.server();
  await server.until('the request', ({ text }) => text.includes('\r\n\r\n'));
  server.send(answer);
  await scene.client.until('101', ({ text }) => text.includes('\r\n\r\n'));
  return server;
}

describe('tunnels', () => {
  test('the upgrade itself is passed on, other hop-by-hop fields are not', async () => {
    await using scene = await openScene();
    const server = await tunnel(scene);
    const [request] = readRequests(server.bytes).requests;
    assert.equal(request?.field('connection'), 'upgrade');
    assert.equal(request?.field('upgrade'), 'custom');
    assert.equal(request?.field('x-hop'), undefined);
    assert.equal(request?.field('x-end'), '2');
    const response = await scene.client.response();
    assert.equal(response.status, 101);
    assert.deepEqual(
      [response.field('connection'), response.field('upgrade'), response.field('x-accept')],
      ['upgrade', 'custom', '1'],
    );
  });

  test('bytes that come with the request and with the 101 are the first of the tunnel', async () => {
    await using scene = await openScene();
    const server = await tunnel(scene, 'early client', `${SWITCHED}early server`);
    await server.until('the early bytes', ({ text }) => text.endsWith('\r\n\r\nearly client'));
    await scene.client.until('the early bytes', ({ text }) => text.endsWith('\r\n\r\nearly server'));
  });

  test('an upstream that refuses the upgrade answers as usual, and the connection serves on', async () => {
    await using scene = await openScene();
    scene.client.send(UPGRADE);
    const { server } = await scene.asked();
    server.send('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno');
    assert.equal((await scene.client.response()).status, 426);
    scene.client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    (await scene.asked(0, 2)).server.send('HTTP/1.1 204 No Content\r\n\r\n');
    assert.equal((await scene.client.responses(2))[1]?.status, 204);
  });

  for (const from of ['client', 'server'] as const) {
    test(`the ${from} ends its side, the other goes on`, async () => {
      await using scene = await openScene();
      const server = await tunnel(scene);
      const [ending, other] = from === 'client' ? [scene.client, server] : [server, scene.client];
      ending.end('my last words');
      await other.until('them, and the end', ({ text, ended }) => text.endsWith('my last words') && ended);
      await new Promise((resolve) => setTimeout(resolve, 50));
      other.send('thank you');
      await ending.until('an answer', ({ text }) => text.endsWith('thank you'));
      assert.equal(scene.runtime.server.active, 1);
      other.end();
      await ending.untilClosed();
      await scene.idle();
    });

    test(`the ${from} writes much and leaves, a slow reader still gets all of it`, { timeout: 60_000 }, async () => {
      await using scene = await openScene();
      const server = await tunnel(scene);
      const [leaving, slow] = from === 'client' ? [scene.client, server] : [server, scene.client];
      slow.socket.pause();
      const before = slow.received;
      const bytes = randomBytes(20 * MEBIBYTE);
      leaving.send(bytes);
      leaving.end();
      await new Promise((resolve) => setTimeout(resolve, 300));
      slow.socket.resume();
      await until('all of it', () => slow.received - before === bytes.length && slow.ended);
      assert.equal(sha256(slow.bytes.subarray(before)), sha256(bytes));
      // What is written the other way shows that nobody is there: the gateway does not wait for the reader's own end.
      leaving.destroy();
      await until('the tunnel is over', () => {
        if (!slow.closed) slow.send('anybody?');
        return scene.runtime.server.active === 0;
      });
    });

    test(`a reader that does not read holds the ${from} back`, async () => {
      await using scene = await openScene();
      const server = await tunnel(scene);
      const [fast, slow] = from === 'client' ? [scene.client, server] : [server, scene.client];
      slow.socket.pause();
      fast.send(randomBytes(64 * MEBIBYTE));
      let last = -1;
      await until('it is held back', async () => {
        const written = fast.socket.bytesWritten - fast.socket.writableLength;
        await new Promise((resolve) => setTimeout(resolve, 100));
        const isSteady = written === last && fast.socket.writableLength > 0;
        last = written;
        return isSteady;
      });
    });
  }

  test('a client that leaves before the 101 takes the call with it', async () => {
    await using scene = await openScene();
    scene.client.send(UPGRADE);
    const { server } = await scene.asked();
    scene.client.reset();
    await server.untilClosed();
    await scene.idle();
  });
});
