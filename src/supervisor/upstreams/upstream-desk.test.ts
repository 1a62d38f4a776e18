import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { handUpstream } from '../../../test/support/plan.ts';
import type { HealthCheck, UpstreamWork } from '../../compile/upstream-work.ts';
import type { Supervised } from '../../plan/policy.ts';
import type { Endpoint, EndpointHealth } from '../../plan/upstream.ts';
import { UpstreamDesk, UpstreamError } from './upstream-desk.ts';

const [A, B] = ['http://10.0.0.1:1', 'http://10.0.0.2:1'] as const;
const health: HealthCheck = {
  ask: { kind: 'http', method: 'GET', path: '/', host: null, headers: [], statuses: [[200, 299]], body: null },
  interval: 50,
  jitter: 0,
  timeout: 1_000,
  healthyAfter: 1,
  unhealthyAfter: 1,
};

/** A desk, and what it publishes and says. */
class Scene {
  readonly desk = new UpstreamDesk({ endpoint: () => null, breakers: () => new Map() });
  /** Each publication, as URLs. */
  readonly lists: string[][] = [];
  readonly health = new Map<string, boolean>();
  readonly said: string[] = [];
  readonly watches: Supervised[] = [];

  watch(work: Partial<UpstreamWork> & { urls?: readonly string[] }): Supervised {
    const { urls = [], ...more } = work;
    const { endpoints } = handUpstream(urls);
    const whole = {
      name: 'orders',
      endpoints,
      tls: null,
      proxyProtocol: 0,
      health: null,
      sources: [],
      ...more,
    } as const;
    const setHealth = (entries: Iterable<readonly [string, EndpointHealth | undefined]>): void => {
      for (const [url, value] of entries) {
        if (value === undefined) this.health.delete(url);
        else this.health.set(url, value.isHealthy);
      }
    };
    const replace = (entries: Iterable<readonly [string, readonly Endpoint[]]>): void => {
      for (const [, list] of entries) this.lists.push(list.map(({ url }) => url));
    };
    const watch = this.desk.watch(whole, {
      endpoints: { replace, update: () => undefined },
      health: { replace: setHealth, update: setHealth },
      problem: (message) => void this.said.push(message),
    });
    this.watches.push(watch);
    return watch;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await sleep(10);
  }

  [Symbol.dispose](): void {
    for (const watch of this.watches) void watch.close();
  }
}

/** An endpoint that can be told to be unwell. */
async function service() {
  let status = 200;
  const server = createServer((_request, response) => void response.writeHead(status).end());
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers: (given: number): void => {
      status = given;
    },
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function targetFile(urls: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-desk-'));
  const file = join(folder, 'targets.json');
  const write = (given: readonly string[]): void => {
    writeFileSync(`${file}.new`, JSON.stringify(given));
    renameSync(`${file}.new`, file);
  };
  write(urls);
  return {
    source: { kind: 'file', file, keepFor: 0 } as const,
    write,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function errorOf(act: () => unknown): UpstreamError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof UpstreamError);
    return error;
  }
  assert.fail('nothing was wrong');
}

