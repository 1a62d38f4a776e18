import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { encodeProxyV1, encodeProxyV2 } from '../../src/semantics/proxy-protocol.ts';
import { until } from '../harness.ts';
import { makeAuthority } from '../support/certificates.ts';
import { addressSet } from '../support/plan.ts';
import { answering, connectRaw, OK, type RawPeer, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from '../support/runtime.ts';
import type { StrictRequest } from '../support/strict-http.ts';
import { listenerTls, secure, startSecureUpstream, upstreamTls } from '../support/tls.ts';

/** The PROXY protocol, from balancers in front and to upstreams behind. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const client = {
  sourceAddress: '203.0.113.7',
  sourcePort: 40_001,
  destinationAddress: '192.0.2.1',
  destinationPort: 443,
};
const clientV6 = {
  sourceAddress: '2001:db8::7',
  sourcePort: 40_001,
  destinationAddress: '2001:db8::1',
  destinationPort: 443,
};
const LOCAL = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([0x20, 0, 0, 0])]);
const authority = makeAuthority();
const ca = authority.certificate;
const pair = authority.issue(['127.0.0.1']);

const seen: StrictRequest[] = [];
const upstream: RawUpstream = await startRawUpstream(
  answering((request) => {
    seen.push(request);
    return OK;
  }),
);
after(() => upstream.close());

function behindBalancer(options: RuntimeOptions = {}): Promise<Runtime> {
  return startRuntime({ upstreams: upstream.url, listener: { proxyProtocol: true }, ...options });
}

/** Asks once more on a connection and answers which client the upstream was told of. */
async function forwardedFor(peer: RawPeer): Promise<string | undefined> {
  const before = seen.length;
  peer.send(GET);
  await until('the request has arrived', () => seen.length > before);
  return seen.at(-1)?.field('x-forwarded-for');
}

describe('from a balancer', () => {
  const headers: [what: string, header: Buffer, address: string][] = [
    ['version 1', Buffer.from(encodeProxyV1(client)), '203.0.113.7'],
    ['version 1 with IPv6', Buffer.from(encodeProxyV1(clientV6)), '2001:db8::7'],
    ['version 1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
    ['version 2', encodeProxyV2(client), '203.0.113.7'],
    ['version 2 with IPv6', encodeProxyV2(clientV6), '2001:db8::7'],
    ['version 2, LOCAL', LOCAL, '127.0.0.1'],
  ];
  for (const [what, header, address] of headers) {
    test(`${what}: in one packet with the request, in two, and in pieces of one byte`, async () => {
      using runtime = await behindBalancer();
      const ways: ((peer: RawPeer) => void | Promise<void>)[] = [
        (peer) => peer.send(Buffer.concat([header, Buffer.from(GET)])),
        (peer) => peer.sendPieces([header, GET]),
        (peer) => peer.sendPieces([...header].map((byte) => Buffer.of(byte)).concat(Buffer.from(GET))),
      ];
      for (const send of ways) {
        const peer = await connectRaw(runtime.port);
        await send(peer);
        assert.equal((await peer.response()).status, 200);
        assert.equal(seen.at(-1)?.field('x-forwarded-for'), address);
        // It counts for the whole connection.
        assert.equal(await forwardedFor(peer), address);
        peer.destroy();
      }
    });

    test(`${what} before TLS, in one packet with its first bytes and alone`, async () => {
      using runtime = await behindBalancer({ listener: { proxyProtocol: true, tls: listenerTls([pair]) } });
      for (const alone of [true, false]) {
        const peer = await connectRaw(runtime.port);
        if (!alone) peer.socket.cork();
        peer.send(header);
        const shake = secure(peer.socket, { ca });
        if (!alone) setImmediate(() => peer.socket.uncork());
        const through = await shake;
        assert.equal(await forwardedFor(through), address);
        assert.equal(seen.at(-1)?.field('x-forwarded-proto'), 'https');
        through.destroy();
      }
    });
  }

  test('many connections over TLS at once keep their clients apart', async () => {
    using runtime = await behindBalancer({ listener: { proxyProtocol: true, tls: listenerTls([pair]) } });
    const found = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const plain = await connectRaw(runtime.port);
        plain.send(encodeProxyV1({ ...client, sourceAddress: `203.0.113.${i}` }));
        const peer = await secure(plain.socket, { ca });
        peer.send(`GET /${i} HTTP/1.1\r\nhost: a\r\n\r\n`);
        await peer.response();
        peer.destroy();
        return seen.find(({ target }) => target === `/${i}`)?.field('x-forwarded-for');
      }),
    );
    assert.deepEqual(
      found,
      found.map((_, i) => `203.0.113.${i}`),
    );
  });

  test('what the balancer says decides who is trusted', async () => {
    const trustedProxies = addressSet('203.0.113.0/24');
    using runtime = await behindBalancer({ plan: { trustedProxies } });
    const forwarded = 'GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 198.51.100.9\r\n\r\n';
    for (const [header, expected] of [
      [encodeProxyV1(client), '198.51.100.9, 203.0.113.7'],
      [encodeProxyV1({ ...client, sourceAddress: '198.51.100.1' }), '198.51.100.1'],
    ] as const) {
      const peer = await connectRaw(runtime.port);
      peer.send(header + forwarded);
      await peer.response();
      assert.equal(seen.at(-1)?.field('x-forwarded-for'), expected);
      peer.destroy();
    }
  });

  const refused: [what: string, bytes: string][] = [
    ['no header', GET],
    ['a header in lower case', `proxy TCP4 203.0.113.7 192.0.2.1 1 2\r\n${GET}`],
    ['an address that is none', `PROXY TCP4 203.0.113.777 192.0.2.1 1 2\r\n${GET}`],
    ['a bare LF', `PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n${GET}`],
    ['an endless line', `PROXY TCP4 ${'1'.repeat(200)}`],
    ['a signature that goes wrong late', `\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c${'x'.repeat(12)}${GET}`],
    ['a version 2 header of another version', `\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c${'x'.repeat(12)}${GET}`],
    ['a huge version 2 header', `\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff${'x'.repeat(12)}${GET}`],
    ['a version 2 header too short for its addresses', `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04xxxx${GET}`],
  ];
  for (const [what, bytes] of refused) {
    test(`${what}: closed without a word, and nothing reaches the upstream`, async () => {
      using runtime = await behindBalancer();
      const before = seen.length;
      const peer = await connectRaw(runtime.port);
      peer.send(bytes);
      await peer.untilClosed();
      assert.equal(peer.text, '');
      assert.equal(seen.length, before);
      peer.destroy();
    });
  }

  test('a connection that ends within the header leaves nothing', async () => {
    using runtime = await behindBalancer();
    const peer = await connectRaw(runtime.port);
    peer.end('PROXY TCP4 203');
    await peer.untilClosed();
    assert.equal(runtime.server.connections, 0);
  });

  test('a request and the end of the connection in one packet with the header are answered', async () => {
    using runtime = await behindBalancer();
    const peer = await connectRaw(runtime.port);
    peer.end(encodeProxyV1(client) + GET);
    assert.equal((await peer.response()).status, 200);
    await peer.untilClosed();
    await until('no connection is left', () => runtime.server.connections === 0);
  });
});

