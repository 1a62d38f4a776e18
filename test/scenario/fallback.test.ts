import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { freePort, type Gateway, startGateway, startUpstream, until } from '../harness.ts';

/** What callers get, and what operators see, when a service fails and a route has something to fall back to. */

const OFFLINE = `export default (request, { exchange }) =>
  Response.json({ offline: exchange.path, method: request.method }, { headers: { 'x-made': 'here' } });
`;

async function counted(gateway: Gateway, step: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const samples = text.matchAll(new RegExp(`^sluice_fallback_total\\{.*step="${step}"\\} (\\d+)$`, 'gm'));
  return [...samples].reduce((sum, [, count]) => sum + Number(count), 0);
}

interface LogLine {
  readonly path: string;
  readonly status: number;
  readonly fallback?: string;
  readonly error?: string;
  readonly upstream?: string;
}

async function logged(gateway: Gateway, path: string): Promise<LogLine> {
  return until(`a line of ${path}`, () => {
    const lines = gateway.stdout.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as LogLine).find((line) => line.path === path);
  });
}

/** A service that does not speak HTTP, or says nothing. */
async function startRude(answer: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe('a route that falls back', () => {
  it('answers with the first step that can, says which and why', async () => {
    await using copy = await startUpstream((request, response) => response.end(`copy of ${request.url}`));
    const dead = `http://127.0.0.1:${await freePort()}`;
    const config = `upstreams:
  dead: ${dead}
  dead-too: { targets: [${dead}] }
  copy: ${copy.url}
defaults: { accessLog: true, requestId: true }
routes:
  /to/*: { to: dead, fallback: [{ to: dead-too }, { to: copy, path: "/static/{path.rest}" }] }
  /respond: { to: dead, fallback: { respond: { status: 200, json: { items: [] } } } }
  /handler: { to: dead, fallback: [{ handler: ./offline.ts }] }
  /none: { to: dead, fallback: { to: dead-too } }
  /url: { to: dead, fallback: { to: "${copy.url}" } }
`;
    await using gateway = await startGateway(config, { files: { 'offline.ts': OFFLINE } });
    const ask = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${gateway.url}${path}`, init);
      const { status, headers } = response;
      return [status, headers.get('x-sluice-fallback'), await response.text()] as const;
    };
    assert.deepEqual(await ask('/to/a/b?c=1'), [200, 'to', 'copy of /static/a/b?c=1']);
    assert.deepEqual(await ask('/respond'), [200, 'respond', '{"items":[]}']);
    assert.deepEqual(await ask('/url'), [200, 'to', 'copy of /url']);
    const handled = await fetch(`${gateway.url}/handler`, { method: 'POST', body: 'anything' });
    assert.equal(handled.headers.get('x-made'), 'here');
    assert.deepEqual(await handled.json(), { offline: '/handler', method: 'POST' });
    // Nothing was sent anywhere, so another service may have it.
    const [, marked, body] = await ask('/to/x', { method: 'POST', body: 'once' });
    assert.deepEqual([marked, body], ['to', 'copy of /static/x']);

    const failed = await fetch(`${gateway.url}/none`);
    assert.deepEqual([failed.status, failed.headers.get('x-sluice-fallback')], [502, null]);
    assert.equal(((await failed.json()) as { code: string }).code, 'upstream_connect_failed');

    const { status, fallback, error, upstream } = await logged(gateway, '/to/a/b');
    assert.deepEqual([status, fallback, error, upstream], [200, 'to', 'upstream_connect_failed', 'copy']);
    assert.equal((await logged(gateway, '/none')).fallback, undefined);
    assert.deepEqual(
      [await counted(gateway, 'to'), await counted(gateway, 'respond'), await counted(gateway, 'handler')],
      [3, 1, 1],
    );
  });

  it('does so whatever way the service fails, and not for what clients did', async () => {
    await using broken = await startUpstream((request, response) => {
      response.statusCode = Number(request.url?.slice(1) ?? 200);
      response.end('from the service');
    });
    using silent = await startRude(() => undefined);
    using garbage = await startRude((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
    using resets = await startRude((socket) => socket.resetAndDestroy());
    const config = `upstreams:
  silent: { targets: [${silent.url}], timeout: { head: 300ms } }
auth: { partner: { apiKey: { header: x-api-key } } }
defaults: { fallback: { respond: { status: 200, body: instead } }, auth: public, sizeLimits: { body: 10B } }
routes:
  /silent: silent
  /slow: { to: "${silent.url}", timeout: 300ms }
  /garbage: ${garbage.url}
  /resets: ${resets.url}
  /closed: { to: ${broken.url}, auth: partner }
  /*: ${broken.url}
`;
    await using gateway = await startGateway(config);
    for (const path of ['/silent', '/slow', '/garbage', '/resets', '/502', '/503', '/504']) {
      const response = await fetch(gateway.url + path);
      assert.deepEqual([response.status, await response.text()], [200, 'instead'], path);
    }
    for (const path of ['/200', '/400', '/404', '/422', '/500']) {
      const response = await fetch(gateway.url + path);
      assert.deepEqual([response.status, await response.text()], [Number(path.slice(1)), 'from the service'], path);
    }
    assert.equal((await fetch(`${gateway.url}/closed`)).status, 401);
    assert.equal((await fetch(`${gateway.url}/200`, { method: 'POST', body: 'more than ten bytes' })).status, 413);
  });

  it('leaves an answer that has begun as it is', async () => {
    await using half = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.socket?.resetAndDestroy());
    });
    await using gateway = await startGateway(`routes: { /*: { to: ${half.url}, fallback: { respond: 200 } } }\n`);
    const response = await fetch(gateway.url);
    assert.deepEqual([response.status, response.headers.get('x-sluice-fallback')], [200, null]);
    await assert.rejects(response.text());
  });

  it('passes the service’s own error on, whole, when nobody has a better answer', async () => {
    const long = 'sorry '.repeat(100_000);
    await using sorry = await startUpstream((_request, response) => {
      response.statusCode = 503;
      response.end(long);
    });
    await using worse = await startUpstream((_request, response) => {
      response.statusCode = 500;
      setTimeout(() => response.end('worse'), 100);
    });
    const config = `routes: { /*: { to: ${sorry.url}, fallback: { on: [500, 503], steps: [{ to: ${worse.url} }] } } }\n`;
    await using gateway = await startGateway(config);
    for (let i = 0; i < 3; i++) {
      const response = await fetch(gateway.url);
      assert.deepEqual([response.status, response.headers.get('x-sluice-fallback')], [503, null]);
      assert.equal(await response.text(), long);
    }
    assert.deepEqual([sorry.requests.length, worse.requests.length], [3, 3]);
  });

  it('answers with what it has kept, past its time, and with the next step where it has nothing', async () => {
    let isWell = true;
    await using catalog = await startUpstream((request, response) => {
      if (isWell) response.setHeader('cache-control', 'max-age=1');
      response.statusCode = isWell ? 200 : 503;
      response.end(isWell ? `fresh ${request.url}` : 'sorry');
    });
    const steps = '[stale, { respond: { status: 200, json: { items: [] } } }]';
    const config = `routes: { /*: { to: ${catalog.url}, cache: true, fallback: ${steps} } }\n`;
    await using gateway = await startGateway(config, { workers: 2 });
    const ask = async (path: string) => {
      const response = await fetch(gateway.url + path);
      return [response.status, response.headers.get('x-sluice-fallback'), await response.text()] as const;
    };
    assert.deepEqual(await ask('/a'), [200, null, 'fresh /a']);
    isWell = false;
    await until('its time is over', async () => (await ask('/a'))[1] === 'stale');
    assert.deepEqual(await ask('/a'), [200, 'stale', 'fresh /a']);
    assert.deepEqual(await ask('/b'), [200, 'respond', '{"items":[]}']);
    assert.deepEqual(await ask('/b'), [200, 'respond', '{"items":[]}']);
    await catalog.close();
    assert.deepEqual(await ask('/a'), [200, 'stale', 'fresh /a']);
    assert.ok((await counted(gateway, 'stale')) >= 3);
    assert.equal(await counted(gateway, 'respond'), 2);
  });

  it('goes on over a reload, and ends its calls with the caller', async () => {
    const gone = Promise.withResolvers<void>();
    await using slow = await startUpstream((request) => request.socket.once('close', () => gone.resolve()));
    const dead = `http://127.0.0.1:${await freePort()}`;
    const config = (status: number) =>
      `upstreams: { dead: ${dead}, slow: ${slow.url} }\nroutes: { /*: { to: dead, fallback: [{ to: slow }] }, /new: { respond: ${status} } }\n`;
    await using gateway = await startGateway(config(404));
    const asked = request(gateway.url);
    asked.once('error', () => undefined).end();
    await until('the fallback is asked', () => slow.requests.length === 1);
    gateway.write(config(204));
    await until('it was reloaded', async () => (await fetch(`${gateway.url}/new`)).status === 204);
    asked.socket?.resetAndDestroy();
    await gone.promise;
  });
});
