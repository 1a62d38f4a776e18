import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { UpstreamOptions } from '../../src/plan/upstream.ts';
import { addressSet } from '../support/plan.ts';
import { answering, connectRaw, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type RuntimeOptions, startRuntime } from '../support/runtime.ts';

/** Exactly what an upstream receives of a request. */

const received: string[] = [];
const upstream: RawUpstream = await startRawUpstream((peer) => {
  let answered = 0;
  answering((request) => {
    received.push(peer.bytes.latin1Slice(answered, request.end));
    answered = request.end;
    return OK;
  })(peer);
});
after(() => upstream.close());

/** What the upstream received of `request`, without its body. */
async function forwarded(request: string, options: RuntimeOptions = {}): Promise<string> {
  using runtime = await startRuntime({ upstreams: upstream.url, ...options });
  const client = await connectRaw(runtime.port);
  client.send(request);
  const { status } = await client.response();
  assert.equal(status, 200);
  client.destroy();
  return (received.at(-1) ?? '').split('\r\n\r\n')[0] as string;
}

function get(fields: readonly string[], target = '/orders?id=7'): string {
  return ['GET ', target, ' HTTP/1.1\r\n', fields.map((field) => `${field}\r\n`).join(''), '\r\n'].join('');
}

const STATED =
  'x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: shop.example\r\nx-forwarded-port: 80';

test('a plain request: Host first, then the fields as they came, then what is said about the client', async () => {
  const text = await forwarded(
    get(['X-First: 1', 'accept: text/html', 'Host: shop.example', 'User-Agent: test (x; y)', 'COOKIE: a=b; c="d"']),
  );
  assert.equal(
    text,
    [
      'GET /orders?id=7 HTTP/1.1',
      'host: shop.example',
      'X-First: 1',
      'accept: text/html',
      'User-Agent: test (x; y)',
      'COOKIE: a=b; c="d"',
      STATED,
    ].join('\r\n'),
  );
});

test('repeated fields stay apart and in order, empty and non-ASCII values as they are', async () => {
  const fields = [
    'cookie: a=1',
    'X-Tag: one',
    'cookie: b=2',
    'x-tag: two',
    'x-empty:',
    'x-latin: caf\xe9',
    'x-tag:three',
  ];
  const text = await forwarded(get(['host: shop.example', ...fields]));
  assert.equal(text, ['GET /orders?id=7 HTTP/1.1', 'host: shop.example', ...fields, STATED].join('\r\n'));
});

describe('fields of one connection', () => {
  const hop = ['Connection', 'Keep-Alive', 'TE', 'Upgrade', 'Proxy-Connection', 'Proxy-Authorization'];
  test('stay behind, and so do those that Connection names', async () => {
    const text = await forwarded(
      get([
        'host: shop.example',
        'Connection: keep-alive, X-Private ,x-other',
        'X-Private: 1',
        'Keep-Alive: timeout=5',
        'TE: gzip;q=0.5',
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic c2VjcmV0',
        'Proxy-Authenticate: Basic',
        'x-OTHER: 2',
        'x-kept: 3',
      ]),
    );
    assert.equal(text, ['GET /orders?id=7 HTTP/1.1', 'host: shop.example', 'x-kept: 3', STATED].join('\r\n'));
    for (const name of hop) assert.doesNotMatch(text, new RegExp(`^${name}:`, 'im'));
  });

  test('an Upgrade that Connection does not name is dropped', async () => {
    const text = await forwarded(get(['host: shop.example', 'upgrade: websocket']));
    assert.equal(text, ['GET /orders?id=7 HTTP/1.1', 'host: shop.example', STATED].join('\r\n'));
  });

  test('a name in Connection takes no part of the message away', async () => {
    const text = await forwarded(
      'POST / HTTP/1.1\r\nhost: shop.example\r\nconnection: host, content-length, x-forwarded-for\r\ncontent-length: 2\r\n\r\nhi',
    );
    assert.match(text, /^host: shop\.example$/m);
    assert.match(text, /^content-length: 2$/m);
    assert.match(text, /^x-forwarded-for: 127\.0\.0\.1$/m);
    assert.doesNotMatch(text, /^connection:/m);
  });
});

