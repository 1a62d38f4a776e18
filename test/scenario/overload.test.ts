import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, startUpstream, until } from '../harness.ts';

/** More is asked for than a service can do: what it can do it does, in the order that the configuration says. */

const BOMB = fileURLToPath(new URL('../fixtures/bomb-policy.ts', import.meta.url));
const SLOTS = 8;
/** Long enough that the way between two calls is short beside it, also on a machine with other things to do. */
const SERVICE_MS = 50;
const CAPACITY = (SLOTS * 1_000) / SERVICE_MS;
/** How much more than the capacity is asked for. */
const EXCESS = 4;
const ONE_IN_HIGH = 20;
const TICK_MS = 10;

type Class = 'high' | 'normal' | 'low';

interface Tally {
  readonly answered: number[];
  refused: number;
  failed: number;
}

const newTally = (): Tally => ({ answered: [], refused: 0, failed: 0 });

/** Asks at a fixed rate, whatever becomes of what was asked before. */
class OpenLoad {
  readonly tallies: Record<Class, Tally> = { high: newTally(), normal: newTally(), low: newTally() };
  retryAfter: string | undefined;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 400 });
  readonly #url: string;
  #underWay = 0;

  constructor(url: string) {
    this.#url = url;
  }

  async run(milliseconds: number, perSecond: number, classOf: (index: number) => Class): Promise<void> {
    const startedAt = performance.now();
    for (let asked = 0; ; ) {
      const elapsed = performance.now() - startedAt;
      if (elapsed > milliseconds) break;
      for (const due = (elapsed * perSecond) / 1_000; asked < due; asked++) this.#ask(classOf(asked));
      await sleep(TICK_MS);
    }
    await until('everything was answered', () => this.#underWay === 0);
    this.#agent.destroy();
  }

  #ask(name: Class): void {
    const tally = this.tallies[name];
    const startedAt = performance.now();
    this.#underWay++;
    const sent = request(this.#url, { agent: this.#agent, headers: { 'x-class': name } }, (response) => {
      if (response.statusCode === 503) {
        tally.refused++;
        this.retryAfter ??= response.headers['retry-after'];
      } else if (response.statusCode !== 200) tally.failed++;
      response.resume();
      response.once('end', () => {
        this.#underWay--;
        if (response.statusCode === 200) tally.answered.push(performance.now() - startedAt);
      });
    });
    sent.once('error', () => {
      this.#underWay--;
      tally.failed++;
    });
    sent.end();
  }
}

/** A service that does so many things at once; more have to wait inside it. */
async function startService() {
  let busy = 0;
  /** The most at once, and for how long slots were in use, added up. */
  const seen = { most: 0, busyMs: 0 };
  const upstream = await startUpstream((_request, response) => {
    const startedAt = performance.now();
    busy++;
    seen.most = Math.max(seen.most, busy);
    setTimeout(() => {
      busy--;
      seen.busyMs += performance.now() - startedAt;
      response.end('done');
    }, SERVICE_MS);
  });
  return { upstream, seen };
}

