import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/harness.ts';
import { TestFeed } from '../../test/support/feeds.ts';
import { redisMissing, redisSettings, startRedis } from '../../test/support/redis.ts';
import type { LoggedPurge, PurgeListener, SharedResponse } from '../plan/shared-responses.ts';
import { SharedPurges } from '../supervisor/shared-purges.ts';
import { KnownPurges } from './known-purges.ts';
import { RedisPurgeLog } from './redis-purge-log.ts';
import { RedisResponses } from './redis-responses.ts';
import { decodeShared, encodeShared } from './response-value.ts';

const cache = { maxObject: 100_000, maxLifetime: 60_000 };

function responseOf(body: string, overrides: Partial<SharedResponse> = {}): SharedResponse {
  return {
    purgeKey: 'http://a/1\nweb',
    tags: ['x', 'ü'],
    since: '',
    meta: Buffer.from('meta'),
    body: Buffer.from(body, 'latin1'),
    ...overrides,
  };
}

/** One machine: what its main thread knows, and one worker's way to what is shared. */
class Machine {
  readonly heard: { purges: readonly LoggedPurge[]; isKnown: boolean }[] = [];
  readonly problems: string[] = [];
  readonly log: RedisPurgeLog;
  readonly responses: RedisResponses;
  aways = 0;

  constructor(port: number, timeout = 500) {
    const settings = redisSettings(port, { timeout, cache });
    const feed = new TestFeed<unknown>();
    const count = new SharedArrayBuffer(4);
    const purges = new SharedPurges(feed, count);
    const listener: PurgeListener = {
      heard: (heard, isKnown) => {
        purges.hear(heard, isKnown);
        this.heard.push({ purges: heard, isKnown });
      },
      away: () => {
        purges.away();
        this.aways++;
      },
    };
    const problem = (message: string): void => void this.problems.push(message);
    this.log = new RedisPurgeLog(settings, listener, problem);
    this.responses = new RedisResponses({
      settings,
      cache,
      purges: new KnownPurges(feed, count),
      announce: () => undefined,
      problem,
    });
  }

  find(key: string): Promise<SharedResponse | null> {
    return new Promise((resolve) => this.responses.find(key, resolve));
  }

  /** What the store has of it as soon as it has anything. */
  async found(key: string): Promise<SharedResponse> {
    return until(`${key} is shared`, () => this.find(key));
  }

