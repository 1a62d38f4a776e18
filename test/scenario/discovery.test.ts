import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EndpointView, UpstreamView } from '../../src/supervisor/upstreams/upstream-view.ts';
import { type Gateway, startGateway, startUpstream, until } from '../harness.ts';
import { KeepAliveLoad } from '../keep-alive-load.ts';
import { DnsServer } from '../support/dns-server.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

/** A service at an address of its own of this machine, which Linux has many of. */
async function serviceAt(address: string, port: number, answer?: RequestListener) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (answer === undefined) response.end(address);
    else answer(request, response);
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => requests,
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function upstreamOf(gateway: Gateway, name = 'orders'): Promise<UpstreamView> {
  const { body } = await gateway.admin('GET', `/upstreams?name=${name}`);
  return (body as { upstreams: [UpstreamView] }).upstreams[0];
}

async function endpointsOf(gateway: Gateway): Promise<readonly EndpointView[]> {
  return (await upstreamOf(gateway)).endpoints;
}

async function command(gateway: Gateway, ...args: string[]): Promise<string> {
  const all = [SHIM, 'upstreams', ...args, '-c', gateway.configFile];
  return (await promisify(execFile)(process.execPath, all)).stdout;
}

function swap(gateway: Gateway, file: string, text: string): void {
  gateway.writeFile(`${file}.new`, text);
  renameSync(join(gateway.directory, `${file}.new`), join(gateway.directory, file));
}

describe('endpoints that are found', () => {
  it('come and go under load without an error', async () => {
    await using one = await startUpstream();
    await using two = await startUpstream();
    await using three = await startUpstream();
    const config = `upstreams: { orders: { discover: { file: orders.json } } }\nroutes: { /*: orders }\n`;
    const list = (...upstreams: { url: string }[]): string => JSON.stringify(upstreams.map(({ url }) => url));
    await using gateway = await startGateway(config, { workers: 2, files: { 'orders.json': list(one) } });
    const load = new KeepAliveLoad(gateway.url, 8);
    try {
      for (const upstreams of [[one, two], [two, three], [three], [one], [one, two, three]]) {
        swap(gateway, 'orders.json', list(...upstreams));
        await until('the list is in service', async () => {
          const found = (await endpointsOf(gateway)).map(({ url }) => url);
          return found.join() === upstreams.map(({ url }) => url).join();
        });
        await Promise.all(
          upstreams.map((each) => {
            const before = each.requests.length;
            return until('it is called', () => each.requests.length > before + 20);
          }),
        );
      }
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures, []);
    assert.deepEqual([...load.statuses.keys()], [200]);
    // Whoever is not in the list is not called: what was under way has ended.
    swap(gateway, 'orders.json', list(two));
    await until('the list is in service', async () => (await endpointsOf(gateway)).length === 1);
    const before = two.requests.length;
    for (let i = 0; i < 20; i++) assert.equal((await fetch(gateway.url)).status, 200);
    assert.equal(two.requests.length, before + 20);
  });

  it('by DNS, and stay when it fails or says that there is nobody', async () => {
    await using one = await serviceAt('127.0.0.2', 0);
    await using two = await serviceAt('127.0.0.3', one.port);
    const answer = (...addresses: string[]) => ({
      answers: addresses.map((value) => ({ type: 'A', ttl: 0, value }) as const),
    });
    await using dns = await DnsServer.start(() => answer('127.0.0.2'));
    const config = `upstreams:
  orders:
    discover:
      { dns: "http://orders.test:${one.port}", family: ipv4, servers: "${dns.address}", ttl: { min: 100ms }, timeout: 100ms }
routes: { /*: orders }
`;
    await using gateway = await startGateway(config);
    const body = async (): Promise<string> => (await fetch(gateway.url)).text();
    assert.equal(await body(), '127.0.0.2');
    dns.zone = () => answer('127.0.0.3');
    await until('calls go to the other one', async () => (await body()) === '127.0.0.3');
    const [found] = await endpointsOf(gateway);
    assert.deepEqual([found?.url, found?.host, found?.origin], [`http://127.0.0.3:${two.port}`, 'orders.test', 'dns']);
    dns.zone = () => ({ code: 2 });
    await until('the failure is known', async () =>
      /SERVFAIL/.test((await upstreamOf(gateway)).sources[0]?.failure ?? ''),
    );
    assert.equal(await body(), '127.0.0.3');
    dns.zone = () => ({ code: 3 });
    await until('the emptiness is known', async () => (await upstreamOf(gateway)).sources[0]?.emptySince);
    assert.equal(await body(), '127.0.0.3');
    assert.match(await command(gateway), /dns orders\.test:\d+: says that there are no endpoints/);
    dns.zone = () => answer('127.0.0.2', '127.0.0.3');
    const seen = new Set<string>();
    await until('both are called', async () => seen.add(await body()).size === 2);
    assert.match(gateway.stderr, /orders: dns orders\.test:\d+ cannot be asked/);
  });

  it('a gateway whose sources are all away starts, answers 503, and serves as soon as it knows of somebody', async () => {
    await using upstream = await startUpstream();
    const config = `upstreams: { orders: { discover: { file: orders.yaml } } }\nroutes: { /*: orders }\n`;
    await using gateway = await startGateway(config);
    const response = await fetch(gateway.url);
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { code: string }).code, 'upstream_unavailable');
    gateway.writeFile('orders.yaml', `- ${upstream.url}\n`);
    await until('calls are served', async () => (await fetch(gateway.url)).status === 200);
  });
});

