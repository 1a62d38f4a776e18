import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import type { PeerCertificate } from '../../src/plan/exchange.ts';
import { freePort, until } from '../harness.ts';
import { type KeyPair, makeAuthority, selfSigned } from '../support/certificates.ts';
import { handListener, handRoute } from '../support/plan.ts';
import { answering, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from '../support/runtime.ts';
import { connectSecure, listenerTls, type SecurePeer, sessionTicket } from '../support/tls.ts';

/** Listeners that ask clients for a certificate, and what requests then know of it. */

const GET = 'GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n';
const authority = makeAuthority();
const local = authority.issue(['127.0.0.1']);
const named = authority.issue(['shop.example']);
const clients = makeAuthority('Clients');
const orders = clients.issueClient('/C=DE/O=Example/CN=orders', [
  'URI:spiffe://shop.example/orders',
  'DNS:orders.local',
]);

const upstream: RawUpstream = await startRawUpstream(answering(() => OK));
after(() => upstream.close());

type Version = 'TLSv1.2' | 'TLSv1.3';

interface Watched {
  readonly runtime: Runtime;
  /** What the requests so far knew. */
  readonly seen: (PeerCertificate | null)[];
}

function settings(mode: 'required' | 'optional', ca = clients.certificate): NonNullable<RuntimeOptions['listener']> {
  return { tls: listenerTls([local, named], { clientCertificates: { ca, required: mode === 'required' } }) };
}

async function gateway(listener: RuntimeOptions['listener'], options: RuntimeOptions = {}): Promise<Watched> {
  const seen: (PeerCertificate | null)[] = [];
  const runtime = await startRuntime({
    upstreams: upstream.url,
    ...(listener !== undefined && { listener }),
    routes: (pool) => ({
      '/*': handRoute({
        dispatch: pool('main').dispatch,
        request: [
          {
            phase: 'guard',
            run: ({ peer }) => {
              seen.push(peer.certificate);
              return undefined;
            },
          },
        ],
      }),
    }),
    ...options,
  });
  return { runtime, seen };
}

function shown({ certificate, key }: KeyPair, version?: Version): ConnectionOptions {
  const versions = version === undefined ? {} : { minVersion: version, maxVersion: version };
  return { ca: authority.certificate, cert: certificate, key, ...versions };
}

async function ask(peer: SecurePeer): Promise<number> {
  peer.send(GET);
  return (await peer.response()).status;
}

async function askOnce(port: number, options: ConnectionOptions): Promise<number> {
  const peer = await connectSecure(port, options);
  try {
    return await ask(peer);
  } finally {
    peer.destroy();
  }
}

/** TLS 1.3 clients take their handshake for done before the server has looked at the certificate. */
async function isTurnedAway(port: number, options: ConnectionOptions): Promise<boolean> {
  try {
    const peer = await connectSecure(port, options);
    peer.send(GET);
    await peer.untilClosed();
    return !peer.text.includes('HTTP/1.1');
  } catch {
    return true;
  }
}

const notGood: Record<string, ConnectionOptions> = {
  'no certificate': { ca: authority.certificate },
  'one of another authority': shown(authority.issueClient('/CN=orders')),
  'a self-signed one': shown(selfSigned(['orders'])),
  'an expired one': shown(clients.issueClient('/CN=orders', [], { expired: true })),
  'one that is for servers only': shown(clients.issueClient('/CN=orders', [], { usage: 'serverAuth' })),
};

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(version, () => {
    test('what a good certificate says is known to requests', async () => {
      const { runtime, seen } = await gateway(settings('required'));
      using _ = runtime;
      assert.equal(await askOnce(runtime.port, shown(orders, version)), 200);
      const [certificate] = seen;
      assert.equal(certificate?.subject, 'CN=orders,O=Example,C=DE');
      assert.equal(certificate?.commonName, 'orders');
      assert.deepEqual(certificate?.uris, ['spiffe://shop.example/orders']);
      assert.deepEqual(certificate?.dnsNames, ['orders.local']);
      assert.deepEqual(certificate?.emails, []);
      assert.match(certificate?.fingerprint ?? '', /^[0-9a-f]{64}$/);
      assert.match(certificate?.serial ?? '', /^[0-9a-f]+$/);
      assert.ok((certificate?.notAfter ?? 0) > Date.now());
      assert.ok(orders.certificate.replaceAll('\n', '').includes(certificate?.encoded ?? '?'));
    });

    for (const [what, options] of Object.entries(notGood)) {
      const given = { ...options, minVersion: version, maxVersion: version };
      test(`${what}: turned away where one is required, nobody where it is optional`, async () => {
        const strict = await gateway(settings('required'));
        using _strict = strict.runtime;
        assert.equal(await isTurnedAway(strict.runtime.port, given), true);
        assert.deepEqual(strict.seen, []);
        assert.equal(await askOnce(strict.runtime.port, shown(orders)), 200, 'others are served');
        const lenient = await gateway(settings('optional'));
        using _lenient = lenient.runtime;
        assert.equal(await askOnce(lenient.runtime.port, given), 200);
        assert.deepEqual(lenient.seen, [null]);
      });
    }

    test('the certificate that a server name chooses changes nothing', async () => {
      const { runtime, seen } = await gateway(settings('required'));
      using _ = runtime;
      assert.equal(await askOnce(runtime.port, { ...shown(orders, version), servername: 'shop.example' }), 200);
      assert.equal(seen[0]?.commonName, 'orders');
      const nobody = { ca: authority.certificate, servername: 'shop.example', maxVersion: version };
      assert.equal(await isTurnedAway(runtime.port, nobody), true);
    });

    test('a resumed session has the certificate it began with, on every worker', async () => {
      const keys = randomBytes(48);
      const first = await gateway(settings('required'), { ticketKeys: keys });
      using _first = first.runtime;
      const second = await gateway(settings('required'), { ticketKeys: keys });
      using _second = second.runtime;
      for (const servername of ['', 'shop.example']) {
        const options = { ...shown(orders, version), servername };
        const session = await sessionTicket(first.runtime.port, options);
        const peer = await connectSecure(second.runtime.port, { ...options, session });
        assert.equal(await ask(peer), 200);
        assert.equal(peer.socket.isSessionReused(), true);
        assert.equal(second.seen.at(-1)?.fingerprint, first.seen.at(-1)?.fingerprint);
        peer.destroy();
      }
    });

    test('a session without a certificate, or with a bad one, passes for none', async () => {
      const keys = randomBytes(48);
      const strict = await gateway(settings('required'), { ticketKeys: keys });
      using _strict = strict.runtime;
      const others = {
        'a listener that does not ask': await gateway({ tls: listenerTls([local, named]) }, { ticketKeys: keys }),
        'a lenient listener': await gateway(settings('optional'), { ticketKeys: keys }),
        'a listener with other authorities': await gateway(settings('required', authority.certificate), {
          ticketKeys: keys,
        }),
      };
      const foreign = shown(authority.issueClient('/CN=orders'), version);
      for (const [what, { runtime, seen }] of Object.entries(others)) {
        using _ = runtime;
        for (const servername of ['', 'shop.example']) {
          const session = await sessionTicket(runtime.port, { ...foreign, servername });
          assert.equal(await isTurnedAway(strict.runtime.port, { ...foreign, servername, session }), true, what);
          const bare = { ca: authority.certificate, maxVersion: version, servername, session };
          assert.equal(await isTurnedAway(strict.runtime.port, bare), true, what);
          if (what !== 'a lenient listener') continue;
          const again = await connectSecure(runtime.port, { ...foreign, servername, session });
          assert.equal(await ask(again), 200);
          assert.equal(again.socket.isSessionReused(), true);
          assert.deepEqual(new Set(seen), new Set([null]));
          again.destroy();
        }
      }
      assert.deepEqual(strict.seen, []);
    });

    test('new authorities end what old ones vouched for, resumed sessions included', async () => {
      const { runtime, seen } = await gateway(settings('optional'), { ticketKeys: randomBytes(48) });
      using _ = runtime;
      const session = await sessionTicket(runtime.port, shown(orders, version));
      assert.equal(seen.at(-1)?.commonName, 'orders');
      const next = makeAuthority('Next Clients');
      await runtime.reload({
        listener: settings('required', next.certificate),
        routes: (pool) => ({ '/*': handRoute({ dispatch: pool('main').dispatch }) }),
      });
      assert.equal(await isTurnedAway(runtime.port, { ...shown(orders, version), session }), true);
      assert.equal(await askOnce(runtime.port, shown(next.issueClient('/CN=next'), version)), 200);
    });
  });
}

