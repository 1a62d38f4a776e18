import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { recordsContract } from '../../test/contract/records.ts';
import { freePort, until } from '../../test/harness.ts';
import { redisMissing, redisSettings, startRedis, TestRedis } from '../../test/support/redis.ts';
import { RecordsError } from '../plan/records.ts';
import { LastKnown } from './last-known.ts';
import { RedisRecords } from './redis-records.ts';
import type { RedisSettings } from './settings.ts';

const skip = redisMissing;

class Opened implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly records: RedisRecords;
  constructor(settings: RedisSettings, file: string | null = null) {
    const problem = (message: string): void => void this.problems.push(message);
    this.records = new RedisRecords(settings, new LastKnown(file, problem), problem);
  }
  get failure(): string | null {
    return this.records.state.failure;
  }
  async ids(): Promise<string[]> {
    return [...(await this.records.list('keys')).keys()].sort();
  }
  /** The promise comes back in time, whatever it comes to. */
  async refused(work: Promise<unknown>): Promise<string> {
    const began = performance.now();
    const error = await work.then(
      () => assert.fail('it should have been refused'),
      (reason: Error) => reason,
    );
    assert.ok(error instanceof RecordsError, String(error));
    assert.ok(performance.now() - began < 10_000, 'nothing waits for a server that is away');
    return error.message;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.records.close();
  }
}

