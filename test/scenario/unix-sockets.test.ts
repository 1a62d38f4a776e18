import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, beforeEach, describe, test } from 'node:test';
import { Server } from '../../src/runtime/server.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { freePort, until } from '../harness.ts';
import { makeAuthority } from '../support/certificates.ts';
import { testGauges } from '../support/gauges.ts';
import { handListener, handPlan } from '../support/plan.ts';
import { answering, connectRaw, OK, RawPeer, readRequests } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import { listenerTls, secure } from '../support/tls.ts';

/** Unix sockets on both sides of the gateway. */

const GET = 'GET /orders HTTP/1.1\r\nhost: shop.example\r\n\r\n';
const directory = mkdtempSync(join(tmpdir(), 'sluice-unix-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let number = 0;
let path = '';
beforeEach(() => {
  path = join(directory, `socket-${number++}`);
});

/** A service on a Unix socket that says OK. */
async function serviceAt(where: string): Promise<{ peers: RawPeer[]; stop(): void }> {
  const peers: RawPeer[] = [];
  const server = createServer((socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    answering(() => OK)(peer);
  });
  server.listen(where);
  await once(server, 'listening');
  return {
    peers,
    stop() {
      server.close();
      for (const peer of peers) peer.destroy();
    },
  };
}

/** Without an upstream it answers 404. */
function gatewayAt(socket: string, upstream?: string): Promise<Runtime> {
  return startRuntime({ address: `unix:${socket}`, ...(upstream !== undefined && { upstreams: upstream }) });
}

/** Status of the answer to one request on a fresh connection. */
async function ask(where: string | number): Promise<number> {
  const peer = await connectRaw(where);
  peer.send(GET);
  const { status } = await peer.response();
  peer.destroy();
  return status;
}

test('from one Unix socket to another, with many requests on one connection', async () => {
  const service = await serviceAt(`${path}-service`);
  using _runtime = await gatewayAt(path, `unix:${path}-service`);
  const client = await connectRaw(path);
  client.send(GET.repeat(20));
  await client.responses(20);
  client.end(GET);
  assert.equal((await client.responses(21)).at(-1)?.status, 200);
  await client.untilClosed();
  assert.equal(service.peers.length, 1);
  const [first] = readRequests(service.peers[0]?.bytes ?? Buffer.alloc(0)).requests;
  assert.equal(first?.field('host'), 'shop.example');
  assert.equal(first?.field('x-forwarded-for'), 'unknown');
  service.stop();
});

test('5 MiB go both ways', async (t) => {
  const service = createHttp((request, response) => request.pipe(response));
  t.after(() => service.close().closeAllConnections());
  service.listen(`${path}-service`);
  await once(service, 'listening');
  using _runtime = await gatewayAt(path, `unix:${path}-service`);
  const body = randomBytes(5 * 1_048_576);
  const sent = request({ socketPath: path, method: 'POST', agent: false });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  assert.ok((await buffer(answer)).equals(body));
});

test('a service that is not there cannot be reached', async () => {
  using runtime = await startRuntime({ upstreams: `unix:${path}` });
  assert.equal(await ask(runtime.port), 502);
  const service = await serviceAt(path);
  assert.equal(await ask(runtime.port), 200);
  service.stop();
});

test('TLS works on a Unix socket', async () => {
  const authority = makeAuthority();
  const service = await serviceAt(`${path}-service`);
  using _runtime = await startRuntime({
    address: `unix:${path}`,
    upstreams: `unix:${path}-service`,
    listener: { tls: listenerTls([authority.issue(['127.0.0.1'])]) },
  });
  const peer = await secure((await connectRaw(path)).socket, { ca: authority.certificate });
  peer.send(GET);
  assert.equal((await peer.response()).status, 200);
  peer.destroy();
  service.stop();
});

describe('the file of a listener', () => {
  test('replaces one that a process left behind', async () => {
    const script = "net.createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    assert.equal(spawnSync(process.execPath, ['-e', script, path]).signal, 'SIGKILL');
    assert.ok(lstatSync(path).isSocket());
    using _runtime = await gatewayAt(path);
    assert.equal(await ask(path), 404);
  });

  test('takes the place of a live one, whose connections live on and whose end does not remove it', async () => {
    const service = await serviceAt(`${path}-service`);
    const old = await gatewayAt(path, `unix:${path}-service`);
    const kept = await connectRaw(path);
    kept.send(GET);
    await kept.response();
    using _next = await gatewayAt(path);
    assert.equal(await ask(path), 404, 'new connections come to the new one');
    kept.send(GET);
    assert.equal((await kept.responses(2))[1]?.status, 200);
    await old.server.stopListening();
    assert.equal(await ask(path), 404);
    old.stop();
    kept.destroy();
    service.stop();
    assert.deepEqual(
      readdirSync(directory).filter((name) => path.endsWith(name.split('.')[0] as string)),
      [path.slice(directory.length + 1)],
    );
  });

  test('is never put over a file that is no socket', async () => {
    writeFileSync(path, 'precious');
    await assert.rejects(gatewayAt(path), (error: Error) => error.message.includes(`${path}: there is a file`));
    assert.equal(readFileSync(path, 'utf8'), 'precious');
  });

  test('cannot take the PROXY protocol before TLS, which would mix up its clients', async () => {
    const listener = { proxyProtocol: true, tls: listenerTls([makeAuthority()]) };
    await assert.rejects(startRuntime({ address: `unix:${path}`, listener }), /TLS or the PROXY protocol, not both/);
  });

  test('cannot be in a directory that does not exist, and nothing changes', async () => {
    const port = await freePort();
    using runtime = await startRuntime({ plan: { listeners: [handListener(`127.0.0.1:${port}`)] } });
    const missing = handListener(`unix:${path}/missing/socket`);
    const plan = runtime.plan({ plan: { listeners: [handListener(`127.0.0.1:${port}`), missing] } });
    await assert.rejects(runtime.server.prepare(plan), { code: 'EACCES' });
    assert.equal(await ask(port), 404);
  });

  test('is bound only by the worker that owns Unix sockets', async () => {
    const state = { draining: false, ready: true };
    const server = new Server({
      cell: new WorkerCell(),
      state,
      gauges: testGauges(),
      log: () => undefined,
      ticketKeys: null,
      ownsUnixSockets: false,
    });
    const port = await freePort();
    const listeners = [handListener(`127.0.0.1:${port}`), handListener(`unix:${path}`)];
    const plan = handPlan({ address: `127.0.0.1:${port}`, routes: {}, overrides: { listeners } });
    await server.prepare(plan);
    server.commit(plan);
    assert.equal(await ask(port), 404);
    assert.equal(existsSync(path), false);
    server.destroy();
  });

  test('serves no more once a plan does not name it', async () => {
    const port = await freePort();
    using runtime = await gatewayAt(path);
    assert.equal(await ask(path), 404);
    await runtime.reload({ plan: { listeners: [handListener(`127.0.0.1:${port}`)] } });
    await until('nobody listens', async () => {
      try {
        await connectRaw(path);
        return false;
      } catch {
        return true;
      }
    });
  });
});
