import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetricsView } from '../../src/shared-memory/metrics-view.ts';
import { until } from '../harness.ts';
import { makeAuthority } from '../support/certificates.ts';
import { TestGauges } from '../support/gauges.ts';
import { addressSet } from '../support/plan.ts';
import { answering, connectRaw, OK, type RawPeer, startRawUpstream } from '../support/raw.ts';
import { ask } from '../support/requests.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import { connectSecure, listenerTls } from '../support/tls.ts';

/** What one address may have, and how slowly a request may arrive. */

const upstream = await startRawUpstream(answering(() => OK));
after(() => upstream.close());

/** Whether the gateway keeps the connection: one that is not wanted is closed without a word. */
async function isKept(port: number): Promise<RawPeer | null> {
  const peer = await connectRaw(port);
  peer.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await peer.until('an answer, or the end', ({ received, ended, closed }) => received > 0 || ended || closed);
  return peer.received > 0 ? peer : null;
}

function refused(runtime: Runtime): number {
  return new MetricsView([runtime.cell.buffer]).totals().connectionsRefused;
}

describe('connections of one address', () => {
  const limits = { maxConnectionsPerAddress: 2 };

  test('are as many as it may have over all workers, and a closed one makes room', async () => {
    const gauges = new TestGauges();
    using one = await startRuntime({ upstreams: upstream.url, limits, gauges: gauges.worker() });
    using other = await startRuntime({ upstreams: upstream.url, limits, gauges: gauges.worker() });
    const first = await isKept(one.port);
    const second = await isKept(other.port);
    assert.ok(first !== null && second !== null);
    assert.equal(await isKept(one.port), null);
    assert.equal(await isKept(other.port), null);
    assert.equal(refused(one) + refused(other), 2);
    first.destroy();
    await until('the first connection is gone', () => one.server.connections === 0);
    const third = await isKept(other.port);
    assert.ok(third !== null);
    await ask(second, 2);
    second.destroy();
    third.destroy();
  });

  test('are not counted for trusted proxies, nor on Unix sockets', async () => {
    using runtime = await startRuntime({
      upstreams: upstream.url,
      limits: { maxConnectionsPerAddress: 1 },
      plan: { trustedProxies: addressSet('127.0.0.0/8') },
    });
    const peers = [await isKept(runtime.port), await isKept(runtime.port), await isKept(runtime.port)];
    for (const peer of peers) {
      assert.ok(peer !== null);
      peer.destroy();
    }
  });

  test('count by what the balancer says where it says so', async () => {
    using runtime = await startRuntime({
      upstreams: upstream.url,
      limits: { maxConnectionsPerAddress: 1 },
      listener: { proxyProtocol: true },
    });
    const from = async (address: string): Promise<RawPeer> => {
      const peer = await connectRaw(runtime.port);
      peer.send(`PROXY TCP4 ${address} 192.0.2.200 5000 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n`);
      await peer.until('an answer, or the end', ({ received, ended, closed }) => received > 0 || ended || closed);
      return peer;
    };
    const peers = [await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.1')];
    assert.deepEqual(
      peers.map(({ received }) => received > 0),
      [true, true, false],
    );
    for (const peer of peers) peer.destroy();
  });

  test('are refused before the handshake where they speak TLS', async () => {
    const authority = makeAuthority();
    using runtime = await startRuntime({
      upstreams: upstream.url,
      limits,
      listener: { tls: listenerTls([authority.issue(['127.0.0.1'])]) },
    });
    const options = { ca: authority.certificate };
    const first = await connectSecure(runtime.port, options);
    const second = await connectSecure(runtime.port, options);
    await ask(first);
    await ask(second);
    const third = await connectRaw(runtime.port);
    await third.untilClosed();
    assert.equal(third.received, 0);
    third.destroy();
    second.destroy();
    const again = await until('a closed one makes room', async () => {
      try {
        return await connectSecure(runtime.port, options);
      } catch {
        return null;
      }
    });
    await ask(again);
    again.destroy();
    // One that speaks no TLS leaves nothing behind.
    for (let i = 0; i < 3; i++) {
      const stray = await connectRaw(runtime.port);
      stray.send('no TLS at all\r\n\r\n');
      await stray.untilClosed();
      stray.destroy();
    }
    const last = await until('there is room again', async () => {
      try {
        return await connectSecure(runtime.port, options);
      } catch {
        return null;
      }
    });
    await ask(last);
    await ask(first, 2);
    first.destroy();
    last.destroy();
  });
});

describe('a request body', () => {
  const limits = { minUploadRate: 100, bodyTimeout: 30_000 };
  const HEAD = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n';

  /** Sends a piece every so often, until it is stopped. */
  function drip(peer: RawPeer, piece: string, everyMs: number): { stop(): void } {
    const timer = setInterval(() => peer.send(piece), everyMs);
    return { stop: () => clearInterval(timer) };
  }

  test('that drips is cut with 408, one that is fast enough is not, and neither is one that nobody takes', {
    timeout: 60_000,
  }, async () => {
    using runtime = await startRuntime({ upstreams: upstream.url, limits });
    const slow = await connectRaw(runtime.port);
    const fast = await connectRaw(runtime.port);
    for (const peer of [slow, fast]) peer.send(HEAD);
    const drips = [drip(slow, 'x', 100), drip(fast, 'x'.repeat(100), 100)];
    // Nobody reads its body for longer than the window, and then it comes at once.
    const busy = await startRawUpstream((peer) => peer.socket.pause());
    using other = await startRuntime({ upstreams: busy.url, limits });
    const held = await connectRaw(other.port);
    const bytes = 32_000_000;
    held.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes}\r\n\r\n`);
    held.send(Buffer.alloc(bytes));
    const startedAt = performance.now();
    assert.equal((await slow.response('POST')).status, 408);
    for (const each of drips) each.stop();
    assert.equal(fast.received, 0);
    await sleep(Math.max(0, 6_000 - (performance.now() - startedAt)));
    assert.equal(held.received, 0, 'it waits for the service');
    for (const peer of [slow, fast, held]) peer.destroy();
    await busy.close();
  });

  test('takes its time where there is no least rate', async () => {
    using runtime = await startRuntime({ upstreams: upstream.url, limits: { bodyTimeout: 2_000 } });
    const peer = await connectRaw(runtime.port);
    peer.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\n');
    const slow = drip(peer, 'x', 1_000);
    assert.equal((await peer.response('POST')).status, 200);
    slow.stop();
    peer.destroy();
  });
});