describe('records in Redis', () => {
  let redis: TestRedis;
  let prefixes = 0;
  before(async () => {
    if (!skip) redis = await startRedis();
  });
  after(async () => {
    if (!skip) await redis[Symbol.asyncDispose]();
  });
  const own = (): RedisSettings => redisSettings(redis.port, { prefix: `test${prefixes++}` });

  recordsContract(async () => {
    const settings = own();
    const [one, other] = [new Opened(settings), new Opened(settings)];
    return {
      one: one.records,
      other: other.records,
      async [Symbol.asyncDispose]() {
        await one.records.close();
        await other.records.close();
      },
    };
  }, skip);

  it('ignore what makes no sense, and say so once', { skip }, async () => {
    const settings = own();
    await using opened = new Opened(settings);
    await opened.records.put('keys', 'good', { yes: true }, null);
    for (const [id, text] of [
      ['a', 'garbage'],
      ['b', '[]'],
      ['c', '{"value":1,"expiresAt":null}'],
      ['d', '{"value":{},"expiresAt":"never"}'],
    ] as const) {
      redis.command('HSET', `${settings.prefix}:{records}:keys`, id, text);
    }
    assert.deepEqual(await opened.ids(), ['good']);
    assert.deepEqual(await opened.ids(), ['good']);
    assert.equal(opened.problems.length, 4);
    assert.match(opened.problems[0] ?? '', /the record `[abcd]` of `keys` makes no sense and is ignored/);
    assert.equal(opened.failure, null);
  });

  it('survive a key of another kind in their place', { skip }, async () => {
    const settings = own();
    await using opened = new Opened(settings);
    redis.command('SET', `${settings.prefix}:{records}:keys`, 'text');
    assert.match(await opened.refused(opened.records.list('keys')), /refuses \(WRONGTYPE/);
    assert.match(await opened.refused(opened.records.put('keys', 'a', {}, null)), /refuses \(WRONGTYPE/);
    assert.match(opened.failure ?? '', /WRONGTYPE/);
    redis.command('DEL', `${settings.prefix}:{records}:keys`);
    await opened.records.put('keys', 'a', {}, null);
    assert.deepEqual(await opened.ids(), ['a']);
    assert.equal(opened.failure, null);
  });

  it('leave long expired records to nobody, and new ones in their place alone', { skip }, async () => {
    const settings = own();
    const key = `${settings.prefix}:{records}:keys`;
    await using opened = new Opened(settings);
    await opened.records.put('keys', 'old', {}, Date.now() - 120_000);
    await opened.records.put('keys', 'just', {}, Date.now() - 1000);
    assert.deepEqual(await opened.ids(), []);
    await until('the old one is gone', () => redis.command('HKEYS', key) === 'just');
  });

  it('see changes that nobody announced', { skip }, async () => {
    const settings = own();
    await using opened = new Opened(settings);
    await opened.ids();
    let told = 0;
    opened.records.watch('keys', () => told++);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const calm = told;
    redis.command('HSET', `${settings.prefix}:{records}:keys`, 'byHand', '{"value":{},"expiresAt":null}');
    await until('it was noticed', () => told > calm);
    assert.deepEqual(await opened.ids(), ['byHand']);
  });
});

describe('records in a Redis that fails', () => {
  it('is killed and comes back: what is known stays, changes are refused, then all goes on', { skip }, async () => {
    await using redis = await startRedis();
    await using opened = new Opened(redisSettings(redis.port));
    await opened.records.put('keys', 'a', {}, null);
    assert.deepEqual(await opened.ids(), ['a']);
    await redis.kill();
    await until('it is noticed', () => opened.failure !== null);
    assert.deepEqual(await opened.ids(), ['a']);
    assert.match(await opened.refused(opened.records.put('keys', 'b', {}, null)), /cannot be reached/);
    await opened.refused(opened.records.remove('keys', 'a'));
    let told = 0;
    opened.records.watch('keys', () => told++);
    await redis.start();
    await until('it is back', () => opened.failure === null);
    await until('whoever watches reads again', () => told > 0);
    assert.deepEqual(await opened.ids(), [], 'this Redis keeps nothing');
    await opened.records.put('keys', 'c', {}, null);
    assert.equal(opened.problems.length, 2, 'one outage, one recovery');
    assert.match(opened.problems[0] ?? '', /the last known keys and revocations stay in force, changes are refused/);
    assert.match(opened.problems[1] ?? '', /works again/);
  });

  it('stops answering: found out within seconds, and used again when it goes on', { skip }, async () => {
    await using redis = await startRedis();
    await using opened = new Opened(redisSettings(redis.port));
    await opened.records.put('keys', 'a', {}, null);
    await opened.ids();
    redis.freeze();
    assert.match(await opened.refused(opened.records.put('keys', 'b', {}, null)), /no answer within 2000 ms/);
    assert.match(opened.failure ?? '', /cannot be reached/);
    assert.deepEqual(await opened.ids(), ['a']);
    redis.thaw();
    await until('it is back', () => opened.failure === null);
    // What was sent before it stopped answering is done late: hence "overwrites" in the contract.
    await opened.records.put('keys', 'b', { again: true }, null);
    assert.deepEqual((await opened.records.list('keys')).get('b'), { again: true });
  });

  it('is away at the start: what the process before knew is in force, and nothing is thrown', { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-known-'));
    const file = join(folder, 'last-known-records.json');
    const port = await freePort();
    const redis = new TestRedis(port, []);
    await redis.start();
    {
      await using first = new Opened(redisSettings(port), file);
      await first.records.put('keys', 'a', { kept: true }, null);
      await first.records.put('keys', 'brief', {}, Date.now() + 300);
      assert.deepEqual(await first.ids(), ['a', 'brief']);
    }
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await redis.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await using second = new Opened(redisSettings(port), file);
    assert.deepEqual(await second.records.list('keys'), new Map([['a', { kept: true }]]));
    assert.match(second.failure ?? '', /cannot be reached \(127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    await second.refused(second.records.list('revocations'));
    writeFileSync(file, 'damaged');
    await using third = new Opened(redisSettings(port), file);
    assert.match(third.problems[0] ?? '', /is damaged and is ignored/);
    await third.refused(third.records.list('keys'));
    await redis.start();
    await until('it works', () => third.ids().then((ids) => ids.length === 0));
    await until('the file is written anew', () => existsSync(file) && readFileSync(file, 'utf8') !== 'damaged');
    await redis[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  for (const [what, reply] of [
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nserver: x\r\n\r\n'],
    ['noise', Buffer.from([0, 255, 13, 10, 1, 2, 3, 13, 10])],
    ['more answers than questions', '+OK\r\n'.repeat(20)],
    ['an error for everything', '-ERR \u001b[31mgo away\u0007\r\n'.repeat(3)],
    ['a length without an end', '$99999999999999999999\r\n'],
    ['nothing', ''],
  ] as const) {
    it(`answers ${what}: that is a failure in words, and no more`, async () => {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('data', () => socket.write(reply));
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      {
        await using opened = new Opened(redisSettings(address.port));
        const message = await opened.refused(opened.records.list('keys'));
        assert.match(message, /^[\x20-\x7e]+$/);
        await opened.refused(opened.records.put('keys', 'a', {}, null));
        assert.notEqual(opened.failure, null);
      }
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  }

  it('wants a password that we do not have: said without it, and used once that changes', { skip }, async () => {
    await using redis = await startRedis('--requirepass', 'right');
    await using opened = new Opened(redisSettings(redis.port, { password: 'wrong-secret' }));
    const message = await opened.refused(opened.records.list('keys'));
    assert.match(message, /WRONGPASS/);
    assert.doesNotMatch(message + opened.failure, /wrong-secret/);
    redis.command('-a', 'right', 'CONFIG', 'SET', 'requirepass', 'wrong-secret');
    await until('it works', () => opened.ids().then((ids) => ids.length === 0));
  });
});