describe('to an upstream', () => {
  const V1 = /^PROXY TCP4 203\.0\.113\.7 127\.0\.0\.1 40001 \d+\r\nGET \/ /;

  for (const proxyProtocol of [1, 2] as const) {
    test(`version ${proxyProtocol} names the client first, and each request has its own connection`, async () => {
      const plain = await startRawUpstream((peer) => {
        peer.onBytes(() => {
          if (peer.text.endsWith('\r\n\r\n') && peer.text.includes('GET')) peer.send(OK);
        });
      });
      using runtime = await behindBalancer({ upstreams: plain.url, upstreamOptions: { proxyProtocol } });
      const peer = await connectRaw(runtime.port);
      peer.send(encodeProxyV1(client) + GET);
      await peer.response();
      peer.send(GET);
      await peer.responses(2);
      const other = await connectRaw(runtime.port);
      other.send(encodeProxyV1(clientV6) + GET);
      await other.response();
      const texts = plain.connections.map(({ text }) => text);
      assert.equal(texts.length, 3);
      if (proxyProtocol === 1) {
        assert.match(texts[0] ?? '', V1);
        assert.match(texts[1] ?? '', V1);
        assert.match(texts[2] ?? '', /^PROXY TCP6 2001:db8::7 ::ffff:127\.0\.0\.1 40001 \d+\r\nGET \/ /);
      } else {
        const start = encodeProxyV2({ ...client, destinationAddress: '127.0.0.1', destinationPort: 0 }).subarray(0, 26);
        for (const text of texts.slice(0, 2)) assert.equal(text.slice(0, 26), start.latin1Slice());
        assert.equal(texts[0]?.slice(28, 34), 'GET / ');
      }
      for (const each of [peer, other]) each.destroy();
      await plain.close();
    });
  }

  test('it goes before TLS', async () => {
    // The front takes the header off and hands the rest to a TLS server.
    const tls = await startSecureUpstream(
      { cert: pair.certificate, key: pair.key },
      answering(() => OK),
    );
    const front = await startRawUpstream((peer) => {
      peer.onBytes(() => {
        const end = peer.text.indexOf('\r\n');
        const { socket } = peer;
        if (end < 0 || socket.listenerCount('data') === 0) return;
        socket.removeAllListeners('data').pause();
        if (peer.bytes.length > end + 2) socket.unshift(peer.bytes.subarray(end + 2));
        tls.server.emit('connection', socket);
      });
    });
    using runtime = await behindBalancer({
      upstreams: `https://127.0.0.1:${front.port}`,
      upstreamOptions: { proxyProtocol: 1, tls: upstreamTls({ ca }) },
    });
    const peer = await connectRaw(runtime.port);
    peer.send(encodeProxyV1(client) + GET);
    assert.equal((await peer.response()).status, 200);
    assert.match(front.connections[0]?.text ?? '', /^PROXY TCP4 203\.0\.113\.7 127\.0\.0\.1 40001 \d+\r\n/);
    peer.destroy();
    await front.close();
    await tls.close();
  });
});
