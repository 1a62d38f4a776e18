import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, test } from 'node:test';
import { checkText, type TestFiles } from '../../test/support/compiled.ts';
import { parseTargetList } from './target-list.ts';
import type { UpstreamWork } from './upstream-work.ts';

async function workOf(upstream: string, files: TestFiles = {}): Promise<UpstreamWork> {
  const { supervised, problems } = await checkText(`upstreams: { orders: ${upstream} }\n`, files);
  assert.deepEqual(problems, []);
  const found = supervised.find(({ kind }) => kind === 'upstream');
  assert.ok(found);
  return found.options as UpstreamWork;
}

async function problemsOf(upstream: string, files: TestFiles = {}): Promise<string[]> {
  const { problems } = await checkText(`upstreams: { orders: ${upstream} }\n`, files);
  return problems.map(
    ({ severity, code, place }) => `${severity} ${code} ${place?.path.replace('upstreams.orders.', '')}`,
  );
}

const health = (options: string): string => `{ targets: "http://a:1", health: ${options} }`;
const discover = (options: string): string => `{ discover: ${options} }`;

describe('health of upstreams', () => {
  test('defaults', async () => {
    const work = await workOf(health('{ path: /healthz }'));
    assert.deepEqual(work.health, {
      ask: {
        kind: 'http',
        method: 'GET',
        path: '/healthz',
        host: null,
        headers: [],
        statuses: [[200, 299]],
        body: null,
      },
      interval: 5_000,
      jitter: 0.2,
      timeout: 2_000,
      healthyAfter: 2,
      unhealthyAfter: 3,
    });
  });

  test('everything', async () => {
    const text = `{ targets: "http://a:1", hostHeader: shop.example, health: { path: /h, method: POST, status: [200, 3xx, 401-403],
      body: ready, headers: { x-probe: "1" }, interval: 1s, jitter: 0%, timeout: 100ms, healthyAfter: 1, unhealthyAfter: 5 } }`;
    const { health: check } = await workOf(text);
    assert.ok(check?.ask.kind === 'http');
    const { host, statuses, body, headers } = check.ask;
    assert.deepEqual(
      [host, statuses, body, headers],
      [
        'shop.example',
        [
          [200, 200],
          [300, 399],
          [401, 403],
        ],
        'ready',
        [['x-probe', '1']],
      ],
    );
    assert.deepEqual((await workOf(health('{ tcp: true }'))).health?.ask, { kind: 'tcp' });
  });

  test('what makes no sense', async () => {
    assert.deepEqual(await problemsOf(health('{ interval: 1s }')), ['error health-kind health']);
    assert.deepEqual(await problemsOf(health('{ path: /, tcp: true }')), ['error health-kind health']);
    assert.deepEqual(await problemsOf(health('{ tcp: true, status: 200 }')), ['error unused-setting health.status']);
    assert.deepEqual(await problemsOf(health('{ path: /, method: HEAD, body: a }')), ['error health-kind health.body']);
    assert.deepEqual(await problemsOf(health('{ path: /, headers: { Host: a } }')), [
      'error wrong-header health.headers.Host',
    ]);
    for (const wrong of ['status: 99', 'status: 6xx', 'status: 400-200', 'jitter: 60%', 'path2: /', 'tcp: false'])
      assert.notDeepEqual(await problemsOf(health(`{ path: /, ${wrong} }`)), [], wrong);
  });

  test('a check takes no longer than its interval, unless that is said', async () => {
    assert.equal((await workOf(health('{ path: /, interval: 1s }'))).health?.timeout, 1_000);
    assert.deepEqual(await problemsOf(health('{ path: /, interval: 1s, timeout: 2s }')), [
      'warning long-timeout health.timeout',
    ]);
  });

  test('a change of other settings goes on with what is under way', async () => {
    const ownerOf = async (upstream: string): Promise<string | null | undefined> => {
      const { document } = await checkText(`upstreams: { orders: ${upstream} }\n`);
      return document?.upstreams[0]?.owner;
    };
    const before = await ownerOf(health('{ path: / }'));
    assert.equal(typeof before, 'string');
    assert.equal(await ownerOf('{ targets: "http://a:1", health: { path: / }, upgrade: false }'), before);
    assert.notEqual(await ownerOf(health('{ path: /h }')), before);
    // Nothing to publish for one endpoint that nobody watches.
    assert.equal(await ownerOf('http://a:1'), null);
    assert.equal(typeof (await ownerOf('{ targets: ["http://a:1", "http://a:2"] }')), 'string');
  });
});

