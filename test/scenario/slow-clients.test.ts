import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { until } from '../harness.ts';
import { answering, connectRaw, OK, type RawPeer, startRawUpstream } from '../support/raw.ts';
import { ask, fixed, GET } from '../support/requests.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';

/** Clients that take their time: they are cut off in the end, and until then they cost others nothing and us little. */

const MANY = 1_000;
/** Both ends live in this process, so this bounds the client's memory too; a leak of a buffer a connection shows. */
const BYTES_PER_CONNECTION = 60_000;

const upstream = await startRawUpstream(answering(() => OK));
after(() => upstream.close());

async function many(port: number): Promise<RawPeer[]> {
  const peers: RawPeer[] = [];
  // Not all at once: that would try the machine's backlog.
  while (peers.length < MANY) {
    peers.push(...(await Promise.all(Array.from({ length: 50 }, () => connectRaw(port)))));
  }
  return peers;
}

/** A normal client, which must get every answer while the others stall. */
async function serveMeanwhile(port: number, over: Promise<unknown>): Promise<number> {
  let going = true;
  const stop = (): void => {
    going = false;
  };
  over.then(stop, stop);
  let answered = 0;
  const client = await connectRaw(port);
  while (going) {
    await ask(client, ++answered);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  client.destroy();
  await over;
  return answered;
}

async function stalled(runtime: Runtime, beginning: string, expected: RegExp): Promise<void> {
  const before = process.memoryUsage().rss;
  const peers = await many(runtime.port);
  for (const peer of peers) peer.send(beginning);
  const cut = Promise.all(
    peers.map(async (peer) => {
      await peer.untilClosed();
      assert.match(peer.text, expected);
      peer.destroy();
    }),
  );
  // Accepted and answered behind all of them.
  const client = await connectRaw(runtime.port);
  await ask(client);
  client.destroy();
  const growth = process.memoryUsage().rss - before;
  assert.ok(growth < MANY * BYTES_PER_CONNECTION, `${Math.round(growth / MANY)} bytes a connection`);
  assert.ok((await serveMeanwhile(runtime.port, cut)) > 0);
  await until('nothing is left of them', () => runtime.server.connections === 0 && runtime.server.active === 0);
}

describe(`${MANY} clients`, () => {
  const ANSWERED_408 = /^HTTP\/1\.1 408 .*"code":"request_timeout"/s;

  test('that send half a head are cut with 408', async () => {
    using runtime = await startRuntime({ upstreams: upstream.url, limits: { headTimeout: 2_000 } });
    await stalled(runtime, 'GET / HTTP/1.1\r\nhost: a\r\nx-slow: ', ANSWERED_408);
  });

  test('that send nothing are closed without a word', async () => {
    using runtime = await startRuntime({ upstreams: upstream.url, limits: { headTimeout: 2_000 } });
    await stalled(runtime, '', /^$/);
  });

  test('that send half a body are cut with 408, whatever the upstream has of it', async () => {
    using runtime = await startRuntime({
      upstreams: upstream.url,
      upstreamOptions: { maxConnections: MANY + 1 },
      limits: { bodyTimeout: 2_000 },
    });
    await stalled(runtime, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf', ANSWERED_408);
    await until('their connections to the upstream are gone', () => {
      const left = upstream.connections.filter(
        ({ text, closed, ended }) => text.startsWith('POST') && !closed && !ended,
      );
      return left.length === 0;
    });
  });
});

test('a body that drips is not a stalled one', async () => {
  using runtime = await startRuntime({ upstreams: upstream.url, limits: { bodyTimeout: 400 } });
  const client = await connectRaw(runtime.port);
  client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n');
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    client.send('x');
  }
  assert.equal((await client.response('POST')).status, 200);
  client.destroy();
});

test('the head of a later request has its time, too', async () => {
  using runtime = await startRuntime({ upstreams: upstream.url, limits: { headTimeout: 200 } });
  const client = await connectRaw(runtime.port);
  client.send(`${GET}GET / HT`);
  const answers = await client.responses(2);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 408],
  );
  await client.untilClosed();
});

test('a client that drips its head has no more time for it than others', async () => {
  using runtime = await startRuntime({ upstreams: upstream.url, limits: { headTimeout: 300 } });
  const client = await connectRaw(runtime.port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\n');
  const dripping = setInterval(() => client.send('x-drip: 1\r\n'), 50);
  assert.equal((await client.response()).status, 408);
  clearInterval(dripping);
  await client.untilClosed();
});

test('an idle connection is closed without a word', async () => {
  using runtime = await startRuntime({ upstreams: upstream.url, limits: { idleTimeout: 200 } });
  const client = await connectRaw(runtime.port);
  await ask(client);
  const before = client.bytes.length;
  await client.untilClosed();
  assert.equal(client.bytes.length, before);
});

describe('a client that does not read', () => {
  const body = Buffer.alloc(32_000_000, 'x');

  test('is cut off with its upstream’s connection, and little of the response waits for it', async () => {
    const source = await startRawUpstream((peer) => {
      peer.onBytes(() => {
        peer.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
        peer.send(body);
      });
    });
    using runtime = await startRuntime({ upstreams: source.url, limits: { writeTimeout: 500 } });
    const client = await connectRaw(runtime.port);
    client.socket.pause();
    client.send(GET);
    const server = await until('the upstream is asked', () => source.connections[0]);
    await server.untilClosed();
    await until('nothing is left', () => runtime.server.connections === 0 && runtime.server.active === 0);
    client.destroy();
    await source.close();
  });

  test('is cut off when the answer is the gateway’s own, idle or closing', async () => {
    using runtime = await startRuntime({
      routes: () => ({ '/*': fixed(body) }),
      limits: { writeTimeout: 300, idleTimeout: 300 },
    });
    for (const request of [GET, GET.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')]) {
      const client = await connectRaw(runtime.port);
      client.socket.pause();
      client.send(request);
      await until('it is served', () => runtime.server.connections === 1);
      await until('nothing is left', () => runtime.server.connections === 0);
      client.destroy();
    }
  });
});

test('more connections than allowed are closed at once, and there is room again when others leave', async () => {
  using runtime = await startRuntime({ upstreams: upstream.url, limits: { maxConnections: 2 } });
  const [first, second] = await Promise.all([connectRaw(runtime.port), connectRaw(runtime.port)]);
  await Promise.all([ask(first), ask(second)]);
  const third = await connectRaw(runtime.port);
  await third.untilClosed();
  assert.equal(third.text, '');
  await ask(first, 2);
  first.destroy();
  await until('there is room', () => runtime.server.connections === 1);
  const fourth = await connectRaw(runtime.port);
  await ask(fourth);
  for (const peer of [second, fourth]) peer.destroy();
});