test('connections that old authorities vouched for end with them, after the answer under way', async () => {
  const { runtime, seen } = await gateway(settings('optional'), { ticketKeys: randomBytes(48) });
  using _ = runtime;
  const [asking, idle] = [
    await connectSecure(runtime.port, shown(orders)),
    await connectSecure(runtime.port, shown(orders)),
  ];
  assert.deepEqual([await ask(asking), await ask(idle)], [200, 200]);
  const { promise: held, resolve: release } = Promise.withResolvers<undefined>();
  const slow = (pool: Parameters<NonNullable<RuntimeOptions['routes']>>[0]) => ({
    '/*': handRoute({ dispatch: pool('main').dispatch, request: [{ phase: 'guard' as const, run: () => held }] }),
  });
  // What does not concern clients lets their connections live.
  await runtime.reload({ listener: settings('optional'), routes: slow });
  asking.send(GET);
  await until('the request is under way', () => runtime.server.active === 1);
  const next = makeAuthority('Next Clients');
  await runtime.reload({ listener: settings('optional', next.certificate), routes: slow });
  await idle.untilClosed();
  await until('only the other one is left', () => runtime.server.connections === 1);
  release(undefined);
  const answer = await asking.response();
  assert.equal(answer.status, 200);
  await asking.untilClosed();
  assert.equal(seen.length, 2);
});

test('an authority under another one is either known here or sent by the client', async () => {
  const issuing = clients.subordinate('Issuing Authority');
  const leaf = issuing.issueClient('/CN=leaf');
  const both = await gateway(settings('required', issuing.certificate + clients.certificate));
  using _both = both.runtime;
  assert.equal(await askOnce(both.runtime.port, shown(leaf)), 200);
  const root = await gateway(settings('required'));
  using _root = root.runtime;
  assert.equal(await isTurnedAway(root.runtime.port, shown(leaf)), true);
  const chain = { certificate: leaf.certificate + issuing.certificate, key: leaf.key };
  assert.equal(await askOnce(root.runtime.port, shown(chain)), 200);
  assert.equal(root.seen[0]?.commonName, 'leaf');
});

test('of two listeners each has its own rule', async () => {
  const [strict, open] = [await freePort(), await freePort()];
  const { runtime, seen } = await gateway(undefined, {
    ticketKeys: randomBytes(48),
    plan: {
      listeners: [
        handListener(`127.0.0.1:${strict}`, settings('required')),
        handListener(`127.0.0.1:${open}`, { tls: listenerTls([local]) }),
      ],
    },
  });
  using _ = runtime;
  assert.equal(await askOnce(open, shown(orders)), 200);
  assert.equal(await askOnce(strict, shown(orders)), 200);
  assert.deepEqual(
    seen.map((each) => each?.commonName ?? null),
    [null, 'orders'],
  );
  assert.equal(await isTurnedAway(strict, { ca: authority.certificate }), true);
});
