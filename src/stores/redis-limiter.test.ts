import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { limiterContract } from '../../test/contract/limiter.ts';
import { until } from '../../test/harness.ts';
import { redisMissing, redisSettings, startRedis, type TestRedis } from '../../test/support/redis.ts';
import { LimitLoad, LimitMachine } from '../../test/support/shared-limits.ts';
import type { LimitUse } from '../plan/limiter.ts';
import { rateLimit } from '../semantics/rate.ts';
import { LimitStoreCell } from '../shared-memory/limit-store.ts';
import type { RedisSettings } from './settings.ts';

const skip = redisMissing;
/** So much that only a server that is away exceeds it: contracts are about decisions. */
const PATIENT = 10_000;

describe('limits in Redis', () => {
  let redis: TestRedis;
  let prefixes = 0;
  before(async () => {
    if (!skip) redis = await startRedis();
  });
  after(async () => {
    if (!skip) await redis[Symbol.asyncDispose]();
  });
  const own = (overrides: Partial<RedisSettings> = {}): RedisSettings =>
    redisSettings(redis.port, { prefix: `test${prefixes++}`, timeout: PATIENT, ...overrides });

  limiterContract(async () => {
    const settings = own();
    const [one, other] = [new LimitMachine(settings), new LimitMachine(settings)];
    await one.connected();
    await other.connected();
    return {
      one: one.limiter,
      other: other.limiter,
      async [Symbol.asyncDispose]() {
        for (const { counters } of [one.reading, other.reading]) assert.equal(counters.local, 0, 'Redis decided');
        await one[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
      },
    };
  }, skip);

  it('are exact over three machines that all want more', { skip }, async () => {
    const settings = own();
    await using a = new LimitMachine(settings);
    await using b = new LimitMachine(settings);
    await using c = new LimitMachine(settings);
    const machines = [a, b, c];
    for (const machine of machines) await machine.connected();
    const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(500, 1000, 500) };
    // Much at once: a bucket that fills up before the others come would earn nothing.
    const [earliest, first, latest] = [performance.now(), await a.take(use, 'key', 400), performance.now()];
    assert.ok(first.allowed);
    const load = new LimitLoad(machines, use, 64, 20);
    await sleep(2000);
    await load.stop();
    const [end, { remaining }, last] = [performance.now(), await b.take(use, 'key', 0), performance.now()];
    for (const { reading } of machines) assert.equal(reading.counters.local + reading.counters.late, 0);
    // What passed and what is left is what there was and what was earned since: between these two by our clock.
    const total = 400 + load.allowed + remaining;
    const [least, most] = [500 + (end - latest) / 2, 500 + (last - earliest) / 2];
    assert.ok(total >= least - 1 && total <= most + 1, `${least} <= ${total} <= ${most}`);
    assert.ok(load.refused > 0);
  });

  it('go together: the attempts of one turn are one command', { skip }, async () => {
    await using machine = await new LimitMachine(own()).connected();
    const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(1000, 1000, 1000) };
    const before = machine.reading.counters;
    await Promise.all(Array.from({ length: 250 }, (_, index) => machine.take(use, `key${index}`)));
    const { commands, asked, answered } = machine.reading.counters;
    assert.equal(asked - before.asked, 250);
    assert.equal(answered - before.answered, 250);
    assert.equal(commands - before.commands, 3, 'a hundred in each at most');
  });

  it('are not given up by a worker that was busy while the answer came', { skip }, async () => {
    await using machine = await new LimitMachine(own({ timeout: 50 })).connected();
    const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(1000, 1000, 1000) };
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 5; i++) {
      const attempt = machine.take(use);
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.wait(pause, 0, 0, 150);
      assert.ok((await attempt).allowed);
    }
    assert.equal(machine.reading.counters.late, 0);
    assert.equal(machine.reading.counters.local, 0);
  });

  it('are kept under names that are short and tell nothing', { skip }, async () => {
    const settings = own();
    await using machine = await new LimitMachine(settings).connected();
    await machine.take({ id: 77, name: 'shared', rate: rateLimit(1, 60_000, 1) }, `secret${'x'.repeat(10_000)}`);
    const keys = redis.command('KEYS', `${settings.prefix}:*`).split('\n');
    const [key] = keys.filter((each) => each.includes(':limit:') && !each.includes('probe'));
    assert.match(key ?? '', /^test\d+:limit:\{[\w-]{22}\}:25$/);
  });

  it('survive that the server forgets the script', { skip }, async () => {
    await using machine = await new LimitMachine(own()).connected();
    const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(3, 3_600_000, 3) };
    await machine.take(use);
    redis.command('SCRIPT', 'FLUSH');
    assert.equal((await machine.take(use)).remaining, 1);
    redis.command('SCRIPT', 'FLUSH');
    assert.equal((await machine.take(use)).remaining, 0);
    assert.equal(machine.reading.counters.local, 0);
  });

  it('know how many machines there are, and believe in fewer only after a while', { skip }, async () => {
    const settings = own();
    await using one = await new LimitMachine(settings, 'one').connected();
    await using oneMore = await new LimitMachine(settings, 'one').connected();
    {
      await using two = await new LimitMachine(settings, 'two').connected();
      await using three = await new LimitMachine(settings, 'three').connected();
      for (const machine of [one, oneMore, two, three]) {
        await until('it knows of three', () => machine.reading.instances === 3);
      }
    }
    redis.command('DEL', `${settings.prefix}:{limits}:instances`);
    await sleep(1500);
    assert.equal(one.reading.instances, 3, 'a server that has lost its memory');
    await until('they are believed to be gone', () => one.reading.instances === 1);
    const successor = new LimitStoreCell(one.limiter.cell.buffer);
    assert.equal(successor.instances, 1);
  });

  it('are given to a user with rights to these commands and our keys alone', { skip }, async () => {
    const rights = ['+eval', '+evalsha', '+time', '+get', '+set', '+select'];
    const beats = ['+zadd', '+zremrangebyscore', '+zcard', '+pexpire'];
    redis.command('ACL', 'SETUSER', 'limits', 'on', '>geheim ü', 'resetchannels', '~mine:*', ...rights, ...beats);
    const mine = own({ username: 'limits', password: 'geheim ü', prefix: 'mine', database: 2 });
    await using machine = await new LimitMachine(mine).connected();
    const use: LimitUse = { id: 1, name: 'shared', rate: rateLimit(3, 3_600_000, 3) };
    assert.equal((await machine.take(use)).remaining, 2);
    await until('it is counted', () => redis.command('-n', '2', 'ZCARD', 'mine:{limits}:instances') === '1');
    for (const [settings, why] of [
      [{ ...mine, prefix: 'other' }, /NOPERM/],
      [{ ...mine, password: 'wrong' }, /WRONGPASS/],
      [{ ...mine, username: 'nobody' }, /WRONGPASS/],
    ] as const) {
      await using refused = new LimitMachine(settings);
      await until('it is refused', () => refused.limiter.failure !== null);
      assert.match(refused.limiter.failure ?? '', why);
      assert.doesNotMatch(refused.problems.join(), /geheim|wrong/);
      assert.ok((await refused.take(use)).allowed, 'and goes on by itself');
      assert.equal(refused.reading.counters.local, 1);
    }
  });
});
