import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { soak } from '../soak/scale.ts';
import { runLimitLoad } from '../support/limit-load.ts';

const BOMB = fileURLToPath(new URL('../fixtures/bomb-policy.ts', import.meta.url));

/** Limits on the wire: what clients are told, who is counted together, and that no worker counts for itself. */

async function metricsOf(gateway: Gateway): Promise<string> {
  return (await fetch(`${gateway.adminUrl}/metrics`)).text();
}

async function statusesOf(gateway: Gateway, path: string, times: number, headers = {}): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) {
    const response = await fetch(gateway.url + path, { headers });
    await response.arrayBuffer();
    statuses.push(response.status);
  }
  return statuses;
}

describe('limits', () => {
  let service: Upstream;
  let issuer: Upstream;
  let gateway: Gateway;

  before(async () => {
    service = await startUpstream((request, response) => {
      const cost = new URL(request.url ?? '', 'http://service').searchParams.get('cost');
      if (cost !== null) response.setHeader('x-tokens', cost);
      response.end('fine');
    });
    issuer = await startUpstream((request, response) => {
      let body = '';
      request.on('data', (bytes) => {
        body += bytes;
      });
      request.on('end', () => {
        const token = new URLSearchParams(body).get('token') ?? '';
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ active: true, sub: token }));
      });
    });
    gateway = await startGateway(
      `
trustedProxies: [127.0.0.0/8]
upstreams: { main: ${service.url} }
auth: { customer: { introspection: { url: ${issuer.url}/introspect, client: { id: gateway, secret: s } } } }
defaults: { auth: public }
gateways:
  web:
    cors: { origins: https://shop.example }
    routes:
      /address: { to: main, limits: { flood: 2/min by address } }
      /who: { to: main, auth: { methods: customer, optional: true }, limits: { caller: 2/min by identity } }
      /closed: { to: main, auth: customer, limits: { flood: 3/min, caller: 1/min by identity } }
      /tokens: { to: main, limits: { tokens: { rate: 60/h, cost: { header: x-tokens } } } }
      /watched: { to: main, limits: { a: { rate: 1/h, report: true } } }
      /legacy: { to: main, limits: { a: 10/h }, limitHeaders: both }
  shared:
    hosts: shared.example
    limits: { everybody: 3/h by gateway, other: 6/h }
    routes:
      /a: main
      /b: { to: main, limits: { everybody: { rate: 2/h, by: gateway } } }
      /c: main
      /open: { to: main, limits: { everybody: false, other: false } }
`,
      { workers: 2 },
    );
  });
  after(async () => {
    await gateway?.stop();
    await service?.close();
    await issuer?.close();
  });

  const from = (address: string) => ({ 'x-forwarded-for': address });

  test('a refusal is a problem with Retry-After, readable by the site that asked', async () => {
    const headers = { ...from('198.51.100.1'), origin: 'https://shop.example' };
    assert.deepEqual(await statusesOf(gateway, '/address', 2, headers), [200, 200]);
    const response = await fetch(`${gateway.url}/address`, { headers });
    assert.equal(response.status, 429);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://shop.example');
    assert.equal(response.headers.get('ratelimit-policy'), '"flood";q=2;w=60');
    const wait = Number(response.headers.get('retry-after'));
    assert.ok(wait > 20 && wait <= 30, String(wait));
    assert.equal(response.headers.get('ratelimit'), `"flood";r=0;t=${wait}`);
    const problem = (await response.json()) as Record<string, unknown>;
    assert.equal(problem.code, 'rate_limited');
    assert.equal(problem.detail, `The limit \`flood\` has room again in ${wait} s.`);
  });

  test('the address is the one that trusted proxies vouch for, and an IPv6 site is one', async () => {
    assert.deepEqual(await statusesOf(gateway, '/address', 3, from('198.51.100.2')), [200, 200, 429]);
    assert.deepEqual(await statusesOf(gateway, '/address', 1, from('198.51.100.3')), [200]);
    // What the client itself wrote stands before what the proxy adds, and counts for nothing.
    assert.deepEqual(await statusesOf(gateway, '/address', 1, from('203.0.113.9, 198.51.100.2')), [429]);
    for (const [address, expected] of [
      ['2001:db8:1:2::1', 200],
      ['2001:db8:1:2:ffff::7', 200],
      ['2001:DB8:1:2:3:4:5:6', 429],
      ['2001:db8:1:3::1', 200],
    ] as const) {
      assert.deepEqual(await statusesOf(gateway, '/address', 1, from(address)), [expected], address);
    }
  });

  test('callers by identity, wherever they call from; who has none goes by address', async () => {
    const as = (token: string, address: string) => ({ authorization: `Bearer ${token}`, ...from(address) });
    assert.deepEqual(await statusesOf(gateway, '/who', 1, as('a', '198.51.100.10')), [200]);
    assert.deepEqual(await statusesOf(gateway, '/who', 2, as('a', '198.51.100.11')), [200, 429]);
    assert.deepEqual(await statusesOf(gateway, '/who', 1, as('b', '198.51.100.11')), [200]);
    assert.deepEqual(await statusesOf(gateway, '/who', 3, from('198.51.100.12')), [200, 200, 429]);
    assert.deepEqual(await statusesOf(gateway, '/who', 1, from('198.51.100.13')), [200]);
  });

  test('by address comes before authentication, by identity after', async () => {
    const address = from('198.51.100.20');
    assert.deepEqual(await statusesOf(gateway, '/closed', 4, address), [401, 401, 401, 429]);
    const as = { authorization: 'Bearer c', ...from('198.51.100.21') };
    assert.deepEqual(await statusesOf(gateway, '/closed', 2, as), [200, 429]);
  });

  test('a limit of a gateway is shared by its routes, and by what no route matches', async () => {
    const ask = (path: string) =>
      new Promise<number>((resolve, reject) => {
        // fetch() has its own opinion about Host.
        import('node:http').then(({ get }) => {
          get(gateway.url + path, { headers: { host: 'shared.example' } }, (response) => {
            response.resume().once('end', () => resolve(response.statusCode ?? 0));
          }).once('error', reject);
        }, reject);
      });
    const all: number[] = [];
    for (const path of ['/a', '/c', '/b', '/nowhere', '/c', '/b', '/b', '/nowhere', '/open']) all.push(await ask(path));
    // Three for the gateway (/a, /c, /nowhere), two of its own for /b; then nothing is left of either.
    assert.deepEqual(all, [200, 200, 200, 404, 429, 200, 429, 429, 200]);
  });

  test('what responses cost is charged', async () => {
    const client = from('198.51.100.30');
    assert.deepEqual(await statusesOf(gateway, '/tokens?cost=58', 1, client), [200]);
    assert.deepEqual(await statusesOf(gateway, '/tokens', 3, client), [200, 200, 429]);
  });

  test('a limit that reports lets pass and is counted; the older fields on request', async () => {
    assert.deepEqual(await statusesOf(gateway, '/watched', 3), [200, 200, 200]);
    const { headers } = await fetch(`${gateway.url}/legacy`);
    const told = ['ratelimit', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'];
    assert.deepEqual(
      told.map((name) => headers.get(name)),
      ['"a";r=9;t=360', '10', '9', '360'],
    );
    const metrics = await metricsOf(gateway);
    const count = (scope: string, outcome: string) =>
      new RegExp(`^sluice_ratelimit_decisions_total\\{limit="a",scope="${scope}",outcome="${outcome}"\\} (\\d+)$`, 'm')
        .exec(metrics)
        ?.at(1);
    assert.equal(count('route web /watched', 'allowed'), '1');
    assert.equal(count('route web /watched', 'reported'), '2');
    assert.equal(count('route web /legacy', 'allowed'), '1');
    const { limits } = (await gateway.admin('GET', '/status')).body as Status;
    assert.equal(limits.slots, 1_048_576);
    const watched = limits.limits.find(({ scope }) => scope === 'route web /watched');
    assert.deepEqual(watched, { scope: 'route web /watched', limit: 'a', allowed: 1, limited: 0, reported: 2 });
  });
});

