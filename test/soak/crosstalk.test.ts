import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { startRuntime } from '../support/runtime.ts';
import { soak } from './scale.ts';

/**
 * Connections of a worker share buffers, and lend what they read to whoever writes it on. Many large bodies at once, all
 * with readers that stop now and then: each arrives as it was sent, so no buffer was used again too early.
 */

const TRANSFERS = 24;
const SIZE = soak(8, 128) * 1_048_576;
/** No power of two, so that pieces and read buffers end at different places. */
const PIECE = 100_003;

function* piecesOf(id: number): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += PIECE) yield Buffer.alloc(Math.min(PIECE, SIZE - at), `<${id}:${at}>`);
}

function hashOf(id: number): string {
  const hash = createHash('sha256');
  for (const piece of piecesOf(id)) hash.update(piece);
  return hash.digest('hex');
}

async function send(stream: NodeJS.WritableStream, id: number): Promise<void> {
  for (const piece of piecesOf(id)) {
    if (!stream.write(piece)) await once(stream as unknown as NodeJS.EventEmitter, 'drain');
  }
  stream.end();
}

/** Reads a MiB, stops for a moment, reads on. */
async function receiveSlowly(message: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  let since = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    hash.update(piece);
    since += piece.length;
    if (since < 1_048_576) continue;
    since = 0;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return hash.digest('hex');
}

test(`${TRANSFERS} large bodies at once keep their bytes apart`, { timeout: 300_000 }, async (context) => {
  const server = createServer(async (incoming, outgoing) => {
    const [, framing, id] = (incoming.url ?? '').split('/');
    if (incoming.method === 'POST') {
      outgoing.end(await receiveSlowly(incoming));
      return;
    }
    if (framing === 'length') outgoing.setHeader('content-length', SIZE);
    await send(outgoing, Number(id));
  });
  server.on('connection', (socket: Socket) => socket.setNoDelay(true));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  using runtime = await startRuntime({ upstreams: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });

  async function transfer(id: number): Promise<void> {
    const method = id % 2 === 0 ? 'GET' : 'POST';
    const framing = id % 4 < 2 ? 'length' : 'chunked';
    const headers = method === 'POST' && framing === 'length' ? { 'content-length': SIZE } : {};
    const path = `/${framing}/${id}`;
    const asking = request({ host: '127.0.0.1', port: runtime.port, method, path, headers, agent: false });
    const answered = once(asking, 'response') as Promise<[IncomingMessage]>;
    if (method === 'POST') await send(asking, id);
    else asking.end();
    const [response] = await answered;
    if (method === 'GET') {
      assert.equal(await receiveSlowly(response), hashOf(id), `download ${id}, ${framing}`);
    } else {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece as Buffer);
      assert.equal(Buffer.concat(pieces).toString(), hashOf(id), `upload ${id}, ${framing}`);
    }
  }

  await Promise.all(Array.from({ length: TRANSFERS }, (_, id) => transfer(id)));
  assert.equal(runtime.server.active, 0);
});
