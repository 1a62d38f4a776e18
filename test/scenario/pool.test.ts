import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freePort, until } from '../harness.ts';
import { answering, OK, type RawPeer, readRequests } from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import { ask, clients, connectionsOf, GET, stage } from '../support/stage.ts';

/** Connections to upstreams: how many there are, how long they live, and who gets one. */

describe('reuse', () => {
  test('one connection serves one request after another, of different clients', async () => {
    await using it = await stage({});
    for (let i = 0; i < 20; i++) assert.equal((await ask(it.runtime.port)).status, 200);
    assert.deepEqual(connectionsOf(it), [1]);
  });

  test('as many as are asked for at once, and no more after that', async () => {
    await using it = await stage({}, 1, (peer) => {
      let answered = 0;
      peer.onBytes(() => {
        const { requests } = readRequests(peer.bytes);
        for (; answered < requests.length; answered++) setTimeout(() => peer.send(OK), 20);
      });
    });
    for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 10 }, () => ask(it.runtime.port)));
    assert.deepEqual(connectionsOf(it), [10]);
  });

  const ends: [what: string, response: string][] = [
    ['says close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    ['speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
    ['sends more than its response', `${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`],
  ];
  for (const [what, response] of ends) {
    test(`none after an upstream that ${what}`, async () => {
      await using it = await stage(
        {},
        1,
        answering(() => response),
      );
      for (let i = 0; i < 3; i++) assert.equal((await ask(it.runtime.port)).status, 200);
      assert.deepEqual(connectionsOf(it), [3]);
      for (const peer of it.upstreams[0]?.connections ?? []) await peer.untilClosed();
    });
  }

  test('an idle connection that receives bytes is dropped, and its bytes answer nothing', async () => {
    await using it = await stage({});
    await ask(it.runtime.port);
    const idle = it.upstreams[0]?.connections[0] as RawPeer;
    idle.send('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison');
    await idle.untilClosed();
    assert.equal((await ask(it.runtime.port)).status, 200);
    assert.deepEqual(connectionsOf(it), [2]);
  });

  test('a call that was cancelled takes its connection with it', async () => {
    await using it = await stage({}, 1, () => undefined);
    const [client] = await clients(it.runtime, 1);
    client?.send(GET);
    const peer = await until('it arrives', () => it.upstreams[0]?.connections[0]);
    await peer.until('the request', ({ text }) => text.endsWith('\r\n\r\n'));
    client?.reset();
    await peer.untilClosed();
  });
});

describe('the life of a connection', () => {
  test('it ends after a time without requests', async () => {
    await using it = await stage({ keepAliveTimeout: 100 });
    await ask(it.runtime.port);
    await it.upstreams[0]?.connections[0]?.untilClosed();
    assert.equal((await ask(it.runtime.port)).status, 200);
    assert.deepEqual(connectionsOf(it), [2]);
  });

  test('it ends at a certain age', async () => {
    await using it = await stage({ maxConnectionAge: 100 });
    await ask(it.runtime.port);
    const [first] = it.upstreams[0]?.connections ?? [];
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await ask(it.runtime.port)).status, 200);
    await first?.untilClosed();
    assert.deepEqual(connectionsOf(it), [2]);
  });

  test('it ends after a number of requests', async () => {
    await using it = await stage({ maxRequestsPerConnection: 3 });
    for (let i = 0; i < 7; i++) await ask(it.runtime.port);
    assert.deepEqual(connectionsOf(it), [3]);
  });
});

describe('bounds', () => {
  /** Answers a connection's requests when told to. */
  const silent = (): void => undefined;

  test('calls wait in a line for one of few connections, and get one in turn', async () => {
    await using it = await stage(
      { maxConnections: 2, pendingTimeout: 10_000 },
      1,
      answering(() => OK),
    );
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(it.runtime.port)));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.ok((connectionsOf(it)[0] as number) <= 2);
  });

  test('503 when the wait is too long', async () => {
    await using it = await stage({ maxConnections: 1, pendingTimeout: 100 }, 1, silent);
    const [first] = await clients(it.runtime, 1);
    first?.send(GET);
    await until('it is connected', () => it.upstreams[0]?.connections.length === 1);
    const late = await ask(it.runtime.port);
    assert.deepEqual([late.status, late.code, late.retryAfter], [503, 'upstream_busy', '1']);
    assert.deepEqual(connectionsOf(it), [1]);
  });

  test('503 at once when the line is full', async () => {
    await using it = await stage({ maxConnections: 1, maxPending: 1, pendingTimeout: 60_000 }, 1, silent);
    const [first, second] = await clients(it.runtime, 2);
    first?.send(GET);
    await until('it is connected', () => it.upstreams[0]?.connections.length === 1);
    second?.send(GET);
    await until('it waits', () => it.runtime.server.active === 2);
    assert.equal((await ask(it.runtime.port)).code, 'upstream_busy');
    it.upstreams[0]?.connections[0]?.send(OK);
    await first?.response();
    it.upstreams[0]?.connections[0]?.send(OK);
    assert.equal((await second?.response())?.status, 200);
  });

  test('whoever waits for a connection that fails gets its own try', async () => {
    const port = await freePort();
    using runtime = await startRuntime({
      upstreams: `http://127.0.0.1:${port}`,
      upstreamOptions: { maxConnections: 1, pendingTimeout: 60_000 },
    });
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(runtime.port)));
    assert.ok(answers.every(({ code }) => code === 'upstream_connect_failed'));
  });

  test('a full endpoint leaves its calls to another with room', async () => {
    await using it = await stage({ maxConnections: 1 }, 3, silent);
    for (const client of await clients(it.runtime, 3)) client.send(GET);
    await until('each has one', () => connectionsOf(it).every((count) => count === 1));
  });
});