describe('what workers hear', () => {
  test('nothing of an upstream that is as it is configured', () => {
    using scene = new Scene();
    scene.watch({ urls: [A, B] });
    assert.deepEqual(scene.lists, []);
  });

  test('health, from the first answer on, and once for each change', async () => {
    using well = await service();
    using scene = new Scene();
    const { settled } = scene.watch({ urls: [well.url, 'http://127.0.0.1:1'], health });
    await settled;
    assert.deepEqual([scene.health.get(well.url), scene.health.get('http://127.0.0.1:1')], [true, false]);
    assert.match(scene.said.join(), /^http:\/\/127\.0\.0\.1:1 is unhealthy: connect ECONNREFUSED/);
    well.answers(503);
    await scene.until(() => scene.health.get(well.url) === false);
    well.answers(200);
    await scene.until(() => scene.health.get(well.url) === true);
    assert.deepEqual(scene.said.slice(1), [`${well.url} is unhealthy: status 503`, `${well.url} is healthy again`]);
    const [summary] = scene.desk.summaries();
    assert.deepEqual([summary?.counts.outages, summary?.counts.recoveries], [2, 1]);
    // The configured list is what it was.
    assert.deepEqual(scene.lists, []);
  });

  test('what is found beside what is configured', async () => {
    using file = targetFile([B, A]);
    using scene = new Scene();
    await scene.watch({ urls: [A], sources: [file.source] }).settled;
    assert.deepEqual(scene.lists, [[A, B]]);
    file.write([A]);
    await scene.until(() => scene.lists.length === 2);
    assert.deepEqual(scene.lists[1], [A]);
  });

  test('an endpoint that was just found once it has been asked, and what replaces it not before', async () => {
    using one = await service();
    using two = await service();
    using file = targetFile([one.url]);
    using scene = new Scene();
    await scene.watch({ sources: [file.source], health }).settled;
    assert.deepEqual(scene.lists, [[one.url]]);
    file.write([two.url]);
    await scene.until(() => scene.lists.length > 1);
    assert.deepEqual(scene.lists[1], [two.url]);
    assert.equal(scene.health.get(two.url), true);
    assert.deepEqual([...scene.health.keys()], [two.url]);
    // Somebody who is not well comes with the news that it is not.
    file.write([two.url, 'http://127.0.0.1:1']);
    await scene.until(() => scene.lists.length > 2);
    assert.equal(scene.health.get('http://127.0.0.1:1'), false);
  });

  test('a changed configuration goes on with what was found', async () => {
    using file = targetFile([A]);
    using scene = new Scene();
    await scene.watch({ sources: [file.source] }).settled;
    rmSync(file.source.file);
    const next = scene.watch({ urls: [B], sources: [file.source] });
    await next.settled;
    assert.deepEqual(scene.lists.at(-1), [B, A]);
  });
});

describe('taking an endpoint out', () => {
  test('calls go elsewhere until it is put back, whatever is reloaded meanwhile', () => {
    using scene = new Scene();
    const first = scene.watch({ urls: [A, B] });
    const view = scene.desk.drain({ upstream: 'orders', endpoint: `${A}/` });
    assert.deepEqual(
      view.endpoints.map(({ drainedSince }) => drainedSince !== null),
      [true, false],
    );
    assert.deepEqual(scene.lists, [[B]]);
    // Another configuration, in which it is absent at first.
    scene.watch({ urls: [B], health });
    void first.close();
    assert.deepEqual(scene.desk.list('orders')[0]?.drainedAbsent, [A]);
    const third = scene.watch({ urls: [A, B] });
    assert.deepEqual(scene.lists.at(-1), [B]);
    void scene.watches[1]?.close();
    assert.equal(scene.desk.undrain({ upstream: 'orders', endpoint: A }).endpoints[0]?.drainedSince, null);
    assert.deepEqual(scene.lists.at(-1), [A, B]);
    void third.close();
  });

  test('not the last one, unless that is meant', () => {
    using scene = new Scene();
    scene.watch({ urls: [A, B] });
    scene.desk.drain({ upstream: 'orders', endpoint: A });
    assert.equal(errorOf(() => scene.desk.drain({ upstream: 'orders', endpoint: B })).kind, 'last');
    scene.desk.drain({ upstream: 'orders', endpoint: B, force: true });
    assert.deepEqual(scene.lists.at(-1), []);
    // Again is no error.
    scene.desk.drain({ upstream: 'orders', endpoint: B });
    assert.equal(scene.desk.summaries()[0]?.endpoints.filter(({ isDrained }) => isDrained).length, 2);
  });

  test('what makes no sense', () => {
    using scene = new Scene();
    scene.watch({ urls: [A, B] });
    scene.watch({ name: 'single', urls: [A] });
    const kind = (body: unknown): string => errorOf(() => scene.desk.drain(body)).kind;
    assert.equal(kind({ upstream: 'order', endpoint: A }), 'unknown');
    assert.equal(kind({ upstream: 'orders', endpoint: 'http://10.0.0.3:1' }), 'unknown');
    assert.equal(kind({ upstream: 'orders' }), 'invalid');
    assert.equal(kind(null), 'invalid');
    assert.equal(kind({ upstream: 'single', endpoint: A }), 'invalid');
    assert.match(errorOf(() => scene.desk.list('order')).message, /did you mean `orders`/);
    assert.equal(errorOf(() => scene.desk.undrain({ upstream: 'orders', endpoint: A })).kind, 'unknown');
  });
});
