import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dispatch, UpstreamCall } from '../../src/plan/call.ts';
import {
  ALL_ENDPOINTS,
  type BalanceOptions,
  type EjectionOptions,
  ENDPOINTS_FEED,
  type Endpoint,
  type EndpointGuard,
  type EndpointHealth,
  HEALTH_FEED,
} from '../../src/plan/upstream.ts';
import { type EndpointReading, endpointKey, readEndpoint } from '../../src/shared-memory/endpoint-record.ts';
import { freePort, until } from '../harness.ts';
import { startBlackHole } from '../support/black-hole.ts';
import { TestFeeds } from '../support/feeds.ts';
import { handRoute, handUpstream } from '../support/plan.ts';
import { answering, OK, type RawPeer, type RawUpstream, readRequests, startRawUpstream } from '../support/raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from '../support/runtime.ts';
import { ask, clients, GET } from '../support/stage.ts';
import { TestStates } from '../support/states.ts';

/** Endpoints that come, go and fail while they are used: through real sockets. */

const balance: BalanceOptions = {
  method: 'least-request',
  key: null,
  maxLoad: 1.25,
  slowStart: 0,
  panicThreshold: 0.3,
};
const ejection: EjectionOptions = {
  failures: 3,
  connect: true,
  reset: true,
  timeout: true,
  malformed: true,
  statuses: [502, 503, 504],
  successRate: null,
  baseTime: 60_000,
  maxTime: 300_000,
  maxShare: 0.5,
};

interface Scene extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly upstreams: readonly RawUpstream[];
  readonly states: TestStates;
  list(...indices: number[]): void;
  health(states: Readonly<Record<number, boolean>>): void;
  requests(): number[];
  reading(index: number): EndpointReading;
}

type OnConnection = (peer: RawPeer, index: number) => void;

async function scene(
  behaviours: readonly OnConnection[],
  upstreamOptions: RuntimeOptions['upstreamOptions'] = {},
  more: RuntimeOptions = {},
): Promise<Scene> {
  const upstreams: RawUpstream[] = [];
  for (const each of behaviours) upstreams.push(await startRawUpstream(each));
  const feeds = new TestFeeds();
  const states = new TestStates();
  const urls = upstreams.map(({ url }) => url);
  const { endpoints } = handUpstream(urls);
  const runtime = await startRuntime({
    upstreams: urls,
    upstreamOptions: { owner: 'test', balance, ...upstreamOptions },
    feeds,
    states: states.worker(),
    ...more,
  });
  const supervisor = states.worker();
  return {
    runtime,
    upstreams,
    states,
    list: (...indices) => {
      const listed = indices.map((index) => endpoints[index] as Endpoint);
      feeds.find<readonly Endpoint[]>(ENDPOINTS_FEED).replace([[ALL_ENDPOINTS, listed]]);
    },
    health: (verdicts) => {
      const entries = Object.entries(verdicts).map(([index, isHealthy]): [string, EndpointHealth] => [
        urls[Number(index)] as string,
        { isHealthy, since: 0 },
      ]);
      feeds.find<EndpointHealth>(HEALTH_FEED).update(entries);
    },
    requests: () =>
      upstreams.map(({ connections }) =>
        connections.reduce((sum, { bytes }) => sum + readRequests(bytes).requests.length, 0),
      ),
    reading: (index) => readEndpoint(supervisor, 'main', urls[index] as string) as EndpointReading,
    async [Symbol.asyncDispose]() {
      runtime.stop();
      for (const upstream of upstreams) await upstream.close();
    },
  };
}

const well = answering(() => OK);
const silent = (): void => undefined;

