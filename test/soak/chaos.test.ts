import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { MetricsView } from '../../src/shared-memory/metrics-view.ts';
import { until } from '../harness.ts';
import { connectRaw, type RawPeer, readResponses } from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import type { StrictResponse } from '../support/strict-http.ts';
import { soak } from './scale.ts';

/**
 * Clients and an upstream that do by turns everything that there are scenarios of, all at once: whatever happens to
 * one exchange, no other gets its bytes, and at the end nothing is left of any.
 */

const SEED = Number(process.env.SEED ?? 1);
const CLIENTS = 48;
const ROUNDS = soak(25, 1_000);

/** A generator of numbers below 1 (mulberry32), so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const manners = [
  'length',
  'chunked',
  'close',
  'empty',
  'early',
  'late',
  'drip',
  'die',
  'die-inside',
  'babble',
] as const;

/** The content of request `id`: recognisable at every place. */
function contentOf(id: string, size: number): Buffer {
  return Buffer.alloc(size, `<${id}>`);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, manner, id = '', size = '0'] = (request.url ?? '').split('/');
  const content = contentOf(id, Number(size));
  if (manner === 'die') {
    request.socket.destroy();
    return;
  }
  if (manner !== 'early') {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const expected = request.method === 'POST' ? content : Buffer.alloc(0);
    if (!body.equals(expected)) response.setHeader('x-wrong-body', id);
  }
  response.setHeader('x-id', id);
  if (manner === 'length' || manner === 'die-inside' || manner === 'late')
    response.setHeader('content-length', content.length);
  if (manner === 'close') response.useChunkedEncodingByDefault = false;
  if (manner === 'late') await new Promise((resolve) => setTimeout(resolve, 30));
  if (manner === 'empty') {
    response.writeHead(204).end();
  } else if (manner === 'drip') {
    for (let at = 0; at < content.length; at += 1 + (content.length >> 3)) {
      response.write(content.subarray(at, at + 1 + (content.length >> 3)));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    response.end();
  } else if (manner === 'die-inside') {
    response.write(content.subarray(0, content.length >> 1), () => request.socket.destroy());
  } else {
    // In one packet with the response: bytes that come after the next request would pass for its answer (RFC 9112, 9.3).
    request.socket.cork();
    response.end(content);
    if (manner === 'babble') request.socket.write('HTTP/1.1 200 OK\r\nx-id: nobody\r\ncontent-length: 6\r\n\r\npoison');
    request.socket.uncork();
  }
}

interface Asked {
  readonly id: string;
  readonly method: string;
  readonly manner: string;
  readonly size: number;
}

/** Every response is the answer to its own request, or says that there is none. */
function judge(responses: readonly StrictResponse[], asked: readonly Asked[]): void {
  for (const [index, response] of responses.entries()) {
    const { id, manner, size } = asked[index] as Asked;
    if (response.status === 502) {
      assert.match(manner, /^die|babble|close|early/, `${manner} was answered with 502: ${response.body}`);
      continue;
    }
    assert.equal(response.status, manner === 'empty' ? 204 : 200, `${manner}: ${response.body.subarray(0, 200)}`);
    assert.equal(response.field('x-id'), id);
    assert.equal(response.field('x-wrong-body'), undefined);
    if (manner !== 'empty') assert.ok(response.body.equals(contentOf(id, size)), `${manner} ${size}: wrong content`);
  }
}

class Client {
  readonly #random: () => number;
  readonly #port: number;
  readonly #name: string;
  #count = 0;
  judged = 0;

  constructor(index: number, port: number) {
    this.#random = randomFrom(SEED * 1_000 + index);
    this.#port = port;
    this.#name = `c${index}`;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #request(): { asked: Asked; bytes: Buffer } {
    const manner = manners[this.#below(manners.length)] as string;
    const size = manner !== 'babble' && this.#below(8) === 0 ? this.#below(400_000) : this.#below(3_000);
    const method = this.#below(2) === 0 ? 'GET' : 'POST';
    const asked = { id: `${this.#name}-${this.#count++}`, method, manner, size };
    const head = `${method} /${manner}/${asked.id}/${size} HTTP/1.1\r\nhost: a\r\n`;
    if (method === 'GET') return { asked, bytes: Buffer.from(`${head}\r\n`) };
    const content = contentOf(asked.id, size);
    if (this.#below(2) === 0 || size === 0) {
      return { asked, bytes: Buffer.concat([Buffer.from(`${head}content-length: ${size}\r\n\r\n`), content]) };
    }
    const at = this.#below(size);
    const chunks = [content.subarray(0, at), content.subarray(at)].filter(({ length }) => length > 0);
    const coded = chunks.flatMap((chunk) => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ]);
    const framing = Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`);
    return { asked, bytes: Buffer.concat([framing, ...coded, Buffer.from('0\r\n\r\n')]) };
  }

  /** One connection with some requests, all at once, and an end of some kind. */
  async round(): Promise<void> {
    const client = await connectRaw(this.#port);
    const requests = Array.from({ length: 1 + this.#below(4) }, () => this.#request());
    const bytes = Buffer.concat(requests.map((request) => request.bytes));
    const ending = this.#below(8);
    const cut = ending === 0 ? this.#below(bytes.length) : bytes.length;
    for (let at = 0; at < cut; ) {
      const next = Math.min(cut, at + 1 + this.#below(100_000));
      client.send(bytes.subarray(at, next));
      if (this.#below(3) === 0) await new Promise((resolve) => setTimeout(resolve, this.#below(5)));
      at = next;
    }
    if (ending === 1) client.socket.end();
    if (ending === 2) client.socket.pause();
    if (ending <= 2 && ending !== 1) {
      await new Promise((resolve) => setTimeout(resolve, this.#below(60)));
      if (this.#below(2) === 0) client.reset();
      else client.destroy();
    } else {
      await this.#complete(client, requests.length);
    }
    const methods = requests.map(({ asked }) => asked.method);
    const found = readResponses(client.bytes, methods, false);
    judge(
      found,
      requests.map(({ asked }) => asked),
    );
    this.judged += found.length;
    client.destroy();
  }

  async #complete(client: RawPeer, count: number): Promise<void> {
    await client.until('every answer, or the end', ({ bytes, ended, closed }) => {
      return ended || closed || readResponses(bytes, [], false).length === count;
    });
  }
}

test(`${CLIENTS} clients at once (SEED=${SEED})`, { timeout: 300_000 }, async (context) => {
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.keepAliveTimeout = 50;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  using runtime = await startRuntime({
    upstreams: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstreamOptions: { maxConnections: 24, pendingTimeout: 60_000 },
    limits: { halfCloseTimeout: 10_000 },
  });
  const clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index, runtime.port));
  await Promise.all(
    clients.map(async (client) => {
      for (let round = 0; round < ROUNDS; round++) await client.round();
    }),
  );
  const judged = clients.reduce((sum, client) => sum + client.judged, 0);
  assert.ok(judged > CLIENTS * ROUNDS, `only ${judged} responses came`);
  assert.deepEqual(runtime.log, []);
  await until('nothing is left', () => runtime.server.active === 0 && runtime.server.connections === 0);
  const metrics = new MetricsView([runtime.cell.buffer]);
  assert.equal(metrics.route(0).inFlight, 0);
  assert.equal(metrics.upstream(0).inFlight, 0);
  assert.equal(metrics.totals().connectionsOpen, 0);
  runtime.pool('main').close();
  await until('no upstream connection is open', () => metrics.upstream(0).connectionsOpen === 0);
});
