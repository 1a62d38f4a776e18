import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type RequestListener } from 'node:http';
import { Agent, createServer as createHttps, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { until } from '../harness.ts';
import { makeAuthority } from '../support/certificates.ts';
import { answering, connectRaw, OK, type RawPeer, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from '../support/runtime.ts';
import { connectSecure, listenerTls, type SecurePeer, upstreamTls } from '../support/tls.ts';

/** TLS between clients and the gateway. */

const GET = 'GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n';
const MEBIBYTE = 1_048_576;
/** A record of 512 bytes with a ClientHello, of which no more comes. */
const HALF_HELLO = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
const authority = makeAuthority();
const ca = authority.certificate;
const shop = authority.issue(['shop.example']);
const wildcard = authority.issue(['*.api.example']);
const local = authority.issue(['127.0.0.1']);

const upstream: RawUpstream = await startRawUpstream(answering(() => OK));
after(() => upstream.close());

function gateway(options: RuntimeOptions = {}): Promise<Runtime> {
  return startRuntime({ upstreams: upstream.url, listener: { tls: listenerTls([shop, wildcard, local]) }, ...options });
}

/** The subject of the certificate that the gateway shows. */
function subject({ socket }: SecurePeer): string | string[] | undefined {
  return socket.getPeerCertificate().subject.CN;
}

async function ask(peer: RawPeer): Promise<number> {
  peer.send(GET);
  const { status } = await peer.response();
  return status;
}

describe('which certificate', () => {
  const cases: [servername: string | undefined, subject: string][] = [
    ['shop.example', 'shop.example'],
    ['SHOP.example', 'shop.example'],
    ['v1.api.example', '*.api.example'],
    ['a.v1.api.example', 'shop.example'],
    ['api.example', 'shop.example'],
    ['elsewhere.example', 'shop.example'],
    [undefined, 'shop.example'],
  ];
  for (const [servername, expected] of cases) {
    test(`${servername ?? 'no name'}: ${expected}`, async () => {
      using runtime = await gateway();
      const peer = await connectSecure(runtime.port, {
        rejectUnauthorized: false,
        ...(servername !== undefined && { servername }),
      });
      assert.equal(subject(peer), expected);
      assert.equal(await ask(peer), 200);
      peer.destroy();
    });
  }

  test('names that the configuration gives count instead of those in the certificate', async () => {
    const { certificate, key } = wildcard;
    const certificates = [
      { ...shop, hosts: [] },
      { certificate, key, hosts: ['other.example', '*.more.example'] },
    ];
    using runtime = await gateway({ listener: { tls: listenerTls([], { certificates }) } });
    for (const [servername, expected] of [
      ['other.example', '*.api.example'],
      ['a.more.example', '*.api.example'],
      ['v1.api.example', 'shop.example'],
    ] as const) {
      const peer = await connectSecure(runtime.port, { rejectUnauthorized: false, servername });
      assert.equal(subject(peer), expected);
      peer.destroy();
    }
  });
});

describe('a new plan', () => {
  test('with another certificate is for new handshakes, and open connections serve on', async () => {
    using runtime = await gateway();
    const old = await connectSecure(runtime.port, { ca, servername: 'shop.example' });
    assert.equal(await ask(old), 200);
    const renewed = makeAuthority('Next Authority');
    await runtime.reload({ listener: { tls: listenerTls([renewed.issue(['shop.example'])]) } });
    old.send(GET);
    assert.equal((await old.responses(2)).length, 2);
    const fresh = await connectSecure(runtime.port, { ca: renewed.certificate, servername: 'shop.example' });
    assert.equal(await ask(fresh), 200);
    for (const peer of [old, fresh]) peer.destroy();
  });

  test('may ask for TLS 1.3, turn TLS off and on again', async () => {
    using runtime = await gateway();
    await runtime.reload({ listener: { tls: listenerTls([local], { minVersion: 'TLSv1.3' }) } });
    await assert.rejects(connectSecure(runtime.port, { ca, maxVersion: 'TLSv1.2' }));
    await runtime.reload({ listener: { tls: null } });
    const plain = await connectRaw(runtime.port);
    assert.equal(await ask(plain), 200);
    await runtime.reload({ listener: { tls: listenerTls([local]) } });
    const secure = await connectSecure(runtime.port, { ca });
    assert.equal(await ask(secure), 200);
    for (const peer of [plain, secure]) peer.destroy();
  });

  test('with a key that does not load changes nothing', async () => {
    using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
    const broken = listenerTls([{ certificate: local.certificate, key: shop.key }]);
    await assert.rejects(runtime.server.prepare(runtime.plan({ listener: { tls: broken } })));
    const peer = await connectSecure(runtime.port, { ca });
    assert.equal(await ask(peer), 200);
    peer.destroy();
  });
});

describe('versions and protocols', () => {
  test('TLS 1.1 is refused, 1.2 and 1.3 are served', async () => {
    using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
    // The client's own security level would keep it from 1.1.
    const old = { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(connectSecure(runtime.port, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const peer = await connectSecure(runtime.port, { ca, minVersion: version, maxVersion: version });
      assert.equal(peer.socket.getProtocol(), version);
      assert.equal(await ask(peer), 200);
      peer.destroy();
    }
  });

  test('of several protocols HTTP/1.1 is agreed on, of none of ours nothing', async () => {
    using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
    const peer = await connectSecure(runtime.port, { ca, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(peer.socket.alpnProtocol, 'http/1.1');
    assert.equal(await ask(peer), 200);
    peer.destroy();
    await assert.rejects(connectSecure(runtime.port, { ca, ALPNProtocols: ['h2'] }));
  });
});

test('HTTP without TLS gets no answer, and whoever never finishes a handshake is not waited for by others', async () => {
  using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
  const plain = await connectRaw(runtime.port);
  plain.send(GET);
  await plain.untilClosed();
  assert.doesNotMatch(plain.text, /HTTP/);
  const silent = await connectRaw(runtime.port);
  const half = await connectRaw(runtime.port);
  half.send(HALF_HELLO);
  const peer = await connectSecure(runtime.port, { ca });
  assert.equal(await ask(peer), 200);
  assert.equal(runtime.server.connections, 1);
  for (const each of [plain, silent, half, peer]) each.destroy();
});

test('many requests on one connection, pipelined too, and a client that ends its side', async () => {
  using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
  const peer = await connectSecure(runtime.port, { ca });
  for (let count = 1; count <= 10; count++) {
    peer.send(GET);
    await peer.responses(count);
  }
  peer.send(GET.repeat(50));
  await peer.responses(60);
  peer.end(GET);
  const answers = await peer.responses(61);
  assert.ok(answers.every(({ status, body }) => status === 200 && body.toString() === 'ok'));
  await peer.untilClosed();
  assert.equal(peer.error, null);
});

for (const kind of ['plain', 'secure'] as const) {
  test(`5 MiB both ways over TLS, with a ${kind} upstream`, async (t) => {
    const echo: RequestListener = (request, response) => request.pipe(response);
    const tls = { cert: local.certificate, key: local.key };
    const server = kind === 'plain' ? createHttp(echo) : createHttps(tls, echo);
    t.after(() => server.close().closeAllConnections());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    using runtime = await gateway({
      upstreams: `${kind === 'plain' ? 'http' : 'https'}://127.0.0.1:${port}`,
      upstreamOptions: { tls: upstreamTls({ ca }) },
      listener: { tls: listenerTls([local]) },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const body = randomBytes(5 * MEBIBYTE);
    for (const length of [body.length, undefined]) {
      const headers = length === undefined ? {} : { 'content-length': length };
      const sent = httpsRequest({ port: runtime.port, host: '127.0.0.1', ca, agent, method: 'POST', headers });
      sent.end(body);
      const [answer] = (await once(sent, 'response')) as [IncomingMessage];
      assert.ok((await buffer(answer)).equals(body), 'the answer is what was sent');
    }
  });
}

test('a connection that is reset during its handshake leaves nothing', async () => {
  using runtime = await gateway({ listener: { tls: listenerTls([local]) } });
  const leaving = await connectRaw(runtime.port);
  leaving.send(HALF_HELLO);
  leaving.reset();
  const peer = await connectSecure(runtime.port, { ca });
  assert.equal(await ask(peer), 200);
  peer.destroy();
  await until('no connection is left', () => runtime.server.connections === 0);
});
