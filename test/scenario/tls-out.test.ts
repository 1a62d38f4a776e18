import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { makeAuthority, selfSigned } from '../support/certificates.ts';
import { answering, connectRaw, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import type { StrictResponse } from '../support/strict-http.ts';
import { startSecureUpstream, upstreamTls } from '../support/tls.ts';

/** TLS between the gateway and upstreams. */

const authority = makeAuthority();
const ca = authority.certificate;
const local = authority.issue(['127.0.0.1']);
const named = authority.issue(['backend.example']);
const own = selfSigned(['127.0.0.1']);

const upstreams: RawUpstream[] = [];
after(() => Promise.all(upstreams.map((each) => each.close())));

async function secure(...[options, onConnection]: Parameters<typeof startSecureUpstream>): Promise<RawUpstream> {
  const upstream = await startSecureUpstream(options, onConnection ?? answering(() => OK));
  upstreams.push(upstream);
  return upstream;
}

function gateway(upstream: RawUpstream, options: Partial<UpstreamOptions>): Promise<Runtime> {
  return startRuntime({ upstreams: `https://127.0.0.1:${upstream.port}`, upstreamOptions: options });
}

async function ask({ port }: Runtime): Promise<StrictResponse> {
  const client = await connectRaw(port);
  client.send('POST /orders HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 6\r\n\r\nsecret');
  const answer = await client.response('POST');
  client.destroy();
  return answer;
}

async function refused(runtime: Runtime, status: number, code: string): Promise<void> {
  const answer = await ask(runtime);
  assert.equal(answer.status, status);
  assert.equal(JSON.parse(answer.body.toString()).code, code);
}

/** The end of the connection at the upstream. */
function socketOf(upstream: RawUpstream, index = 0): TLSSocket {
  return upstream.connections[index]?.socket as TLSSocket;
}

describe('verification', () => {
  const cases: [what: string, pair: typeof own, options: Partial<UpstreamOptions>][] = [
    ['a certificate of its own', own, { tls: null }],
    ['a certificate of an authority that nobody named', local, { tls: upstreamTls() }],
    ['a certificate of another authority', own, { tls: upstreamTls({ ca }) }],
    ['a certificate for another name', named, { tls: upstreamTls({ ca }) }],
    ['a certificate that is not for the name to expect', local, { tls: upstreamTls({ ca, serverName: 'a.example' }) }],
  ];
  for (const [what, { certificate, key }, options] of cases) {
    test(`${what} is refused, and nothing is sent`, async () => {
      const upstream = await secure({ cert: certificate, key });
      using runtime = await gateway(upstream, options);
      await refused(runtime, 502, 'upstream_tls_failed');
      assert.deepEqual(
        upstream.connections.map(({ text }) => text),
        upstream.connections.map(() => ''),
      );
    });
  }

  test('an own authority is believed, for addresses too, and what was sent arrives', async () => {
    const upstream = await secure({ cert: local.certificate, key: local.key });
    using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
    assert.equal((await ask(runtime)).status, 200);
    assert.match(upstream.connections[0]?.text ?? '', /^POST \/orders HTTP\/1\.1\r\nhost: shop\.example\r\n/);
    assert.match(upstream.connections[0]?.text ?? '', /secret$/);
    assert.equal(socketOf(upstream).servername, false);
  });

  test('the name to expect is verified and asked for', async () => {
    const upstream = await secure({ cert: named.certificate, key: named.key });
    using runtime = await gateway(upstream, { tls: upstreamTls({ ca, serverName: 'backend.example' }) });
    assert.equal((await ask(runtime)).status, 200);
    assert.equal(socketOf(upstream).servername, 'backend.example');
  });

  test('an endpoint with a name asks for that', async () => {
    const pair = authority.issue(['localhost']);
    const upstream = await secure({ cert: pair.certificate, key: pair.key });
    using runtime = await startRuntime({
      upstreams: `https://localhost:${upstream.port}`,
      upstreamOptions: { tls: upstreamTls({ ca }) },
    });
    assert.equal((await ask(runtime)).status, 200);
    assert.equal(socketOf(upstream).servername, 'localhost');
  });

  test('without verification anybody is believed', async () => {
    const upstream = await secure({ cert: own.certificate, key: own.key });
    using runtime = await gateway(upstream, { tls: upstreamTls({ verify: false, serverName: 'a.example' }) });
    assert.equal((await ask(runtime)).status, 200);
  });
});

describe('a client certificate', () => {
  test('is shown to an upstream that wants one', async () => {
    const client = authority.issue(['gateway.example']);
    const upstream = await secure({ cert: local.certificate, key: local.key, ca, requestCert: true });
    const { certificate, key } = client;
    using runtime = await gateway(upstream, { tls: upstreamTls({ ca, certificate, key }) });
    assert.equal((await ask(runtime)).status, 200);
    assert.equal(socketOf(upstream).authorized, true);
    assert.equal(socketOf(upstream).getPeerCertificate().subject.CN, 'gateway.example');
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`that is missing is the upstream's to refuse (${maxVersion})`, async () => {
      const upstream = await secure({ cert: local.certificate, key: local.key, ca, requestCert: true, maxVersion });
      using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
      // TLS 1.3 refuses after the client's end of the handshake is done: the connection was there, and is reset.
      assert.equal((await ask(runtime)).status, 502);
    });
  }
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`later connections resume the session (${maxVersion})`, async () => {
    const closing = answering((_request, peer) => {
      setImmediate(() => peer.end());
      return 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok';
    });
    const resumed: boolean[] = [];
    const upstream = await secure({ cert: local.certificate, key: local.key, maxVersion }, (peer) => {
      resumed.push((peer.socket as TLSSocket).isSessionReused());
      closing(peer);
    });
    using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
    for (let count = 0; count < 3; count++) assert.equal((await ask(runtime)).status, 200);
    assert.deepEqual(resumed, [false, true, true]);
  });
}

test('one connection serves one request after the other, in HTTP/1.1', async () => {
  const ALPNProtocols = ['h2', 'http/1.1'];
  const upstream = await secure({ cert: local.certificate, key: local.key, ALPNProtocols });
  using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
  for (let count = 0; count < 5; count++) assert.equal((await ask(runtime)).status, 200);
  assert.equal(upstream.connections.length, 1);
  assert.equal(socketOf(upstream).alpnProtocol, 'http/1.1');
});

test('an upstream that speaks HTTP where TLS is due is refused', async () => {
  const upstream = await startRawUpstream((peer) => {
    peer.onBytes(() => peer.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
  });
  upstreams.push(upstream);
  using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
  await refused(runtime, 502, 'upstream_tls_failed');
});

test('an upstream that closes during the handshake is refused', async () => {
  const upstream = await startRawUpstream((peer) => peer.onBytes(() => peer.end()));
  upstreams.push(upstream);
  using runtime = await gateway(upstream, { tls: upstreamTls({ ca }) });
  await refused(runtime, 502, 'upstream_tls_failed');
});

test('a handshake that hangs ends with the time to connect', async () => {
  const upstream = await startRawUpstream();
  upstreams.push(upstream);
  using runtime = await gateway(upstream, { tls: upstreamTls({ ca }), connectTimeout: 200 });
  await refused(runtime, 504, 'upstream_connect_timeout');
  await upstream.connections[0]?.untilClosed();
});

test('the next endpoint serves when one fails its handshake', async () => {
  const [bad, good] = await Promise.all([
    secure({ cert: own.certificate, key: own.key }),
    secure({ cert: local.certificate, key: local.key }),
  ]);
  using runtime = await startRuntime({
    upstreams: [bad.url, good.url],
    upstreamOptions: { tls: upstreamTls({ ca }) },
  });
  for (let count = 0; count < 4; count++) assert.equal((await ask(runtime)).status, 200);
});

test('an endpoint that nobody listens on cannot be reached', async () => {
  const gone = await startRawUpstream();
  gone.server.close();
  await once(gone.server, 'close');
  using runtime = await gateway(gone, { tls: upstreamTls({ ca }) });
  await refused(runtime, 502, 'upstream_connect_failed');
});
