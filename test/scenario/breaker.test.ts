import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { until } from '../harness.ts';
import {
  answering,
  connectRaw,
  OK,
  type RawPeer,
  type RawUpstream,
  readRequests,
  startRawUpstream,
} from '../support/raw.ts';
import { GET } from '../support/requests.ts';
import { startResilient } from '../support/resilient.ts';
import { ask } from '../support/stage.ts';

/** Circuit breakers, seen from both ends of the gateway. */

const ERROR = 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n';
const rules = { errorRate: '50%', minimumCalls: 10, window: '10s', openFor: '300ms', probes: 2 };

/** A service that is well, or not. */
class Service {
  isWell = false;
  readonly upstream: RawUpstream;

  private constructor(upstream: RawUpstream) {
    this.upstream = upstream;
  }

  static async open(context: TestContext): Promise<Service> {
    let service: Service | null = null;
    const upstream = await startRawUpstream(answering(() => (service?.isWell ? OK : ERROR)));
    context.after(() => upstream.close());
    service = new Service(upstream);
    return service;
  }

  get requests(): number {
    return this.upstream.connections.flatMap(({ bytes }) => readRequests(bytes).requests).length;
  }
}

test('opens for all workers, sheds what comes, and closes once the service is back', async (context) => {
  const service = await Service.open(context);
  using gateway = await startResilient({ urls: [service.upstream.url], breaker: rules, workers: 2 });
  for (let i = 0; i < 10; i++) assert.equal((await ask(gateway.worker(i % 2).port)).status, 500);
  const shed = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(gateway.worker(i % 2).port)));
  for (const { status, code, retryAfter } of shed) {
    assert.deepEqual([status, code, retryAfter], [503, 'circuit_open', '1']);
  }
  assert.equal(service.requests, 10);
  service.isWell = true;
  await until('it is asked again', async () => (await ask(gateway.worker(1).port)).status === 200);
  await ask(gateway.worker(0).port);
  const [breaker] = gateway.breakers;
  assert.deepEqual([breaker?.state, breaker?.changes.open], ['closed', 1]);
  for (let i = 0; i < 10; i++) assert.equal((await ask(gateway.worker(i % 2).port)).status, 200);
});

test('a service that stays down gets a few probes only', async (context) => {
  const service = await Service.open(context);
  using gateway = await startResilient({ urls: [service.upstream.url], breaker: { ...rules, maxOpenFor: '300ms' } });
  for (let i = 0; i < 10; i++) await ask(gateway.port);
  await until('it was opened three times', async () => {
    await ask(gateway.port);
    return gateway.breakers[0]?.changes.open === 3;
  });
  assert.equal(service.requests, 12);
});

test('a service that hangs opens it by time: also by a limit further out', async (context) => {
  const upstream = await startRawUpstream();
  context.after(() => upstream.close());
  using gateway = await startResilient({
    urls: [upstream.url],
    retry: { attempts: 1, perTryTimeout: '50ms', hedge: { after: '1h' } },
    breaker: { consecutiveFailures: 3, openFor: '60s' },
  });
  const answers = await Promise.all([1, 2, 3].map(() => ask(gateway.port)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [504, 504, 504],
  );
  assert.deepEqual(await ask(gateway.port), { status: 503, code: 'circuit_open', retryAfter: '60' });
});

test('clients that go away never open it', async (context) => {
  const upstream = await startRawUpstream();
  context.after(() => upstream.close());
  using gateway = await startResilient({ urls: [upstream.url], breaker: { consecutiveFailures: 1 } });
  for (let i = 1; i <= 5; i++) {
    const client = await connectRaw(gateway.port);
    client.send(GET);
    await until('it arrives', () => upstream.connections.length === i);
    client.reset();
  }
  await until('nothing is under way', () => gateway.worker(0).server.active === 0);
  assert.deepEqual(
    gateway.breakers.map(({ state, calls }) => [state, calls]),
    [['closed', 0]],
  );
});

describe('one for each endpoint', () => {
  test('takes out the one that fails; others answer for it', async (context) => {
    const bad = await Service.open(context);
    const good = await Service.open(context);
    good.isWell = true;
    using gateway = await startResilient({
      urls: [bad.upstream.url, good.upstream.url],
      breaker: { scope: 'endpoint', consecutiveFailures: 3, openFor: '60s' },
    });
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await ask(gateway.port)).status);
    assert.equal(statuses.filter((status) => status === 500).length, 3);
    assert.equal(bad.requests, 3);
    assert.deepEqual(gateway.breakers.map(({ state, failures }) => [state, failures]).sort(), [
      ['closed', 0],
      ['open', 3],
    ]);
  });

  test('with all of them open the answer tells when to come back', async (context) => {
    const one = await Service.open(context);
    const other = await Service.open(context);
    using gateway = await startResilient({
      urls: [one.upstream.url, other.upstream.url],
      breaker: { scope: 'endpoint', consecutiveFailures: 1, openFor: '20s' },
    });
    await ask(gateway.port);
    await ask(gateway.port);
    assert.deepEqual(await ask(gateway.port), { status: 503, code: 'circuit_open', retryAfter: '20' });
  });

  test('one that cannot be connected to counts, although another one answers', async (context) => {
    const gone = await startRawUpstream();
    await gone.close();
    const good = await Service.open(context);
    good.isWell = true;
    using gateway = await startResilient({
      urls: [gone.url, good.upstream.url],
      breaker: { scope: 'endpoint', consecutiveFailures: 2, openFor: '60s' },
    });
    for (let i = 0; i < 10; i++) assert.equal((await ask(gateway.port)).status, 200);
    const broken = gateway.breakers.find(({ breaker }) => breaker.endsWith(gone.url));
    assert.deepEqual([broken?.state, broken?.failures], ['open', 2]);
  });
});

test('with `retry` each attempt counts, and an open breaker is not tried again', async (context) => {
  let attempts = 0;
  const upstream = await startRawUpstream((peer: RawPeer) =>
    peer.onBytes(() => {
      attempts++;
      peer.reset();
    }),
  );
  context.after(() => upstream.close());
  using gateway = await startResilient({
    urls: [upstream.url],
    retry: { attempts: 5, backoff: { base: '0', max: '0' } },
    breaker: { consecutiveFailures: 3, openFor: '60s' },
  });
  assert.equal((await ask(gateway.port)).code, 'circuit_open');
  assert.equal(attempts, 3);
});
