import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeAuthority } from '../../test/support/certificates.ts';
import { checkText } from '../../test/support/compiled.ts';
import type { RedisSettings } from '../stores/settings.ts';

const plain: RedisSettings = {
  kind: 'single',
  servers: [{ host: 'redis', port: 6379, path: null }],
  tls: null,
  username: null,
  password: null,
  database: 0,
  sentinel: null,
  prefix: 'sluice',
  timeout: 50,
  onFailure: 'local',
  cache: null,
};

async function storesOf(shared: string, files: Record<string, string> = {}): Promise<RedisSettings | null> {
  const { stores, problems } = await checkText(`stores:\n  shared: ${shared}\n`, files);
  assert.deepEqual(problems, []);
  return stores.shared;
}

async function codesOf(shared: string): Promise<string[]> {
  const { problems } = await checkText(`stores:\n  shared: ${shared}\n`);
  return problems.map(({ severity, code, place }) => `${severity} ${code} ${place?.path}`);
}

describe('stores', () => {
  it('are none unless somebody says so', async () => {
    const nothing = { local: { buckets: 1_048_576, cache: 67_108_864 }, shared: null };
    assert.deepEqual((await checkText('')).stores, nothing);
    assert.deepEqual((await checkText('stores: {}\n')).stores, nothing);
    const { stores } = await checkText('stores: { local: { buckets: 4096, cache: 512MiB } }\n');
    assert.deepEqual(stores, { local: { buckets: 4096, cache: 536_870_912 }, shared: null });
  });

  it('are one server by its URL', async () => {
    assert.deepEqual(await storesOf('{ redis: "redis://redis" }'), plain);
    assert.deepEqual(
      await storesOf('{ redis: "redis://a:b@redis:7000/3", prefix: "shop:eu", timeout: 20ms, onFailure: deny }'),
      {
        ...plain,
        servers: [{ host: 'redis', port: 7000, path: null }],
        username: 'a',
        password: 'b',
        database: 3,
        prefix: 'shop:eu',
        timeout: 20,
        onFailure: 'deny',
      },
    );
    const apart = await storesOf('{ redis: "redis://redis", username: a, password: b, database: 3 }');
    assert.deepEqual(apart, { ...plain, username: 'a', password: 'b', database: 3 });
  });

  it('speak TLS, with files that are read', async () => {
    assert.deepEqual((await storesOf('{ redis: "rediss://redis" }'))?.tls, {
      verify: true,
      ca: null,
      certificate: null,
      key: null,
      serverName: null,
    });
    const authority = makeAuthority();
    const { certificate, key } = authority.issue(['gateway']);
    const shared = '{ redis: "rediss://redis", tls: { ca: ca.pem, certificate: c.pem, key: k.pem, serverName: r } }';
    const files = { 'ca.pem': authority.certificate, 'c.pem': certificate, 'k.pem': key };
    const { stores, problems, dataFiles } = await checkText(`stores:\n  shared: ${shared}\n`, files);
    assert.deepEqual(problems, []);
    assert.deepEqual(stores.shared?.tls, {
      verify: true,
      ca: authority.certificate,
      certificate,
      key,
      serverName: 'r',
    });
    assert.equal(dataFiles.length, 3, 'they are watched');
  });

  it('are a cluster, or servers behind sentinels', async () => {
    const servers = ['a', 'b'].map((host) => ({ host, port: 6379, path: null }));
    assert.deepEqual(await storesOf('{ cluster: ["redis://a", "redis://b"], password: p }'), {
      ...plain,
      kind: 'cluster',
      servers,
      password: 'p',
    });
    assert.deepEqual(await storesOf('{ sentinel: { master: main, nodes: [redis://a, redis://b], password: s } }'), {
      ...plain,
      kind: 'sentinel',
      servers,
      sentinel: { master: 'main', username: null, password: 's' },
    });
  });

  for (const [shared, ...expected] of [
    ['{}', 'error missing-server stores.shared'],
    ['{ cluster: [] }', 'error missing-server stores.shared.cluster'],
    ['{ redis: redis://a, cluster: redis://b }', 'error conflicting-settings stores.shared'],
    ['{ redis: "redis://:b@a", password: c }', 'error conflicting-settings stores.shared.password'],
    ['{ cluster: ["redis://:b@a"] }', 'error wrong-value stores.shared.cluster[0]'],
    ['{ cluster: "redis://a/1" }', 'error wrong-value stores.shared.cluster'],
    ['{ cluster: ["unix:/a"] }', 'error wrong-value stores.shared.cluster[0]'],
    ['{ cluster: ["redis://a"], database: 2 }', 'error wrong-value stores.shared.database'],
    ['{ cluster: ["redis://a", "rediss://b"] }', 'error wrong-value stores.shared.cluster'],
    ['{ redis: "redis://a", tls: { verify: false } }', 'warning unused-setting stores.shared.tls'],
    ['{ redis: "rediss://a", tls: { verify: false } }', 'warning unverified-tls stores.shared.tls.verify'],
    ['{ redis: "rediss://a", tls: { ca: gone.pem } }', 'error missing-file stores.shared.tls.ca'],
    ['{ redis: "http://a" }', 'error wrong-value stores.shared.redis'],
    ['{ redis: redis://a, prefix: "{a}" }', 'error wrong-value stores.shared.prefix'],
    ['{ redis: redis://a, timeout: 1m }', 'error wrong-value stores.shared.timeout'],
    ['{ redis: redis://a, onFailure: ignore }', 'error wrong-value stores.shared.onFailure'],
  ] as const) {
    it(`say what is wrong with ${shared}`, async () => assert.deepEqual(await codesOf(shared), expected));
  }

  it('show no password in what is wrong', async () => {
    const { problems } = await checkText('stores: { shared: { redis: "redis://user:verysecret@host/nonsense" } }\n');
    assert.equal(problems.length, 1);
    assert.doesNotMatch(JSON.stringify(problems), /verysecret/);
  });
});