describe('statements about the client', () => {
  const claims = [
    'host: shop.example',
    'X-Forwarded-For: 198.51.100.1, 203.0.113.5',
    'x-forwarded-proto: https',
    'x-forwarded-host: evil.example',
    'x-forwarded-port: 8443',
    'Forwarded: for=198.51.100.1;proto=https',
    'x-real-ip: 198.51.100.1',
    'x-forwarded-prefix: /x',
    'x-forwarded-server: s',
    'x-forwarded-ssl: on',
    'x-forwarded-scheme: https',
    'x-kept: 1',
  ];
  const ours = (...lines: string[]): string =>
    ['GET /orders?id=7 HTTP/1.1', 'host: shop.example', 'x-kept: 1', ...lines].join('\r\n');

  test('of somebody untrusted are replaced by ours', async () => {
    assert.equal(await forwarded(get(claims)), ours(STATED));
  });

  test('of a trusted proxy count as far as they are vouched for', async () => {
    const text = await forwarded(get(claims), { plan: { trustedProxies: addressSet('127.0.0.0/8') } });
    assert.match(text, /^x-forwarded-for: 203\.0\.113\.5, 127\.0\.0\.1$/m);
    assert.match(text, /^x-forwarded-proto: https$/m);
    assert.match(text, /^x-forwarded-host: evil\.example$/m);
    assert.doesNotMatch(text, /198\.51\.100\.1/);
  });

  test('go through a chain of trusted proxies to the client', async () => {
    const text = await forwarded(get(claims), {
      plan: { trustedProxies: addressSet('127.0.0.0/8', '203.0.113.0/24') },
    });
    assert.match(text, /^x-forwarded-for: 198\.51\.100\.1, 203\.0\.113\.5, 127\.0\.0\.1$/m);
  });

  test('go out as Forwarded where that is wanted, alone or too', async () => {
    const FORWARDED = 'forwarded: for=127.0.0.1;host=shop.example;proto=http';
    const forwarding = { source: 'either', xForwarded: false, forwarded: true } as const;
    assert.equal(await forwarded(get(claims), { plan: { forwarding } }), ours(FORWARDED));
    const both = { ...forwarding, xForwarded: true };
    assert.equal(await forwarded(get(claims), { plan: { forwarding: both } }), ours(STATED, FORWARDED));
    const none = { ...forwarding, forwarded: false };
    assert.equal(await forwarded(get(claims), { plan: { forwarding: none } }), ours());
  });

  test('that a trusted proxy makes and nobody can read are refused', async () => {
    using runtime = await startRuntime({
      upstreams: upstream.url,
      plan: { trustedProxies: addressSet('127.0.0.0/8') },
    });
    const before = received.length;
    const client = await connectRaw(runtime.port);
    client.send(get(['host: shop.example', 'x-forwarded-for: 203.0.113.5, nobody']));
    assert.equal((await client.response()).status, 400);
    assert.equal(received.length, before);
    client.destroy();
  });
});

describe('Host', () => {
  const hosts: [what: string, options: Partial<UpstreamOptions>, expected: string][] = [
    ['is the client’s', {}, 'Shop.Example:8080'],
    ['is the endpoint’s', { hostHeader: { kind: 'endpoint' } }, `127.0.0.1:${upstream.port}`],
    ['is fixed', { hostHeader: { kind: 'fixed', value: 'inside.example' } }, 'inside.example'],
  ];
  for (const [what, upstreamOptions, expected] of hosts) {
    test(what, async () => {
      const text = await forwarded(get(['Host: Shop.Example:8080']), { upstreamOptions });
      assert.equal(text.split('\r\n')[1]?.toLowerCase(), `host: ${expected.toLowerCase()}`);
      assert.match(text, /^x-forwarded-host: shop\.example:8080$/im);
      assert.match(text, /^x-forwarded-port: 8080$/m);
    });
  }

  test('is the target’s where that is absolute', async () => {
    const text = await forwarded(get(['host: shop.example'], 'http://shop.example/orders?id=7'));
    assert.equal(text, ['GET /orders?id=7 HTTP/1.1', 'host: shop.example', STATED].join('\r\n'));
  });

  test('is the endpoint’s for HTTP/1.0 without one', async () => {
    const text = await forwarded('GET /orders HTTP/1.0\r\n\r\n');
    assert.match(text, new RegExp(`^GET /orders HTTP/1\\.1\r\nhost: 127\\.0\\.0\\.1:${upstream.port}\r\n`));
    assert.doesNotMatch(text, /x-forwarded-host/);
  });
});

describe('the target', () => {
  const targets: [target: string, expected: string][] = [
    ['/', '/'],
    ['/a//b/?x=1&x=2&y', '/a//b/?x=1&x=2&y'],
    ['/a/./b/../c', '/a/c'],
    ['/%7Euser/%41?q=%7e%41+%2F/../x', '/~user/A?q=%7e%41+%2F/../x'],
    ['/caf%C3%A9?q=caf%c3%a9', '/caf%C3%A9?q=caf%c3%a9'],
    ['/a?b?c=/d', '/a?b?c=/d'],
  ];
  for (const [target, expected] of targets) {
    test(`${target} goes on as ${expected}`, async () => {
      const text = await forwarded(get(['host: shop.example'], target));
      assert.equal(text.split('\r\n')[0], `GET ${expected} HTTP/1.1`);
    });
  }

  test('follows the endpoint’s own path', async () => {
    const text = await forwarded(get(['host: shop.example']), { upstreams: `${upstream.url}/base/v1` });
    assert.equal(text.split('\r\n')[0], 'GET /base/v1/orders?id=7 HTTP/1.1');
  });
});