describe('discovery of endpoints', () => {
  const lookUp = { servers: null, ttl: { min: 2_000, max: 300_000 }, timeout: 2_000, keepFor: 3_600_000 };

  test('names', async () => {
    const both =
      '[{ dns: "https://orders.internal/v1", family: ipv4, priority: 1 }, { srv: "http://_http._tcp.orders.internal" }]';
    assert.deepEqual((await workOf(discover(both))).sources, [
      {
        kind: 'dns',
        name: 'orders.internal',
        tls: true,
        basePath: '/v1',
        port: 443,
        family: 'ipv4',
        weight: 1,
        priority: 1,
        ...lookUp,
      },
      { kind: 'srv', name: '_http._tcp.orders.internal', tls: false, basePath: '', ...lookUp },
    ]);
    const { sources } = await workOf(
      discover('{ dns: "http://a.b:81", servers: ["127.0.0.1:8600", "[::1]"], ttl: { min: 1s }, keepFor: 0 }'),
    );
    assert.ok(sources[0]?.kind === 'dns');
    assert.deepEqual(
      [sources[0].servers, sources[0].ttl.min, sources[0].keepFor],
      [['127.0.0.1:8600', '[::1]'], 1_000, 0],
    );
  });

  test('a file beside the configuration is no part of it, and an endpoint over HTTP', async () => {
    const { supervised, dataFiles } = await checkText(`upstreams: { a: ${discover('{ file: a.yaml }')} }\n`, {
      'a.yaml': '- http://a:1\n',
    });
    const [source] = (supervised[0] as { options: UpstreamWork }).options.sources;
    assert.ok(source?.kind === 'file' && source.file === resolve(source.file) && source.file.endsWith('/a.yaml'));
    assert.deepEqual(dataFiles, []);
    const list = '{ http: "http://registry/orders", interval: 1s, headers: { authorization: x } }';
    assert.deepEqual((await workOf(discover(list))).sources, [
      {
        kind: 'http',
        url: 'http://registry/orders',
        interval: 1_000,
        timeout: 5_000,
        maxSize: 1024 * 1024,
        headers: [['authorization', 'x']],
        tls: null,
        keepFor: 3_600_000,
      },
    ]);
  });

  test('what makes no sense', async () => {
    assert.deepEqual(await problemsOf('{ upgrade: true }'), ['error no-target upstreams.orders']);
    assert.deepEqual(await problemsOf(discover('{ dns: "http://10.0.0.1" }')), ['error wrong-value discover.dns']);
    assert.deepEqual(await problemsOf(discover('{ srv: "http://orders.internal" }')), [
      'error wrong-value discover.srv',
    ]);
    assert.deepEqual(await problemsOf(discover('{ srv: "http://_a._tcp.b:80" }')), ['error wrong-value discover.srv']);
    assert.deepEqual(await problemsOf(discover('{ dns: "http://a.b", ttl: { min: 10m } }')), [
      'error wrong-value discover.ttl',
    ]);
    assert.deepEqual(await problemsOf(discover('[{ dns: "http://a.b", servers: nowhere }]')), [
      'error wrong-value discover[0].servers',
    ]);
    assert.deepEqual(await problemsOf(discover('{ file: gone.yaml }')), ['warning target-list discover.file']);
    assert.deepEqual(await problemsOf(discover('{ file: a.yaml }'), { 'a.yaml': 'no' }), [
      'warning target-list discover.file',
    ]);
    assert.deepEqual(await problemsOf(discover('{ file: a.yaml }'), { 'a.yaml': '["http://a:1", nonsense]' }), [
      'warning target-list discover.file',
    ]);
  });
});

describe('lists of targets', () => {
  test('bad entries are left out, in words', () => {
    const read = parseTargetList(
      '- http://a:1\n- nonsense\n- { url: "http://b:1", wieght: 2 }\n- http://a:1\n',
      'yaml',
    );
    assert.ok(read.ok);
    assert.deepEqual(
      read.endpoints.map(({ url }) => url),
      ['http://a:1'],
    );
    assert.deepEqual(read.problems, [
      'entry 2: this is not the URL of a service',
      'entry 3: wieght: unknown key `wieght`',
      'entry 4: `http://a:1` is listed twice',
    ]);
  });

  test('what is no list, and a list of which nothing is good, is a failure', () => {
    for (const text of ['', 'a', '{', '{"targets": 1}', '["nonsense"]', 'null']) {
      assert.equal(parseTargetList(text, 'json').ok, false, text);
      assert.equal(parseTargetList(text, 'yaml').ok, false, text);
    }
    assert.deepEqual(parseTargetList('{"targets": []}', 'json'), { ok: true, endpoints: [], problems: [] });
  });

  test('a list has an end', () => {
    const read = parseTargetList(JSON.stringify(Array.from({ length: 1_100 }, (_, i) => `http://a:${i + 1}`)), 'json');
    assert.ok(read.ok);
    assert.deepEqual([read.endpoints.length, read.problems], [1_000, ['100 entries behind the first 1000']]);
  });
});
