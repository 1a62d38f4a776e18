import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BreakerReading } from '../../src/shared-memory/breaker-view.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, startUpstream, until } from '../harness.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

/** What a command prints, and how it ends. The test's own services go on meanwhile. */
async function sluice(gateway: Gateway, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = spawn(process.execPath, [SHIM, ...args, '-c', gateway.configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  command.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  command.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(command, 'close')) as [number];
  return { code, stdout, stderr };
}

async function list(gateway: Gateway): Promise<BreakerReading[]> {
  return ((await gateway.admin('GET', '/breakers')).body as { breakers: BreakerReading[] }).breakers;
}

/** Fresh connections, which reach both workers. */
async function statuses(gateway: Gateway, count: number): Promise<Set<number>> {
  const seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    seen.add((await fetch(gateway.url, { headers: { connection: 'close' } })).status);
  }
  return seen;
}

test('a breaker of two workers: opens by itself, shows, and obeys operators over a reload', async () => {
  let isWell = true;
  await using upstream = await startUpstream((_request, response) => {
    response.writeHead(isWell ? 200 : 500).end();
  });
  const config = (generation: number): string => `
upstreams:
  orders:
    targets: [${upstream.url}]
    retry: { attempts: 2, budget: 20% }
    breaker: { errorRate: 50%, minimumCalls: 10, window: 10s, openFor: 1h, maxOpenFor: 1h }
routes:
  /*: { to: orders, response: { headers: { set: { x-generation: "${generation}" } } } }
`;
  await using gateway = await startGateway(config(1), { workers: 2 });
  assert.deepEqual([...(await statuses(gateway, 10))], [200]);
  isWell = false;
  await until('it opens', async () => (await statuses(gateway, 1)).has(503));
  const before = upstream.requests.length;
  assert.deepEqual([...(await statuses(gateway, 20))], [503], 'for both workers');
  assert.equal(upstream.requests.length, before);
  const refused = await fetch(gateway.url);
  assert.ok(Number(refused.headers.get('retry-after')) > 3_000);
  assert.equal(((await refused.json()) as { code: string }).code, 'circuit_open');
  const opened = gateway.stdout.split('\n').filter((line) => line.includes('"event":"breaker"'));
  assert.equal(opened.length, 1, 'one of the workers tells');
  assert.match(opened[0] ?? '', /"breaker":"upstream:orders","state":"open","reason":"errorRate"/);

  const { body: metrics } = await gateway.admin('GET', '/metrics');
  assert.match(String(metrics), /sluice_breaker_state\{breaker="upstream:orders"\} 2/);
  assert.match(String(metrics), /sluice_breaker_transitions_total\{breaker="upstream:orders",to="open"\} 1/);
  assert.match(String(metrics), /sluice_breaker_refused_total\{breaker="upstream:orders"\} \d\d/);
  assert.match(String(metrics), /sluice_upstream_retries_denied_total\{upstream="orders"\} 0/);
  const status = (await gateway.admin('GET', '/status')).body as Status;
  assert.deepEqual(
    status.breakers.map(({ breaker, state }) => [breaker, state]),
    [['upstream:orders', 'open']],
  );
  assert.match((await sluice(gateway, 'status')).stdout, /upstream:orders +open +/);

  const shown = await sluice(gateway, 'breaker', 'list');
  assert.match(shown.stdout, /upstream:orders +open .*too many failed, probes in /);
  const closed = await sluice(gateway, 'breaker', 'close', 'orders');
  assert.match(closed.stdout, /upstream:orders +closed \(forced\) .*an operator/);
  assert.deepEqual([...(await statuses(gateway, 30))], [500], 'nothing is refused, whatever happens');

  gateway.write(config(2));
  assert.equal((await gateway.admin('POST', '/reload')).status, 200);
  assert.equal((await fetch(gateway.url)).headers.get('x-generation'), '2');
  assert.equal((await list(gateway))[0]?.forced, 'closed');
  await sluice(gateway, 'breaker', 'open', 'upstream:orders');
  isWell = true;
  assert.deepEqual([...(await statuses(gateway, 10))], [503]);
  assert.match(gateway.stderr, /upstream:orders was forced open/);

  assert.equal((await sluice(gateway, 'breaker', 'reset', 'orders')).code, 0);
  assert.deepEqual([...(await statuses(gateway, 10))], [200]);
  assert.deepEqual(
    (await list(gateway)).map(({ state, forced }) => [state, forced]),
    [['closed', null]],
  );

  const unknown = await sluice(gateway, 'breaker', 'open', 'order');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /there is no breaker `order`: did you mean `upstream:orders`\?/);
  assert.equal((await gateway.admin('POST', '/breakers/order', { breaker: 'orders', order: 'shut' })).status, 422);
});
