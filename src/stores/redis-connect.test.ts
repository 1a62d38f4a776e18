import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort, until } from '../../test/harness.ts';
import { makeAuthority } from '../../test/support/certificates.ts';
import { redisMissing, redisSettings, startRedis, TestRedis } from '../../test/support/redis.ts';
import type { UpstreamTls } from '../plan/upstream.ts';
import { LastKnown } from './last-known.ts';
import { RedisRecords } from './redis-records.ts';
import type { RedisSettings } from './settings.ts';

const skip = redisMissing;
const LOCAL = '127.0.0.1';

function open(settings: RedisSettings): RedisRecords & AsyncDisposable {
  const known = new LastKnown(null, () => undefined);
  const records = new RedisRecords(settings, known, () => undefined);
  return Object.assign(records, { [Symbol.asyncDispose]: () => records.close() });
}

async function works(settings: RedisSettings): Promise<void> {
  await using records = open(settings);
  await records.put('keys', 'a', { there: true }, null);
  assert.deepEqual(await records.list('keys'), new Map([['a', { there: true }]]));
}

async function fails(settings: RedisSettings, why: RegExp): Promise<void> {
  await using records = open(settings);
  await assert.rejects(records.list('keys'), why);
}

describe('the way to Redis', () => {
  it('goes through a user with rights to our keys alone, and to a database', { skip }, async () => {
    await using redis = await startRedis();
    const rights = ['~sluice:*', '&sluice:*', '+hello', '+select', '+hgetall', '+hget', '+hset', '+hdel', '+hlen'];
    redis.command('ACL', 'SETUSER', 'gateway', 'on', '>geheim', 'resetchannels', ...rights, '+publish', '+subscribe');
    const mine = redisSettings(redis.port, { username: 'gateway', password: 'geheim', prefix: 'sluice', database: 3 });
    await works(mine);
    assert.equal(redis.command('-n', '3', 'HLEN', 'sluice:{records}:keys'), '1');
    await fails({ ...mine, password: 'other' }, /WRONGPASS/);
    await fails({ ...mine, prefix: 'elsewhere' }, /NOPERM/);
  });

  it('goes through TLS, with certificates on both sides', { skip }, async () => {
    const authority = makeAuthority();
    const [server, client] = [authority.issue([LOCAL, 'redis.test']), authority.issue(['gateway'])];
    const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-tls-'));
    const file = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    const port = await freePort();
    await using secured = new TestRedis(port, [
      '--port',
      '0',
      '--tls-port',
      String(port),
      '--tls-cert-file',
      file('certificate', server.certificate),
      '--tls-key-file',
      file('key', server.key),
      '--tls-ca-cert-file',
      file('ca', authority.certificate),
    ]);
    await secured.start();
    const tls: UpstreamTls = {
      verify: true,
      ca: authority.certificate,
      certificate: client.certificate,
      key: client.key,
      serverName: null,
    };
    const settings = redisSettings(port, { tls });
    await works(settings);
    await works({ ...settings, tls: { ...tls, serverName: 'redis.test' } });
    await works({ ...settings, tls: { ...tls, ca: null, verify: false } });
    await fails({ ...settings, tls: { ...tls, serverName: 'other.test' } }, /altnames|Hostname/);
    await fails({ ...settings, tls: { ...tls, ca: null } }, /certificate/);
    await fails({ ...settings, tls: { ...tls, certificate: null, key: null } }, /cannot be reached/);
    await fails({ ...settings, tls: null }, /cannot be reached/);
    rmSync(folder, { recursive: true });
  });

  it('goes through a Unix socket', { skip }, async () => {
    await using redis = await startRedis('--unixsocket', 'redis.sock');
    const path = join(redis.directory, 'redis.sock');
    await works(redisSettings(0, { servers: [{ host: '', port: 0, path }] }));
  });

  it('takes the next server when one is away', { skip }, async () => {
    await using redis = await startRedis();
    const servers = [await freePort(), redis.port].map((port) => ({ host: LOCAL, port, path: null }));
    await works(redisSettings(0, { servers }));
  });

  it('follows a cluster to the node that has the records', { skip }, async () => {
    const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
    await using one = await startRedis(...args);
    await using two = await startRedis(...args);
    const owner = Number(one.command('CLUSTER', 'KEYSLOT', 'test:{records}:keys')) < 8192 ? one : two;
    one.command('CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
    two.command('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
    one.command('CLUSTER', 'MEET', LOCAL, String(two.port));
    const seeds = [one, two].filter((node) => node !== owner);
    await until('the cluster agrees', () =>
      [one, two].every((node) => node.command('CLUSTER', 'INFO').includes('cluster_state:ok')),
    );
    const settings = redisSettings(0, {
      kind: 'cluster',
      servers: seeds.map(({ port }) => ({ host: LOCAL, port, path: null })),
    });
    await works(settings);
    assert.equal(owner.command('HLEN', 'test:{records}:keys'), '1');
    await using records = open(settings);
    let told = 0;
    records.watch('keys', () => told++);
    await records.list('keys');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const calm = told;
    await works(settings);
    await until('changes are heard of', () => told > calm);
  });

  it('asks sentinels for the master, and follows when it moves', { skip }, async () => {
    await using first = await startRedis();
    await using second = await startRedis('--replicaof', `${LOCAL} ${first.port}`);
    const port = await freePort();
    await using sentinel = new TestRedis(port, ['sentinel.conf', '--sentinel']);
    const directives = [
      `monitor main ${LOCAL} ${first.port} 1`,
      'down-after-milliseconds main 500',
      'failover-timeout main 2000',
    ];
    const text = directives.map((directive) => `sentinel ${directive}\n`).join('');
    writeFileSync(join(sentinel.directory, 'sentinel.conf'), text);
    await sentinel.start();
    const settings = redisSettings(port, {
      kind: 'sentinel',
      sentinel: { master: 'main', username: null, password: null },
    });
    await works(settings);
    await fails(
      { ...settings, sentinel: { master: 'other', username: null, password: null } },
      /knows no master `other`/,
    );
    await using records = open(settings);
    await records.list('keys');
    await until('the replica is known', () =>
      sentinel.command('SENTINEL', 'REPLICAS', 'main').includes(String(second.port)),
    );
    await until('the replica has all', () => second.command('HLEN', 'test:{records}:keys') === '1');
    await first.kill();
    await until('the other is in charge', () =>
      records.put('keys', 'b', {}, null).then(
        () => true,
        () => false,
      ),
    );
    assert.deepEqual([...(await records.list('keys')).keys()].sort(), ['a', 'b']);
    assert.equal(second.command('HLEN', 'test:{records}:keys'), '2');
  });
});
