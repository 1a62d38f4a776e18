import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { createServer as createSecureServer, request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { until } from '../harness.ts';
import { type KeyPair, makeAuthority } from '../support/certificates.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts';
import { listenerTls, upstreamTls } from '../support/tls.ts';
import { soak } from './scale.ts';

/** Large bodies pass byte for byte and leave no trace in the gateway's memory. */

const MEBIBYTE = 1_048_576;
const SIZE = soak(96, 1_024) * MEBIBYTE;
/** What a transfer may add to the resident set; a body held in memory would add its size. */
const GROWTH = 64 * MEBIBYTE;
const PIECE = randomBytes(MEBIBYTE);

type Write = (piece: Buffer) => boolean;

/** Sends `size` bytes, every piece marked with its place; answers their hash. */
async function send(stream: NodeJS.WritableStream, size: number): Promise<string> {
  const hash = createHash('sha256');
  const write = stream.write.bind(stream) as Write;
  for (let at = 0; at < size; at += PIECE.length) {
    const piece = Buffer.from(PIECE);
    piece.writeDoubleLE(at, 0);
    hash.update(piece);
    if (!write(piece)) await once(stream as unknown as NodeJS.EventEmitter, 'drain');
  }
  stream.end();
  return hash.digest('hex');
}

async function receive(stream: NodeJS.ReadableStream): Promise<{ hash: string; length: number }> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const piece of stream) {
    hash.update(piece);
    length += piece.length;
  }
  return { hash: hash.digest('hex'), length };
}

/** Where the last transfer's other end leaves its result. */
const last = { sent: '', received: { hash: '', length: 0 } };

const peer: RequestListener = async (incoming, outgoing) => {
  try {
    if (incoming.method === 'POST') {
      last.received = await receive(incoming);
      outgoing.end();
      return;
    }
    if (incoming.url === '/length') outgoing.setHeader('content-length', SIZE);
    else if (incoming.url === '/close') outgoing.useChunkedEncodingByDefault = false;
    last.sent = await send(outgoing, SIZE);
  } catch {
    outgoing.destroy();
  }
};

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

interface Way {
  readonly name: string;
  readonly secure: boolean;
}

for (const { name, secure } of [
  { name: 'plain', secure: false },
  { name: 'TLS on both sides', secure: true },
] satisfies Way[]) {
  describe(`${SIZE / MEBIBYTE} MiB, ${name}`, { timeout: 600_000 }, () => {
    let server: Server;
    let gateway: GatewayProcess;
    let ca: string;

    before(async () => {
      const authority = makeAuthority();
      ca = authority.certificate;
      const pair: KeyPair = authority.issue(['127.0.0.1']);
      server = secure ? createSecureServer({ cert: pair.certificate, key: pair.key }, peer) : createServer(peer);
      const port = await listen(server);
      gateway = await startGatewayProcess({
        upstream: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
        listenerTls: secure ? listenerTls([pair]) : null,
        upstreamTls: secure ? upstreamTls({ ca }) : null,
      });
    });
    after(async () => {
      await gateway?.[Symbol.asyncDispose]();
      server?.closeAllConnections();
      server?.close();
    });

    function ask(method: string, path: string, headers: Record<string, string | number> = {}) {
      const options = { host: '127.0.0.1', port: gateway.port, method, path, headers, agent: false as const };
      return secure ? secureRequest({ ...options, ca }) : request(options);
    }

    async function download(path: string): Promise<void> {
      const asking = ask('GET', path).end();
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      const got = await receive(response);
      assert.equal(got.length, SIZE);
      await until('the other end is through', () => last.sent !== '');
      assert.equal(got.hash, last.sent);
      last.sent = '';
    }

    async function upload(headers: Record<string, string | number>): Promise<void> {
      const asking = ask('POST', '/', headers);
      const answered = once(asking, 'response') as Promise<[IncomingMessage]>;
      const sent = await send(asking, SIZE);
      const [response] = await answered;
      assert.equal(response.statusCode, 200);
      response.resume();
      assert.deepEqual(last.received, { hash: sent, length: SIZE });
    }

    const transfers: [what: string, run: () => Promise<void>][] = [
      ['download with a length', () => download('/length')],
      ['download in chunks', () => download('/chunked')],
      ['download until the end of the connection', () => download('/close')],
      ['upload with a length', () => upload({ 'content-length': SIZE })],
      ['upload in chunks', () => upload({ 'transfer-encoding': 'chunked' })],
    ];
    for (const [what, run] of transfers) {
      test(what, async () => {
        const before = await gateway.report(true);
        await run();
        const { peak } = await gateway.report(true);
        const growth = peak - before.peak;
        assert.ok(growth < GROWTH, `the gateway grew by ${Math.round(growth / MEBIBYTE)} MiB`);
      });
    }
  });
}