function config(url: string, workers: number): string {
  return `
workers: ${workers}
upstreams:
  orders: { targets: [${url}], concurrency: { max: ${SLOTS}, queue: 20, timeout: 2s } }
defaults:
  priority:
    rules:
      - { when: "'x-class' in header && header['x-class'] == 'high'", class: high }
      - { when: "'x-class' in header && header['x-class'] == 'low'", class: low }
routes:
  /*: orders
  GET /ready: { respond: ready }
`;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function metricOf(gateway: Gateway, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(pattern.exec(text)?.[1] ?? Number.NaN);
}

describe('a service with four times as much to do as it can', () => {
  for (const workers of [1, 2]) {
    it(`does what it can, the important first, behind ${workers} worker(s)`, { timeout: 90_000 }, async () => {
      const { upstream, seen } = await startService();
      await using service = upstream;
      await using gateway = await startGateway(config(service.url, workers));
      const unloaded = new OpenLoad(gateway.url);
      await unloaded.run(1_000, 50, () => 'high');
      seen.busyMs = 0;
      const load = new OpenLoad(gateway.url);
      const startedAt = performance.now();
      const isHigh = (index: number): boolean => index % ONE_IN_HIGH === 0;
      await load.run(3_000, CAPACITY * EXCESS, (index) =>
        isHigh(index) ? 'high' : index % 2 === 0 ? 'normal' : 'low',
      );
      const elapsed = performance.now() - startedAt;
      const { high, normal, low } = load.tallies;

      assert.ok(seen.most <= SLOTS, `${seen.most} at once`);
      assert.ok(seen.busyMs / (elapsed * SLOTS) > 0.4, `in use ${seen.busyMs / (elapsed * SLOTS)} of the time`);
      assert.deepEqual([high.refused, high.failed, normal.failed, low.failed], [0, 0, 0, 0]);
      assert.ok(low.refused > normal.refused, 'the lowest class goes first');
      assert.ok(normal.answered.length > low.answered.length);
      assert.match(load.retryAfter ?? '', /^\d+$/);
      const [quiet, loaded] = [unloaded.tallies.high.answered, high.answered].map((each) => percentile(each, 0.5));
      assert.ok((loaded as number) < (quiet as number) * 4, `${loaded} ms instead of ${quiet} ms`);
      assert.equal(await metricOf(gateway, /^sluice_upstream_waiting\{upstream="orders"\} (\d+)$/m), 0);
      const refused = await metricOf(gateway, /^sluice_upstream_overloaded_total\{upstream="orders"\} (\d+)$/m);
      assert.equal(refused, normal.refused + low.refused);
    });
  }
});

describe('a place', () => {
  it('is free again when the worker that had it is lost', async () => {
    const held: (() => void)[] = [];
    await using service = await startUpstream((_request, response) => {
      held.push(() => response.end('done'));
    });
    const routes = `
workers: 1
policies: [${BOMB}]
upstreams: { slow: { targets: [${service.url}], concurrency: { max: 1, queue: 5, timeout: 20s } } }
routes:
  /bomb: { respond: { status: 200 }, bomb: true }
  /*: slow
`;
    await using gateway = await startGateway(routes);
    const lost = fetch(gateway.url).catch(() => null);
    await until('the service is asked', () => held.length === 1);
    await fetch(`${gateway.url}/bomb`, { headers: { 'x-bomb': 'throw outside' } }).catch(() => null);
    await lost;
    const next = await until('the successor serves', async () => {
      const { workers, replaced } = (await gateway.admin('GET', '/status')).body as Status;
      if ((replaced.crashed ?? 0) === 0 || !workers.some(({ state }) => state === 'serving')) return null;
      return { asked: fetch(gateway.url) };
    });
    await until('the service is asked again', () => held.length === 2);
    held[1]?.();
    assert.equal((await next.asked).status, 200);
  });

  it('is counted on over a reload that changes how many there are', async () => {
    const held: (() => void)[] = [];
    await using service = await startUpstream((_request, response) => {
      held.push(() => response.end('done'));
    });
    const routes = (max: number): string =>
      `routes: { /*: { to: "${service.url}", concurrency: { max: ${max}, queue: 0 } } }\n`;
    await using gateway = await startGateway(routes(2));
    const answers = [fetch(gateway.url), fetch(gateway.url)];
    await until('both are asked for', () => held.length === 2);
    gateway.write(routes(3));
    assert.equal((await gateway.admin('POST', '/reload')).status, 200);
    answers.push(fetch(gateway.url));
    await until('the third is asked for', () => held.length === 3);
    const refused = await fetch(gateway.url);
    assert.equal(refused.status, 503);
    assert.equal(((await refused.json()) as { code: string }).code, 'overloaded');
    for (const answer of held) answer();
    for (const answer of answers) assert.equal((await answer).status, 200);
  });
});

describe('a worker that has too much to do', () => {
  it('turns the lowest class away, and answers who asks for readiness', { timeout: 60_000 }, async () => {
    const routes = `
workers: 1
overload: { loopDelay: 20ms }
policies: [${BOMB}]
defaults: { priority: low }
routes:
  /low: { respond: { status: 200 }, bomb: true }
  /high: { respond: { status: 200 }, priority: high }
  GET /ready: { respond: ready }
`;
    await using gateway = await startGateway(routes);
    const statuses = new Map<string, Set<number>>();
    const ask = async (path: string): Promise<void> => {
      const seen = statuses.get(path) ?? new Set<number>();
      statuses.set(path, seen);
      seen.add((await fetch(gateway.url + path, { headers: { 'x-bomb': 'pause' } })).status);
    };
    let isOver = false;
    const clients = Array.from({ length: 12 }, async () => {
      while (!isOver) await ask('/low');
    });
    await until('the lowest class is turned away', async () => {
      await ask('/high');
      await ask('/ready');
      return statuses.get('/low')?.has(503);
    });
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual([...(statuses.get('/high') ?? [])], [200]);
    assert.deepEqual([...(statuses.get('/ready') ?? [])], [200]);
    assert.ok((await metricOf(gateway, /^sluice_shed_total\{priority="low"\} (\d+)$/m)) > 0);
    await until('all are served again', async () => (await fetch(`${gateway.url}/low`)).status === 200);
  });
});