describe('an endpoint that leaves', () => {
  test('ends its idle connections at once and the others with their calls', async () => {
    await using it = await scene([silent, well]);
    it.health({ 1: false });
    const [first, second] = await clients(it.runtime, 2);
    first?.send(GET);
    second?.send(GET);
    const peers = await until('both are there', () => {
      const { connections = [] } = it.upstreams[0] ?? {};
      return connections.length === 2 && connections.every(({ text }) => text.endsWith('\r\n\r\n')) && connections;
    });
    peers[0]?.send(OK);
    assert.equal((await first?.response())?.status, 200);
    it.health({ 1: true });
    it.list(1);
    // Whoever comes next finds out.
    assert.equal((await ask(it.runtime.port)).status, 200);
    await peers[0]?.untilClosed();
    assert.equal(peers[1]?.ended, false);
    peers[1]?.send(OK);
    assert.equal((await second?.response())?.status, 200);
    await peers[1]?.untilClosed();
    assert.deepEqual(it.requests(), [2, 1]);
  });

  test('leaves calls that wait for a connection to it to the others', async () => {
    await using it = await scene([well]);
    const hole = await startBlackHole();
    try {
      const feeds = new TestFeeds();
      const listed = feeds.find<readonly Endpoint[]>(ENDPOINTS_FEED);
      listed.replace([[ALL_ENDPOINTS, handUpstream([hole.url]).endpoints]]);
      const { url } = it.upstreams[0] as RawUpstream;
      using runtime = await startRuntime({
        upstreams: url,
        upstreamOptions: { owner: 'test', connectTimeout: 60_000 },
        feeds,
      });
      const [waiting] = await clients(runtime, 1);
      waiting?.send(GET);
      await until('it waits', () => runtime.server.active === 1);
      listed.replace([[ALL_ENDPOINTS, handUpstream([url]).endpoints]]);
      assert.equal((await ask(runtime.port)).status, 200);
      assert.equal((await waiting?.response())?.status, 200);
    } finally {
      hole.close();
    }
  });

  test('and comes back under load costs no call', async () => {
    await using it = await scene([well, well, well]);
    const statuses: number[] = [];
    let isOver = false;
    const load = Array.from({ length: 8 }, async () => {
      while (!isOver) statuses.push((await ask(it.runtime.port)).status);
    });
    for (const listed of [[0, 1], [1, 2], [2], [0, 2], [0, 1, 2], [1], [0, 1, 2]]) {
      const before = statuses.length;
      it.list(...listed);
      await until('calls went on', () => statuses.length > before + 16);
    }
    isOver = true;
    await Promise.all(load);
    assert.deepEqual([...new Set(statuses)], [200]);
    for (const index of it.upstreams.keys()) assert.equal(it.reading(index).inFlight, 0);
  });

  test('as the last one leaves nobody to ask: 503', async () => {
    await using it = await scene([well]);
    it.list();
    const answer = await ask(it.runtime.port);
    assert.deepEqual([answer.status, answer.code, answer.retryAfter], [503, 'upstream_unavailable', '1']);
    it.list(0);
    assert.equal((await ask(it.runtime.port)).status, 200);
  });
});

