import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort, until } from '../../test/harness.ts';
import { makeAuthority } from '../../test/support/certificates.ts';
import { redisMissing, redisSettings, startRedis, TestRedis } from '../../test/support/redis.ts';
import { LimitMachine } from '../../test/support/shared-limits.ts';
import type { LimitUse } from '../plan/limiter.ts';
import type { UpstreamTls } from '../plan/upstream.ts';
import { rateLimit } from '../semantics/rate.ts';
import { CLUSTER_SLOTS, readRedirection, readSlots, slotOfKey } from './cluster-slots.ts';
import { RespError } from './resp.ts';
import type { RedisSettings } from './settings.ts';

const skip = redisMissing;
const LOCAL = '127.0.0.1';
const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(3, 3_600_000, 3) };
/** For tests in which a busy machine should not make anybody give up. */
const timeout = 5000;

async function works(settings: RedisSettings): Promise<void> {
  await using one = await new LimitMachine({ ...settings, timeout }).connected();
  await using other = await new LimitMachine({ ...settings, timeout }).connected();
  const key = `key${Math.random()}`;
  const left = [];
  for (const machine of [one, other, one, other]) left.push((await machine.take(use, key)).remaining);
  assert.deepEqual(left, [2, 1, 0, 0]);
  assert.equal(one.reading.counters.local + other.reading.counters.local, 0);
}

async function fails(settings: RedisSettings, why: RegExp): Promise<void> {
  await using machine = new LimitMachine(settings);
  await until('it is said', () => machine.limiter.failure !== null);
  assert.match(machine.limiter.failure ?? '', why);
  assert.ok((await machine.take(use)).allowed);
}

/** Attempts on many keys from two views: each key is granted exactly what its limit says. */
async function isExact(one: LimitMachine, other: LimitMachine, run: string): Promise<void> {
  for (let key = 0; key < 40; key++) {
    const attempts = [one, other, one, other].map((machine) => machine.take(use, `${run}${key}`));
    const allowed = (await Promise.all(attempts)).filter((verdict) => verdict.allowed).length;
    assert.equal(allowed, 3, `${run}${key}`);
  }
}