  async ready(): Promise<void> {
    await until('the machine knows of purges', () => this.heard.length > 0);
    await until('the store answers', async () => {
      this.responses.keep('probe', responseOf('p'), 1000);
      return (await this.find('probe')) !== null;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.responses.close();
    await this.log.close();
  }
}

describe('a shared response as bytes', () => {
  it('comes back as it was', () => {
    const response = responseOf('\x00\xff body', { since: '000000000000001-0000000002' });
    assert.deepEqual(decodeShared(encodeShared(response)), response);
  });

  it('is none when it was cut, changed or is of something else', () => {
    const bytes = encodeShared(responseOf('a body'));
    for (let end = 0; end < bytes.length; end++) assert.equal(decodeShared(bytes.subarray(0, end)), null);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 0x10;
      assert.equal(decodeShared(changed), null, `byte ${at}`);
    }
    assert.equal(decodeShared(Buffer.concat([bytes, Buffer.from('x')])), null);
  });
});

describe('responses in Redis', { skip: redisMissing }, () => {
  it('are found by every machine, for their lifetime', async () => {
    await using redis = await startRedis();
    await using one = new Machine(redis.port);
    await using other = new Machine(redis.port);
    await Promise.all([one.ready(), other.ready()]);
    const body = '\x00\r\n$5\r\n\xff'.repeat(1000);
    one.responses.keep('a', responseOf(body), 60_000);
    const found = await other.found('a');
    assert.deepEqual(found, responseOf(body));
    assert.equal(await other.find('b'), null);
    one.responses.keep('short', responseOf('x'), 1);
    await until('it has expired', async () => (await one.find('short')) === null);
  });

  it('are not found once they were purged, on any machine', async () => {
    await using redis = await startRedis();
    await using one = new Machine(redis.port);
    await using other = new Machine(redis.port);
    await Promise.all([one.ready(), other.ready()]);
    const purges = [
      { by: 'tag', value: 'ü', soft: false },
      { by: 'key', value: 'http://a/1\nweb', soft: false },
      { by: 'prefix', value: 'http://a/', soft: true },
      { by: 'all', value: '', soft: false },
    ] as const;
    for (const purge of purges) {
      one.responses.keep('a', responseOf('old', { since: one.responses.known }), 60_000);
      one.responses.keep(
        'b',
        responseOf('b', { purgeKey: 'http://b/1', tags: [], since: one.responses.known }),
        60_000,
      );
      await other.found('a');
      const before = other.responses.known;
      await one.log.add([purge]);
      assert.equal(await one.find('a'), null, purge.by);
      await until('the other one knows', () => other.responses.known > before);
      assert.equal(await other.find('a'), null, purge.by);
      assert.equal((await other.find('b')) === null, purge.by === 'all');
      // What is fetched from now on is of after the purge; what was being fetched is not.
      other.responses.keep('a', responseOf('late', { since: before }), 60_000);
      assert.equal(await other.find('a'), null);
      other.responses.keep('a', responseOf('new', { since: other.responses.known }), 60_000);
      assert.equal((await one.found('a')).body.toString(), 'new');
    }
  });

  it('are nothing while the store is away or slow', async () => {
    await using redis = await startRedis();
    await using machine = new Machine(redis.port, 50);
    await machine.ready();
    machine.responses.keep('a', responseOf('x'), 60_000);
    await machine.found('a');
    redis.freeze();
    const started = performance.now();
    assert.equal(await machine.find('a'), null);
    assert.ok(performance.now() - started < 2_000);
    await until('nobody waits any more', async () => {
      const asked = performance.now();
      await machine.find('a');
      return performance.now() - asked < 5;
    });
    redis.thaw();
    await machine.found('a');
    await redis.kill();
    assert.equal(await machine.find('a'), null);
    await until('purges are not heard of', () => machine.aways > 0);
    assert.ok(machine.problems.length > 0);
  });

  it('are not believed when purges were missed', async () => {
    await using redis = await startRedis();
    await using one = new Machine(redis.port);
    await using other = new Machine(redis.port);
    await Promise.all([one.ready(), other.ready()]);
    await one.log.add([{ by: 'tag', value: 'any', soft: false }]);
    await until('the other one knows', () => other.heard.length > 1);
    one.responses.keep('a', responseOf('x', { since: one.responses.known }), 60_000);
    await other.found('a');
    // Somebody has emptied the log.
    redis.command('del', 'test:{purges}', 'test:{purges}:name');
    redis.command('client', 'kill', 'type', 'normal');
    await until('both have noticed', () => [one, other].every(({ heard }) => heard.some(({ isKnown }) => !isKnown)));
    assert.equal(await one.find('a'), null);
    assert.equal(await other.find('a'), null);
    one.responses.keep('b', responseOf('y', { since: one.responses.known }), 60_000);
    await until('it is shared again', async () => {
      one.responses.keep('b', responseOf('y', { since: one.responses.known }), 60_000);
      return (await other.find('b')) !== null;
    });
  });
});

describe('the log of purges', { skip: redisMissing }, () => {
  it('tells a machine that was away what it has missed', async () => {
    await using redis = await startRedis();
    await using one = new Machine(redis.port);
    await using other = new Machine(redis.port);
    await Promise.all([one.ready(), other.ready()]);
    redis.command('client', 'kill', 'type', 'normal');
    await until('it is added', async () =>
      one.log.add([{ by: 'tag', value: 'a', soft: true }]).then(
        () => true,
        () => false,
      ),
    );
    await until('the other one hears of it', () => other.heard.some(({ purges }) => purges.length > 0));
    const heard = other.heard.flatMap(({ purges }) => purges);
    assert.deepEqual(heard[0]?.purge, { by: 'tag', value: 'a', soft: true });
    assert.ok(other.heard.every(({ isKnown }) => isKnown));
  });

  it('says so when it cannot know', async () => {
    await using redis = await startRedis();
    await using machine = new Machine(redis.port);
    await machine.ready();
    await machine.log.add([{ by: 'tag', value: 'a', soft: false }]);
    redis.command('xadd', 'test:{purges}', '*', 'by', 'moon', 'value', 'x');
    // What a later version means may be anything.
    await until('it is heard', () =>
      machine.heard.some(({ purges }) => purges.some(({ purge }) => purge.by === 'all')),
    );
    redis.command('xtrim', 'test:{purges}', 'maxlen', '0');
    redis.command('xadd', 'test:{purges}', '*', 'by', 'tag', 'value', 'b');
    redis.command('client', 'kill', 'type', 'normal');
    await until('it has noticed', () =>
      machine.heard.some(({ purges }) => purges.some(({ purge }) => purge.value === 'b')),
    );
  });

  it('refuses while the store is away', async () => {
    await using redis = await startRedis();
    await using machine = new Machine(redis.port);
    await machine.ready();
    await redis.kill();
    await assert.rejects(machine.log.add([{ by: 'all', value: '', soft: false }]));
    assert.notEqual(machine.log.state.failure, null);
  });
});