describe('limits and workers', () => {
  test('are exact over all workers: never more than burst + rate × time, and no less', async () => {
    // A bucket that takes five seconds to fill: a machine that pauses for one loses nothing.
    const rate = 20;
    const burst = 100;
    const config = `routes: { /*: { respond: 200, limits: { all: { rate: ${rate}/s, burst: ${burst}, by: route } } } }\n`;
    await using gateway = await startGateway(config, { workers: 4 });
    const load = await runLimitLoad(gateway.url, 64, soak(2_500, 60_000));
    assert.deepEqual(load.others, []);
    const most = burst + rate * load.longest + 1;
    const least = burst + rate * load.shortest - 1;
    assert.ok(load.accepted <= most, `${load.accepted} were accepted, at most ${most} should be`);
    assert.ok(load.accepted >= least, `${load.accepted} were accepted, at least ${least} should be`);
    const decided = new RegExp(`limit="all",scope="[^"]*",outcome="allowed"\\} ${load.accepted}$`, 'm');
    assert.match(await metricsOf(gateway), decided);
  });

  test('outlive a reload and a worker', async () => {
    const config = (limit: string, more = ''): string =>
      `policies: [${BOMB}]\nroutes:\n  /a: { respond: 200, limits: { a: ${limit} } }\n  /bomb: { respond: 200, bomb: true }\n${more}`;
    await using gateway = await startGateway(config('3/h'), { workers: 2 });
    assert.deepEqual(await statusesOf(gateway, '/a', 2), [200, 200]);
    gateway.write(config('3/h', '  /b: { respond: 200 }\n'));
    await until('the reload is served', async () => (await fetch(`${gateway.url}/b`)).status === 200);
    assert.deepEqual(await statusesOf(gateway, '/a', 2), [200, 429]);
    await fetch(`${gateway.url}/bomb`, { headers: { 'x-bomb': 'throw outside' } }).catch(() => null);
    await until('both workers serve again', async () => {
      const { workers, replaced } = (await gateway.admin('GET', '/status')).body as Status;
      return replaced.crashed === 1 && workers.filter(({ state }) => state === 'serving').length === 2;
    });
    assert.deepEqual(await statusesOf(gateway, '/a', 3), [429, 429, 429]);
    // Another rate is another limit.
    gateway.write(config('4/h', '  /c: { respond: 200 }\n'));
    await until('the reload is served', async () => (await fetch(`${gateway.url}/c`)).status === 200);
    assert.deepEqual(await statusesOf(gateway, '/a', 5), [200, 200, 200, 200, 429]);
  });

  test('with more keys than places, new ones share a bucket: stricter, never looser', async () => {
    const config = `
trustedProxies: [127.0.0.0/8]
stores: { local: { buckets: 1024 } }
routes: { /*: { respond: 200, limits: { a: 1/h by address } } }
`;
    await using gateway = await startGateway(config, { workers: 2 });
    const asked = soak(2_000, 50_000);
    let accepted = 0;
    for (let i = 0; i < asked; i += 50) {
      const some = Array.from({ length: 50 }, async (_, index) => {
        const address = `10.${(i + index) >> 16}.${((i + index) >> 8) & 255}.${(i + index) & 255}`;
        const response = await fetch(gateway.url, { headers: { 'x-forwarded-for': address } });
        await response.arrayBuffer();
        if (response.status === 200) accepted++;
      });
      await Promise.all(some);
    }
    assert.ok(accepted <= 1_025, `${accepted} of ${asked}`);
    assert.ok(accepted > 500, `${accepted} of ${asked}`);
    const { limits } = (await gateway.admin('GET', '/status')).body as Status;
    assert.equal(limits.overflowed, asked - accepted + 1);
    assert.equal(limits.contended, 0);
  });
});
