import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { change, usageContract } from '../../test/contract/usage.ts';
import { until } from '../../test/harness.ts';
import { redisMissing, redisSettings, startRedis, type TestRedis } from '../../test/support/redis.ts';
import { RecordsError } from '../plan/records.ts';
import { MemoryUsage } from './memory-usage.ts';
import { RedisUsage } from './redis-usage.ts';
import { SqliteUsage } from './sqlite-usage.ts';

const ignore = (): void => undefined;

describe('usage in memory', () => {
  usageContract(async () => new MemoryUsage());
});

describe('usage in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-usage-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;

  usageContract(async () => new SqliteUsage(join(folder, `contract${files++}.db`), ignore));

  it('is private to this user, and shared by processes: everybody adds to the same', async () => {
    const path = join(folder, 'shared.db');
    const one = new SqliteUsage(path, ignore);
    const other = new SqliteUsage(path, ignore);
    assert.deepEqual(await one.push([change('a', 5)]), [5]);
    assert.deepEqual(await other.push([change('a', 7, { plan: null })]), [12]);
    const [row] = await one.load('month', 24_317, 24_317, 9);
    assert.deepEqual([row?.used, row?.plan], [12, 'gold']);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await Promise.all([one.close(), other.close()]);
    await assert.rejects(one.push([change('a', 1)]), RecordsError);
  });

  it('says what is wrong with its file, and goes on once that is mended', async () => {
    const path = join(folder, 'broken.db');
    writeFileSync(path, 'this is no database, and never was one');
    const said: string[] = [];
    const store = new SqliteUsage(path, (message) => said.push(message));
    await assert.rejects(store.push([change('a', 1)]), RecordsError);
    assert.match(said[0] ?? '', /broken\.db` is damaged.*; quotas are counted by this process alone/);
    rmSync(path);
    await until('it is opened anew', () => store.push([change('a', 1)]).then(() => true));
    assert.match(said[1] ?? '', /works again/);
    // A backup that was put in its place.
    rmSync(path);
    appendFileSync(path, '');
    assert.deepEqual(await until('the new file', () => store.push([change('a', 2)])), [2]);
    await store.close();
  });

  it('forgets periods that have been over for a day', async () => {
    const path = join(folder, 'old.db');
    const store = new SqliteUsage(path, ignore);
    await store.push([change('old', 1, { endsAt: Date.now() - 2 * 86_400_000 }), change('new', 1)]);
    await store.close();
    const again = new SqliteUsage(path, ignore);
    await again.push([change('new', 1)]);
    const rows = await again.load('month', 0, 99_999, 9);
    assert.deepEqual(
      rows.map(({ subject }) => subject),
      ['new'],
    );
    await again.close();
  });
});

describe('usage in Redis', { skip: redisMissing }, () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis?.[Symbol.asyncDispose]());
  let prefixes = 0;

  usageContract(async () => new RedisUsage(redisSettings(redis.port, { prefix: `p${prefixes++}` }), ignore));

  it('ends with its period', async () => {
    const store = new RedisUsage(redisSettings(redis.port, { prefix: 'ending' }), ignore);
    await store.push([change('a', 5, { endsAt: Date.now() + 60_000 })]);
    const left = Number(redis.command('ttl', 'ending:{usage}:month:24317'));
    assert.ok(left > 86_400 && left <= 86_461, String(left));
    await store.close();
  });

  it('is not counted twice because one of many is refused', async () => {
    const store = new RedisUsage(redisSettings(redis.port, { prefix: 'odd' }), ignore);
    redis.command('hset', 'odd:{usage}:month:24317', 'spoilt', 'text');
    assert.deepEqual(await store.push([change('a', 5), change('spoilt', 1)]), [5, null]);
    assert.match(store.state.failure ?? '', /refuses \(ERR hash value is not an integer\)/);
    assert.deepEqual(await store.push([change('a', 0)]), [5]);
    assert.equal(store.state.failure, null);
    await store.close();
  });

  it('says that it cannot be reached, at once, and that it can again', async () => {
    const said: string[] = [];
    const store = new RedisUsage(redisSettings(redis.port, { prefix: 'away' }), (message) => said.push(message));
    await store.push([change('a', 5)]);
    const generation = await store.generation();
    await redis.kill();
    await assert.rejects(store.push([change('a', 1)]), RecordsError);
    assert.match(said[0] ?? '', /quotas are counted by this process alone, which adds what was used later/);
    await redis.start();
    // It keeps nothing.
    assert.deepEqual(await until('it is asked again', () => store.push([change('a', 2)])), [2]);
    assert.notEqual(await store.generation(), generation);
    assert.match(said.at(-1) ?? '', /works again/);
    await store.close();
  });
});
