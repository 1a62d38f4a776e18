import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { makeAuthority } from '../../../test/support/certificates.ts';
import { handUpstream } from '../../../test/support/plan.ts';
import type { HttpQuestion, Question, UpstreamWork } from '../../compile/upstream-work.ts';
import type { Endpoint } from '../../plan/upstream.ts';
import { readProxyHeader } from '../../semantics/proxy-protocol.ts';
import { type Probe, probeFor } from './probe.ts';

const http: HttpQuestion = {
  kind: 'http',
  method: 'GET',
  path: '/healthz',
  host: null,
  headers: [],
  statuses: [[200, 299]],
  body: null,
};

function probe(ask: Question, more: Partial<UpstreamWork> = {}): Probe {
  const times = { interval: 1_000, jitter: 0, timeout: 1_000, healthyAfter: 1, unhealthyAfter: 1 };
  const work = { name: 'orders', endpoints: [], tls: null, proxyProtocol: 0, sources: [], ...more } as const;
  return probeFor({ ...work, health: { ask, ...times } }) as Probe;
}

const endpointOf = (url: string): Endpoint => handUpstream([url]).endpoints[0] as Endpoint;
const patiently = (): AbortSignal => AbortSignal.timeout(5_000);

async function listening<S extends Server | ReturnType<typeof createTcpServer>>(server: S) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

async function serve(answer: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = await listening(
    createHttpServer((request, response) => {
      requests.push(request);
      answer(request, response);
    }),
  );
  return { requests, ...server };
}

describe('asking over HTTP', () => {
  test('the request says what is configured, behind the path of the target', async () => {
    await using server = await serve((_request, response) => void response.end('fine'));
    const ask: HttpQuestion = { ...http, method: 'HEAD', host: 'orders.test', headers: [['x-probe', '1']] };
    assert.equal(await probe(ask)(endpointOf(`${server.url}/v1`), patiently()), null);
    assert.equal(await probe({ ...http, method: 'POST' })(endpointOf(server.url), patiently()), null);
    const [first, second] = server.requests;
    assert.deepEqual([first?.method, first?.url], ['HEAD', '/v1/healthz']);
    assert.equal(first?.headers.host, 'orders.test');
    assert.equal(first?.headers['x-probe'], '1');
    assert.equal(first?.headers.connection, 'close');
    assert.equal(second?.headers.host, `127.0.0.1:${server.port}`);
  });

  test('statuses', async () => {
    let status = 204;
    await using server = await serve((_request, response) => void response.writeHead(status).end());
    const at = endpointOf(server.url);
    assert.equal(await probe(http)(at, patiently()), null);
    status = 302;
    assert.equal(await probe(http)(at, patiently()), 'status 302');
    const ranges = [
      [200, 200],
      [300, 399],
    ] as const;
    assert.equal(await probe({ ...http, statuses: ranges })(at, patiently()), null);
  });

  test('the beginning of the body', async () => {
    let body = 'a'.repeat(60_000);
    await using server = await serve((_request, response) => {
      response.write(body);
      response.end(' "ready": true');
    });
    const ask = { ...http, body: '"ready": true' };
    assert.equal(await probe(ask)(endpointOf(server.url), patiently()), null);
    body = 'a'.repeat(80_000);
    assert.match((await probe(ask)(endpointOf(server.url), patiently())) ?? '', /does not contain/);
  });

  test('no answer, half an answer, nonsense and nobody there', async () => {
    await using silent = await serve(() => undefined);
    const soon = (): AbortSignal => AbortSignal.timeout(100);
    assert.equal(await probe(http)(endpointOf(silent.url), soon()), 'no answer in time');
    await using slow = await serve((_request, response) => void response.write('a'));
    assert.equal(await probe({ ...http, body: 'b' })(endpointOf(slow.url), soon()), 'no answer in time');
    await using nonsense = await listening(createTcpServer((socket) => socket.resume().end('nonsense\r\n\r\n')));
    assert.match((await probe(http)(endpointOf(nonsense.url), patiently())) ?? '', /Parse Error/);
    await using closing = await listening(createTcpServer((socket) => socket.once('data', () => socket.end())));
    assert.match((await probe(http)(endpointOf(closing.url), patiently())) ?? '', /socket hang up/);
    assert.match((await probe(http)(endpointOf('http://127.0.0.1:1'), patiently())) ?? '', /ECONNREFUSED/);
  });

  test('TLS is that of the upstream, and the name is checked behind an address', async () => {
    const authority = makeAuthority();
    const { certificate: cert, key } = authority.issue(['orders.test']);
    await using server = await listening(createHttpsServer({ cert, key }, (_request, response) => void response.end()));
    const plain = endpointOf(`https://127.0.0.1:${server.port}`);
    const found = { ...plain, host: 'orders.test', address: '127.0.0.1' };
    const tls = { verify: true, ca: authority.certificate, certificate: null, key: null, serverName: null };
    assert.equal(await probe(http, { tls })(found, patiently()), null);
    assert.match((await probe(http, { tls })(plain, patiently())) ?? '', /altnames|certificate/i);
    assert.match((await probe(http)(found, patiently())) ?? '', /certificate/);
    assert.equal(await probe({ kind: 'tcp' }, { tls })(found, patiently()), null);
  });

  test('a PROXY header that speaks for nobody, where calls have one', async () => {
    const received: Buffer[] = [];
    await using server = await listening(
      createTcpServer((socket: Socket) => {
        socket.once('data', (data) => {
          received.push(data as Buffer);
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        });
      }),
    );
    for (const proxyProtocol of [1, 2] as const) {
      assert.equal(await probe(http, { proxyProtocol })(endpointOf(server.url), patiently()), null);
      const header = readProxyHeader(received.at(-1) as Buffer);
      assert.ok(typeof header === 'object' && header.endpoints === null);
    }
  });
});

test('a connection alone', async () => {
  let connections = 0;
  await using server = await listening(
    createTcpServer((socket) => {
      connections++;
      socket.resume();
    }),
  );
  assert.equal(await probe({ kind: 'tcp' })(endpointOf(server.url), patiently()), null);
  assert.equal(await probe({ kind: 'tcp' })(endpointOf(`http://localhost:${server.port}`), patiently()), null);
  assert.match((await probe({ kind: 'tcp' })(endpointOf('http://127.0.0.1:1'), patiently())) ?? '', /ECONNREFUSED/);
  assert.match(
    (await probe({ kind: 'tcp' })(endpointOf('http://nobody.invalid'), patiently())) ?? '',
    /ENOTFOUND|EAI_AGAIN/,
  );
  assert.match((await probe({ kind: 'tcp' })(endpointOf('unix:/nowhere/a.sock'), patiently())) ?? '', /ENOENT/);
  assert.equal(connections, 2);
});