describe('health', () => {
  it('an endpoint that is unwell is never called, also not at the start, and is as soon as it is well', async () => {
    let status = 503;
    const answer: RequestListener = (request, response) => {
      if (request.url === '/healthz') response.writeHead(status).end();
      else response.end('two');
    };
    let calls = 0;
    await using one = await startUpstream();
    await using two = await startUpstream((request, response) => {
      if (request.url !== '/healthz') calls++;
      answer(request, response);
    });
    const config = `upstreams:
  orders:
    targets: [${one.url}, ${two.url}]
    health: { path: /healthz, interval: 100ms, healthyAfter: 1, unhealthyAfter: 2, headers: { x-probe: "1" } }
routes: { /*: orders }
`;
    await using gateway = await startGateway(config, { workers: 2 });
    for (let i = 0; i < 20; i++) assert.equal(await (await fetch(gateway.url)).text(), 'upstream');
    assert.equal(calls, 0);
    status = 200;
    await until('both are called', async () => (await (await fetch(gateway.url)).text()) === 'two');
    status = 500;
    await until('it is known', async () => (await endpointsOf(gateway))[1]?.health === 'unhealthy');
    const [, second] = await endpointsOf(gateway);
    assert.equal(second?.lastFailure?.reason, 'status 500');
    const metrics = (await gateway.admin('GET', '/metrics')).body as string;
    assert.ok(metrics.includes(`sluice_upstream_endpoint_healthy{upstream="orders",endpoint="${two.url}"} 0`));
    assert.ok(metrics.includes(`sluice_upstream_endpoint_healthy{upstream="orders",endpoint="${one.url}"} 1`));
    assert.match(await command(gateway, 'orders'), /unhealthy.*status 500/);
    // Once for the process, not for each worker.
    assert.equal(gateway.stderr.match(/is healthy again/g)?.length, 1);
  });

  it('goes on over a reload that does not concern it', async () => {
    await using one = await startUpstream();
    const config = (more: string): string => `upstreams:
  orders: { targets: "${one.url}", health: { path: /healthz, interval: 1h } ${more} }
routes: { /*: orders }
`;
    await using gateway = await startGateway(config(''));
    const probes = (): number => one.requests.filter(({ url }) => url === '/healthz').length;
    assert.equal(probes(), 1);
    gateway.write(config(', connections: { max: 10 }'));
    assert.equal((await gateway.admin('POST', '/reload')).status, 200);
    assert.equal((await endpointsOf(gateway))[0]?.health, 'healthy');
    assert.equal(probes(), 1);
  });
});

describe('operators', () => {
  it('take an endpoint out under load without an error, and put it back', async () => {
    await using one = await startUpstream((_request, response) => setTimeout(() => response.end('one'), 5));
    await using two = await startUpstream((_request, response) => setTimeout(() => response.end('two'), 5));
    const config = `upstreams: { orders: { targets: [${one.url}, ${two.url}] } }\nroutes: { /*: orders }\n`;
    await using gateway = await startGateway(config, { workers: 2 });
    const load = new KeepAliveLoad(gateway.url, 8);
    try {
      await until('both are called', () => one.requests.length > 20 && two.requests.length > 20);
      assert.match(await command(gateway, 'drain', 'orders', one.url), /drained/);
      // What was under way.
      await sleep(100);
      const before = [one.requests.length, two.requests.length] as const;
      await until('the other one is called', () => two.requests.length > before[1] + 50);
      assert.equal(one.requests.length, before[0]);
      assert.match(await command(gateway), /drained/);
      await assert.rejects(command(gateway, 'drain', 'orders', two.url), /the last endpoint/);
      await command(gateway, 'undrain', 'orders', one.url);
      await until('both are called', () => one.requests.length > before[0] + 20);
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failures, []);
    assert.deepEqual([...load.statuses.keys()], [200]);
    assert.equal((await gateway.admin('GET', '/upstreams?name=nobody')).status, 404);
    assert.equal((await fetch(`${gateway.adminUrl}/upstreams`)).status, 401);
    const drain = `${gateway.adminUrl}/upstreams/drain`;
    assert.equal((await fetch(drain, { method: 'POST' })).status, 401);
  });
});