describe('what is under way', () => {
  test('is counted until the answer, whatever ends it', async () => {
    await using it = await scene([silent, silent]);
    const [answered, cancelled, refused] = await clients(it.runtime, 3);
    const inFlight = (): number => it.reading(0).inFlight + it.reading(1).inFlight;
    for (const client of [answered, cancelled, refused]) client?.send(GET);
    const peers = await until('all are there', () => {
      const all = it.upstreams.flatMap(({ connections }) => connections);
      return all.length === 3 && all.every(({ text }) => text.endsWith('\r\n\r\n')) && all;
    });
    assert.equal(inFlight(), 3);
    assert.equal(it.reading(0).connections + it.reading(1).connections, 3);
    // Two of three are at one endpoint, none at more.
    assert.deepEqual([it.reading(0).inFlight, it.reading(1).inFlight].sort(), [1, 2]);
    peers[0]?.send(OK);
    await until('one is answered', () => inFlight() === 2);
    peers[1]?.reset();
    await until('one has failed', () => inFlight() === 1);
    for (const client of [answered, cancelled, refused]) client?.reset();
    await until('one is cancelled', () => inFlight() === 0);
    await until('nothing is open', () => it.reading(0).connections + it.reading(1).connections <= 1);
  });

  test('includes tunnels for as long as they live', async () => {
    const switching: OnConnection = (peer) => {
      peer.onBytes(() => {
        if (peer.text.endsWith('\r\n\r\n')) {
          peer.send('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
        }
      });
    };
    await using it = await scene([switching]);
    const [client] = await clients(it.runtime, 1);
    client?.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await client?.until('it is switched', ({ text }) => text.includes('101'));
    assert.equal(it.reading(0).inFlight, 1);
    client?.reset();
    await until('it has ended', () => it.reading(0).inFlight === 0);
  });

  test('of a worker that is lost is forgotten', async () => {
    const states = new TestStates();
    const worker = states.worker();
    await using it = await scene([silent], {}, { states: worker });
    const { url } = it.upstreams[0] as RawUpstream;
    const [other, supervisor] = [states.worker(), states.worker()];
    other.acquire(endpointKey('main', url));
    const reading = (): EndpointReading | null => readEndpoint(supervisor, 'main', url);
    const [client] = await clients(it.runtime, 1);
    client?.send(GET);
    await until('it is there', () => reading()?.inFlight === 1);
    states.lose(worker);
    assert.equal(reading()?.inFlight, 0);
  });

  test('at one endpoint leads the next calls to the other', async () => {
    await using it = await scene([silent, well]);
    it.health({ 1: false });
    const busy = await clients(it.runtime, 5);
    for (const client of busy) client.send(GET);
    await until('they are there', () => it.reading(0).inFlight === 5);
    it.health({ 1: true });
    for (let i = 0; i < 20; i++) assert.equal((await ask(it.runtime.port)).status, 200);
    assert.deepEqual(it.requests(), [5, 20]);
  });
});

describe('ejection', () => {
  test('of an endpoint that accepts and never answers, after the configured failures', async () => {
    await using it = await scene([silent, well, well], { ejection, headTimeout: 100, balance: null });
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await ask(it.runtime.port)).status);
    assert.equal(statuses.filter((status) => status === 504).length, 3);
    assert.equal(it.requests()[0], 3);
    assert.ok(it.reading(0).ejectedFor > 0);
    assert.equal(it.reading(0).ejections, 1);
    assert.match(it.runtime.reports[0] ?? '', /^upstream main: http:.* is left alone for 1m: 3 failures in a row$/);
  });

  test('of one that answers 503, resets, breaks off, or talks no HTTP', async () => {
    const ways: [what: string, behaviour: OnConnection][] = [
      ['503', answering(() => 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n')],
      ['reset', (peer) => peer.onBytes(() => peer.reset())],
      ['broken', (peer) => peer.onBytes(() => peer.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'))],
      ['garbage', answering(() => 'SSH-2.0-OpenSSH\r\n\r\n')],
    ];
    for (const [what, behaviour] of ways) {
      await using it = await scene([behaviour, well], { ejection, balance: null });
      for (let i = 0; i < 12; i++) {
        const [client] = await clients(it.runtime, 1);
        client?.send(GET.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
        await client?.untilClosed();
        client?.destroy();
      }
      assert.deepEqual(it.requests(), [3, 9], what);
    }
  });

  test('of one that refuses connections: calls go elsewhere, and then without a try', async () => {
    const port = await freePort();
    await using it = await scene([well]);
    const urls = [`http://127.0.0.1:${port}`, it.upstreams[0]?.url as string];
    const states = new TestStates();
    using runtime = await startRuntime({ upstreams: urls, upstreamOptions: { ejection }, states: states.worker() });
    for (let i = 0; i < 12; i++) assert.equal((await ask(runtime.port)).status, 200);
    assert.equal(readEndpoint(states.worker(), 'main', urls[0] as string)?.failures, 3);
  });

  test('of one whose answers a time limit does not wait for', async () => {
    await using it = await scene([silent, well], { ejection, balance: null });
    const impatient = (next: Dispatch): Dispatch => {
      return (call, sink) => {
        next(call, sink);
        setTimeout(() => {
          if (call.runner === null) return;
          call.timedOut = true;
          call.cancel();
          sink.fail({ code: 'upstream_timeout', status: 504, from: 'upstream', retry: 'no', title: 'x' });
        }, 50);
      };
    };
    await it.runtime.reload({
      routes: (pool) => ({ '/*': handRoute({ dispatch: impatient(pool('main').dispatch) }) }),
    });
    for (let i = 0; i < 12; i++) await ask(it.runtime.port);
    assert.deepEqual(it.requests(), [3, 9]);
  });

  test('is no matter of callers that go away', async () => {
    await using it = await scene([silent, silent], { ejection, balance: null });
    for (let i = 0; i < 12; i++) {
      const [client] = await clients(it.runtime, 1);
      client?.send(GET);
      await until('it is there', () => it.requests().reduce((sum, count) => sum + count, 0) === i + 1);
      client?.reset();
      await until('it is over', () => it.runtime.server.active === 0);
    }
    assert.equal(it.reading(0).ejections + it.reading(1).ejections, 0);
    assert.equal(it.reading(0).failures, 0);
  });

  test('is over after its time', async () => {
    let isWell = false;
    const flapping: OnConnection = answering(() => (isWell ? OK : 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n'));
    await using it = await scene([flapping, well], { ejection: { ...ejection, baseTime: 300 }, balance: null });
    for (let i = 0; i < 12; i++) await ask(it.runtime.port);
    assert.equal(it.reading(0).ejections, 1);
    isWell = true;
    await until('it is asked again', async () => {
      assert.equal((await ask(it.runtime.port)).status, 200);
      return (it.requests()[0] as number) > 4;
    });
    assert.equal(it.reading(0).ejectedFor, 0);
  });
});

describe('hash', () => {
  const key = { kind: 'header', name: 'x-tenant' } as const;
  const tenant = (name: string): string => `GET / HTTP/1.1\r\nhost: a\r\nx-tenant: ${name}\r\n\r\n`;

  test('sends a key to one endpoint, and to another when that is gone', async () => {
    await using it = await scene([well, well, well], { balance: { ...balance, method: 'hash', key } });
    const owners = new Map<string, number>();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const before = it.requests();
      for (let i = 0; i < 3; i++) await ask(it.runtime.port, tenant(name));
      const grown = it.requests().map((count, index) => count - (before[index] as number));
      assert.deepEqual(grown.toSorted(), [0, 0, 3]);
      owners.set(name, grown.indexOf(3));
    }
    it.health({ 0: false });
    for (const [name, owner] of owners) {
      const before = it.requests();
      await ask(it.runtime.port, tenant(name));
      const now = it.requests().findIndex((count, index) => count > (before[index] as number));
      if (owner === 0) assert.notEqual(now, 0);
      else assert.equal(now, owner);
    }
  });
});

describe('priorities', () => {
  test('lead to the next group when the first refuses or is ill, and back', async () => {
    await using it = await scene([well, well]);
    const [first, second] = handUpstream(it.upstreams.map(({ url }) => url)).endpoints as [Endpoint, Endpoint];
    const dead = { ...first, url: `http://127.0.0.1:${await freePort()}` };
    const feeds = new TestFeeds();
    const listed = feeds.find<readonly Endpoint[]>(ENDPOINTS_FEED);
    using runtime = await startRuntime({
      upstreams: it.upstreams.map(({ url }) => url),
      upstreamOptions: { owner: 'test', endpoints: [first, { ...second, priority: 1 }] },
      feeds,
    });
    for (let i = 0; i < 6; i++) await ask(runtime.port);
    assert.deepEqual(it.requests(), [6, 0]);
    const health = feeds.find<EndpointHealth>(HEALTH_FEED);
    health.update([[first.url, { isHealthy: false, since: 0 }]]);
    for (let i = 0; i < 6; i++) await ask(runtime.port);
    assert.deepEqual(it.requests(), [6, 6]);
    health.update([[first.url, { isHealthy: true, since: 0 }]]);
    for (let i = 0; i < 6; i++) await ask(runtime.port);
    assert.deepEqual(it.requests(), [12, 6]);
    listed.replace([
      [
        ALL_ENDPOINTS,
        [
          { ...dead, port: Number(new URL(dead.url).port) },
          { ...second, priority: 1 },
        ],
      ],
    ]);
    for (let i = 0; i < 6; i++) assert.equal((await ask(runtime.port)).status, 200);
    assert.deepEqual(it.requests(), [12, 12]);
  });
});

describe('a guard of endpoints', () => {
  class Guard implements EndpointGuard {
    readonly settlements: string[] = [];
    readonly refused = new Set<string>();
    open = 0;

    admits({ url }: Endpoint): boolean {
      if (this.refused.has(url)) return false;
      this.open++;
      return true;
    }

    settled({ url }: Endpoint, status: number, error: { code: string } | null): void {
      this.open--;
      this.settlements.push(`${url} ${status} ${error?.code ?? 'ok'}`);
    }
  }

  async function guarded(it: Scene, guard: Guard): Promise<UpstreamCall[]> {
    const calls: UpstreamCall[] = [];
    await it.runtime.reload({
      routes: (pool) => ({
        '/*': handRoute({
          dispatch: (call, sink) => {
            call.guard = guard;
            calls.push(call);
            pool('main').dispatch(call, sink);
          },
        }),
      }),
    });
    return calls;
  }

  test('says where calls may go, and hears what became of each', async () => {
    await using it = await scene([well, answering(() => 'HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')], {
      balance: null,
    });
    const guard = new Guard();
    const calls = await guarded(it, guard);
    const [first, second] = it.upstreams.map(({ url }) => url) as [string, string];
    await ask(it.runtime.port);
    await ask(it.runtime.port);
    assert.deepEqual(guard.settlements.toSorted(), [`${first} 200 ok`, `${second} 500 ok`].toSorted());
    guard.refused.add(second);
    for (let i = 0; i < 4; i++) assert.equal((await ask(it.runtime.port)).status, 200);
    assert.equal(calls.at(-1)?.endpoint?.url, first);
    guard.refused.add(first);
    const answer = await ask(it.runtime.port);
    assert.deepEqual([answer.status, answer.code], [503, 'circuit_open']);
    assert.equal(guard.open, 0);
  });

  test('hears of a tunnel or a stream while it goes on, and once', async () => {
    const head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
    const streaming = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    await using it = await scene([
      (peer) => {
        peer.onBytes(() => {
          if (!peer.text.endsWith('\r\n\r\n')) return;
          peer.send(peer.text.includes('upgrade') ? head : streaming);
        });
      },
    ]);
    const guard = new Guard();
    await guarded(it, guard);
    const { url } = it.upstreams[0] as RawUpstream;
    const [tunnel, stream] = await clients(it.runtime, 2);
    tunnel?.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await tunnel?.until('it is switched', ({ text }) => text.includes('101'));
    assert.deepEqual(guard.settlements, [`${url} 101 ok`]);
    stream?.send(GET);
    await until('the stream is old enough', () => {
      it.upstreams[0]?.connections[1]?.send('1\r\nx\r\n');
      return guard.settlements.length === 2;
    });
    assert.equal(it.reading(0).inFlight, 2);
    for (const client of [tunnel, stream]) client?.reset();
    await until('both are over', () => it.reading(0).inFlight === 0);
    assert.deepEqual(guard.settlements, [`${url} 101 ok`, `${url} 200 ok`]);
    assert.equal(guard.open, 0);
  });

  test('hears of refused connections too', async () => {
    const port = await freePort();
    await using it = await scene([well]);
    const dead = `http://127.0.0.1:${port}`;
    const alive = it.upstreams[0]?.url as string;
    using runtime = await startRuntime({ upstreams: [dead, alive] });
    const guard = new Guard();
    await guarded({ ...it, runtime }, guard);
    assert.equal((await ask(runtime.port)).status, 200);
    assert.deepEqual(guard.settlements, [`${dead} 0 upstream_connect_failed`, `${alive} 200 ok`]);
    assert.equal(guard.open, 0);
  });
});