describe('the way of limits to Redis', () => {
  it('goes through a Unix socket, and past a server that is away', { skip }, async () => {
    await using redis = await startRedis('--unixsocket', 'redis.sock');
    const path = join(redis.directory, 'redis.sock');
    await works(redisSettings(0, { servers: [{ host: '', port: 0, path }] }));
    const servers = [await freePort(), redis.port].map((port) => ({ host: LOCAL, port, path: null }));
    await works(redisSettings(0, { servers }));
  });

  it('goes through TLS, with certificates on both sides', { skip }, async () => {
    const authority = makeAuthority();
    const [server, client] = [authority.issue([LOCAL, 'redis.test']), authority.issue(['gateway'])];
    const folder = mkdtempSync(join(tmpdir(), 'sluice-limits-tls-'));
    const args: string[] = [];
    for (const [option, text] of [
      ['--tls-cert-file', server.certificate],
      ['--tls-key-file', server.key],
      ['--tls-ca-cert-file', authority.certificate],
    ] as const) {
      const file = join(folder, option);
      writeFileSync(file, text);
      args.push(option, file);
    }
    const port = await freePort();
    await using secured = new TestRedis(port, ['--port', '0', '--tls-port', String(port), ...args]);
    await secured.start();
    const { certificate, key } = client;
    const tls: UpstreamTls = { verify: true, ca: authority.certificate, certificate, key, serverName: null };
    const settings = redisSettings(port, { tls });
    await works(settings);
    await works({ ...settings, tls: { ...tls, serverName: 'redis.test' } });
    await fails({ ...settings, tls: { ...tls, serverName: 'other.test' } }, /altnames|Hostname/);
    await fails({ ...settings, tls: { ...tls, ca: null } }, /certificate/);
    await fails({ ...settings, tls: null }, /closed|ECONNRESET|RESP/);
    rmSync(folder, { recursive: true });
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
    await using machine = await new LimitMachine(settings).connected();
    assert.equal((await machine.take(use, 'moving')).remaining, 2);
    await until('the replica is known', () =>
      sentinel.command('SENTINEL', 'REPLICAS', 'main').includes(String(second.port)),
    );
    const copies = (): string => second.command('KEYS', 'test:limit:*');
    await until('the replica has it', () => copies().split('\n').length >= 2);
    await first.kill();
    await until('it is noticed', () => machine.limiter.failure !== null);
    assert.ok((await machine.take(use, 'moving')).allowed, 'meanwhile it goes on by itself');
    await machine.connected();
    assert.equal((await machine.take(use, 'moving', 0)).remaining, 1, 'nothing was forgotten, neither here nor there');
  });

  it('goes to each node of a cluster, and follows slots that move and nodes that die', { skip }, async () => {
    const args = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '1000',
      '--cluster-require-full-coverage',
      'no',
    ];
    await using one = await startRedis(...args);
    await using two = await startRedis(...args);
    await using three = await startRedis(...args);
    await using spare = await startRedis(...args);
    const nodes = [one, two, three, spare];
    for (const [index, node] of [one, two, three].entries()) {
      const first = Math.ceil((CLUSTER_SLOTS / 3) * index);
      node.command('CLUSTER', 'ADDSLOTSRANGE', String(first), String(Math.ceil((CLUSTER_SLOTS / 3) * (index + 1)) - 1));
    }
    for (const node of nodes.slice(1)) one.command('CLUSTER', 'MEET', LOCAL, String(node.port));
    await until('the cluster agrees', () =>
      nodes.every((node) => {
        const info = node.command('CLUSTER', 'INFO');
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:4');
      }),
    );
    const idOf = (node: TestRedis): string => node.command('CLUSTER', 'MYID');
    spare.command('CLUSTER', 'REPLICATE', idOf(three));
    await until('the spare follows', () => spare.command('ROLE').includes('connected'));

    const servers = [{ host: LOCAL, port: one.port, path: null }];
    const settings = redisSettings(0, { kind: 'cluster', servers, timeout });
    await using a = await new LimitMachine(settings).connected();
    await using b = await new LimitMachine(settings).connected();
    await isExact(a, b, 'spread');
    const keysOf = (node: TestRedis): number => Number(node.command('DBSIZE'));
    for (const node of [one, two, three]) assert.ok(keysOf(node) > 3, 'every node has some');
    const before = a.reading.counters;
    assert.equal(before.local, 0);

    // A slot moves for good: MOVED, and the map is learnt anew.
    const [moved] = one.command('KEYS', 'test:limit:*').split('\n');
    const slot = String(slotOfKey(moved ?? ''));
    assert.equal(one.command('CLUSTER', 'KEYSLOT', moved ?? ''), slot);
    for (const key of one.command('CLUSTER', 'GETKEYSINSLOT', slot, '100').split('\n')) one.command('DEL', key);
    for (const node of nodes.slice(0, 3)) node.command('CLUSTER', 'SETSLOT', slot, 'NODE', idOf(two));
    await isExact(a, b, 'spread-again');

    // A slot is on its way: ASK for what is not there any more.
    const [leaving] = two.command('KEYS', 'test:limit:*').split('\n');
    const second = String(slotOfKey(leaving ?? ''));
    one.command('CLUSTER', 'SETSLOT', second, 'IMPORTING', idOf(two));
    two.command('CLUSTER', 'SETSLOT', second, 'MIGRATING', idOf(one));
    await isExact(a, b, 'on-its-way');
    one.command('CLUSTER', 'SETSLOT', second, 'STABLE');
    two.command('CLUSTER', 'SETSLOT', second, 'STABLE');
    assert.equal(a.reading.counters.local + b.reading.counters.local, 0);

    // A node dies: its part is decided here, the rest goes on, and the spare takes over.
    await three.kill();
    await until('it is noticed', async () => {
      await a.take(use, `probe${Math.random()}`);
      await b.take(use, `probe${Math.random()}`);
      return a.limiter.failure !== null && b.limiter.failure !== null;
    });
    spare.command('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await a.connected();
    await b.connected();
    const local = a.reading.counters.local + b.reading.counters.local;
    await isExact(a, b, 'after');
    assert.equal(a.reading.counters.local + b.reading.counters.local, local);
  });

  it('computes slots as Redis does', () => {
    for (const [key, slot] of [
      ['123456789', 12_739],
      ['foo', 12_182],
      ['{foo}.bar', 12_182],
      ['x{foo}{bar}', 12_182],
      ['{}foo', slotOfKey('{}foo')],
    ] as const) {
      assert.equal(slotOfKey(key), slot, key);
    }
    assert.notEqual(slotOfKey('{}foo'), slotOfKey('foo'));
  });

  it('believes no map and no redirection that make no sense', () => {
    const asked = { host: 'known', port: 1, path: null };
    const node = (host: string | null, port: number) => [host, port, 'id', []];
    assert.deepEqual(readSlots([[0, 5, node('', 7000), node('r', 7001)]], asked), [
      { first: 0, last: 5, server: { host: 'known', port: 7000, path: null } },
    ]);
    for (const reply of [
      null,
      'OK',
      [1],
      [[5, 0, node('a', 1)]],
      [[0, CLUSTER_SLOTS, node('a', 1)]],
      [[0, 1, node('a', 70_000)]],
      [[0, 1]],
    ]) {
      assert.equal(readSlots(reply, asked), null);
    }
    assert.deepEqual(readRedirection(new RespError('ASK 7 :7001'), asked), {
      isAsk: true,
      slot: 7,
      server: { host: 'known', port: 7001, path: null },
    });
    for (const text of ['MOVED 7', 'MOVED 20000 a:1', 'MOVED x a:1', 'ERR MOVED 7 a:1']) {
      assert.equal(readRedirection(new RespError(text), asked), null);
    }
  });
});
