import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GateOptions } from '../../src/plan/admission.ts';
import { Gates } from '../../src/runtime/gate.ts';
import { WorkerCell } from '../../src/shared-memory/metrics.ts';
import { MetricsView } from '../../src/shared-memory/metrics-view.ts';
import { until } from '../harness.ts';
import { testGauges } from '../support/gauges.ts';
import { handRoute } from '../support/plan.ts';
import { connectRaw, OK, type RawPeer, type RawUpstream, readRequests, startRawUpstream } from '../support/raw.ts';
import { GET } from '../support/requests.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';

/** Places are given back whichever way an exchange ends, seen from both ends of the gateway. */

const options: GateOptions = {
  scope: { kind: 'upstream', name: 'main' },
  max: 1,
  queue: 5,
  timeout: 60_000,
  adaptive: null,
};

class Guarded implements AsyncDisposable {
  readonly upstream: RawUpstream;
  readonly runtime: Runtime;
  readonly cell: WorkerCell;
  readonly clients: RawPeer[] = [];

  constructor(upstream: RawUpstream, runtime: Runtime, cell: WorkerCell) {
    this.upstream = upstream;
    this.runtime = runtime;
    this.cell = cell;
  }

  async ask(request = GET): Promise<RawPeer> {
    const client = await connectRaw(this.runtime.port);
    this.clients.push(client);
    client.send(request);
    return client;
  }

  /** The upstream's end of the connection on which so many requests have arrived in all. */
  async asked(count: number): Promise<RawPeer> {
    return await until(`${count} requests`, () => {
      const arrived = this.upstream.connections.flatMap((peer) => readRequests(peer.bytes).requests.map(() => peer));
      return arrived.length >= count ? arrived.at(-1) : null;
    });
  }

  get waiting(): number {
    return new MetricsView([this.cell.buffer]).upstream(0).waiting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.destroy();
    this.runtime.stop();
    await this.upstream.close();
  }
}

async function open(changes: Partial<GateOptions> = {}): Promise<Guarded> {
  const upstream = await startRawUpstream();
  const cell = new WorkerCell();
  const gates = new Gates(testGauges(), () => performance.now(), cell);
  const runtime = await startRuntime({
    upstreams: upstream.url,
    routes: (pool) => ({
      '/*': handRoute({
        dispatch: gates.open({ ...options, ...changes }, 0).guard(pool('main').dispatch, null, null),
      }),
    }),
  });
  return new Guarded(upstream, runtime, cell);
}

describe('one at a time', () => {
  test('the next request goes out when the one before is answered', async () => {
    await using it = await open();
    const first = await it.ask();
    const server = await it.asked(1);
    const second = await it.ask();
    await until('the second waits', () => it.waiting === 1);
    server.send(OK);
    assert.equal((await first.response()).status, 200);
    await it.asked(2);
    assert.equal(it.upstream.connections.length, 1, 'on the same connection');
    server.send(OK);
    assert.equal((await second.response()).status, 200);
    assert.equal(it.waiting, 0);
  });

  test('and when its client goes away, when its service does, or when it takes too long', async () => {
    await using it = await open();
    const leaving = await it.ask();
    await it.asked(1);
    const second = await it.ask();
    await until('the second waits', () => it.waiting === 1);
    leaving.reset();
    const server = await it.asked(2);
    const third = await it.ask();
    await until('the third waits', () => it.waiting === 1);
    server.reset();
    assert.equal((await second.response()).status, 502);
    const last = await it.asked(3);
    last.send(OK);
    assert.equal((await third.response()).status, 200);
  });

  test('who goes away while waiting is not asked for', async () => {
    await using it = await open();
    const first = await it.ask();
    const server = await it.asked(1);
    const leaving = await it.ask();
    await until('one waits', () => it.waiting === 1);
    leaving.reset();
    await until('nobody waits', () => it.waiting === 0);
    server.send(OK);
    assert.equal((await first.response()).status, 200);
    assert.equal(it.upstream.connections.length, 1);
    assert.equal(readRequests(server.bytes).requests.length, 1);
  });

  test('a request with a body waits with it', async () => {
    await using it = await open();
    const first = await it.ask();
    const server = await it.asked(1);
    const body = 'x'.repeat(200_000);
    const upload = await it.ask(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await until('it waits', () => it.waiting === 1);
    server.send(OK);
    assert.equal((await first.response()).status, 200);
    const receiving = await it.asked(2);
    receiving.send(OK);
    assert.equal((await upload.response('POST')).status, 200);
  });

  test('more than may wait get 503, and hear when to come back', async () => {
    await using it = await open({ queue: 0 });
    await it.ask();
    await it.asked(1);
    const refused = await it.ask();
    const answer = await refused.response();
    assert.equal(answer.status, 503);
    assert.equal(answer.field('retry-after'), '1');
    assert.match(answer.body.toString(), /"code":"overloaded"/);
    assert.equal(new MetricsView([it.cell.buffer]).upstream(0).overloaded, 1);
  });

  test('a tunnel is one until its end', async () => {
    const UPGRADE = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n';
    const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n';
    for (const side of ['client', 'service'] as const) {
      await using it = await open();
      const client = await it.ask(UPGRADE);
      const server = await it.asked(1);
      server.send(`${SWITCHED}hello`);
      await client.until('the tunnel is open', ({ text }) => text.endsWith('hello'));
      client.send('ping');
      await server.until('it goes both ways', ({ text }) => text.endsWith('ping'));
      const next = await it.ask();
      await until('the next waits', () => it.waiting === 1);
      if (side === 'client') client.reset();
      else server.reset();
      const again = await until('the next is asked for', () => it.upstream.connections[1]);
      await again.until('a request', ({ bytes }) => readRequests(bytes).requests.length === 1);
      again.send(OK);
      assert.equal((await next.response()).status, 200);
    }
  });
});
