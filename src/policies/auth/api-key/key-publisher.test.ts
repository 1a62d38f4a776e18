import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { until } from '../../../../test/harness.ts';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { TestFeeds } from '../../../../test/support/feeds.ts';
import { FlakyRecords } from '../../../../test/support/flaky-records.ts';
import { consumer, identifierEnv, verdict } from '../../../../test/support/identifier.ts';
import type { Supervised } from '../../../plan/policy.ts';
import { keyDigest, makeKey } from '../../../semantics/api-key.ts';
import { apiKey } from './api-key.ts';
import type { StoredKey } from './key-feed.ts';
import type { KeysReport } from './key-publisher.ts';
import { hashOf, type KeyRecord } from './key-record.ts';
import { peppersOf } from './peppers.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-peppers-'));
after(() => rmSync(directory, { recursive: true }));

const CONFIGURED = 'a-key-of-the-configuration';
const consumers = new Map([['acme', consumer({ keys: [CONFIGURED] })]]);

interface Scene {
  readonly records: FlakyRecords;
  readonly feeds: TestFeeds;
  readonly work: Supervised;
  readonly problems: string[];
  report(): KeysReport;
  /** What a worker would answer. */
  ask(key: string): string | null;
  put(id: string, key: string, facts?: Partial<KeyRecord>): Promise<void>;
}

function supervise(records: FlakyRecords, options: unknown = true, stateDirectory: string | null = null): Scene {
  const feeds = new TestFeeds();
  const problems: string[] = [];
  const reports: (() => unknown)[] = [];
  assert.ok(apiKey.supervise !== undefined);
  const parsed = apiKey.schema.parse(options);
  const work = apiKey.supervise(parsed, {
    entry: 'partner',
    consumers,
    feed: (name, answer) => feeds.find(name, answer),
    records,
    stateDirectory,
    problem: (message) => problems.push(message),
    report: (read) => reports.push(read),
  });
  const worker = apiKey.compile(
    parsed,
    identifierEnv({ entry: 'partner', consumers: new Map([['acme', consumer()]]), feed: (name) => feeds.find(name) }),
  );
  return {
    records,
    feeds,
    work,
    problems,
    report: () => reports[0]?.() as KeysReport,
    ask: (key) => {
      const found = worker.identify(exchangeOf({ headers: [['x-api-key', key]] }));
      assert.ok(!(found instanceof Promise));
      return verdict(found);
    },
    put: async (id, key, facts = {}) => {
      const pepper = await peppersOf(records, stateDirectory).obtain();
      const record: KeyRecord = {
        entry: 'partner',
        prefix: '',
        hash: hashOf(keyDigest(key), pepper),
        consumer: 'acme',
        plan: null,
        scopes: [],
        enabled: true,
        createdAt: 1,
        expiresAt: null,
        revokedAt: null,
        name: null,
        ...facts,
      };
      await records.put('keys', id, record, null);
    },
  };
}

describe('supervision of API keys', () => {
  it('publishes what is stored and every change of it', async () => {
    const scene = supervise(new FlakyRecords());
    await scene.work.settled;
    const { key } = makeKey();
    assert.deepEqual([scene.ask(CONFIGURED), scene.ask(key)], ['acme', 'credential_invalid']);
    await scene.put('k1', key);
    await until('the key is known', () => scene.ask(key) === 'acme');
    await scene.put('k1', key, { revokedAt: 5 });
    await until('the key is revoked', () => scene.ask(key) === 'credential_revoked');
    await scene.put('k1', key, { enabled: false });
    await until('the key is disabled', () => scene.report().keys === 1 && scene.ask(key) === 'credential_revoked');
    await scene.records.remove('keys', 'k1');
    await until('the key is gone', () => scene.ask(key) === 'credential_invalid');
    await scene.work.close();
    assert.deepEqual(scene.problems, []);
  });

  it('publishes the keys of its own entry, and no key anywhere', async () => {
    const records = new FlakyRecords();
    const scene = supervise(records);
    const [own, other] = [makeKey().key, makeKey().key];
    await scene.put('own', own);
    await scene.put('other', other, { entry: 'internal' });
    await until('one is known', () => scene.report().keys === 1);
    assert.deepEqual([scene.ask(own), scene.ask(other)], ['acme', 'credential_invalid']);
    const published = ['configured', 'keys', 'peppers'].flatMap((name) => [...scene.feeds.find(name).entries()]);
    const stored = [...(await records.list('keys'))];
    const text = JSON.stringify([published, stored, scene.report(), scene.problems]);
    for (const secret of [own, other, CONFIGURED]) assert.ok(!text.includes(secret.slice(-30)));
    await scene.work.close();
  });

  it('tells workers of changes only', async () => {
    const scene = supervise(new FlakyRecords());
    await scene.put('k1', 'a-first-key-made-elsewhere');
    await until('it is known', () => scene.report().keys === 1);
    const feed = scene.feeds.find<StoredKey>('keys');
    const { version } = feed;
    await scene.put('k1', 'a-first-key-made-elsewhere');
    await scene.put('k2', 'a-second-key-made-elsewhere');
    await until('the other is known', () => scene.report().keys === 2);
    assert.equal(feed.version, version + 1);
    await scene.work.close();
  });

  it('tries again while the store cannot be read, and says so once', async () => {
    const records = new FlakyRecords();
    records.failing.add('list');
    const scene = supervise(records);
    await scene.work.settled;
    assert.deepEqual([scene.ask(CONFIGURED), scene.ask(makeKey().key)], ['acme', 'identity_unavailable']);
    assert.equal(scene.report().failure, 'the store is out of reach');
    assert.equal(scene.report().readAt, null);
    await until('it has tried again', () => records.lists.length >= 2);
    records.failing.clear();
    await until('it was read', () => scene.ask(makeKey().key) === 'credential_invalid');
    assert.equal(scene.report().failure, null);
    assert.equal(scene.problems.length, 2);
    await scene.work.close();
  });

  it('goes on with what it last read when the store fails later', async () => {
    const records = new FlakyRecords();
    const scene = supervise(records);
    const { key } = makeKey();
    await scene.put('k1', key);
    await until('it is known', () => scene.ask(key) === 'acme');
    records.failing.add('list');
    await records.put('keys', 'k2', {}, null);
    await until('it fails', () => scene.report().failure !== null);
    assert.equal(scene.ask(key), 'acme');
    assert.equal(scene.ask(makeKey().key), 'credential_invalid');
    records.failing.clear();
    await until('it works again', () => scene.report().failure === null);
    await scene.work.close();
  });

  it('says when records are no keys, and when their pepper is gone', async () => {
    const records = new FlakyRecords();
    await records.put('keys', 'junk', { hash: 7 }, null);
    const scene = supervise(records);
    await scene.put('k1', makeKey().key, { hash: 'hmac-sha256:deadbeef:AAAA' });
    await until('both are noticed', () => scene.report().unusable.withoutPepper === 1);
    assert.deepEqual(scene.report().unusable, { withoutPepper: 1, unreadable: 1 });
    assert.equal(scene.problems.length, 2);
    await scene.work.close();
  });

  it('asks no store where only configured keys are good', async () => {
    const scene = supervise(new FlakyRecords(), { store: false });
    await scene.work.settled;
    assert.deepEqual([scene.ask(CONFIGURED), scene.ask(makeKey().key)], ['acme', 'credential_invalid']);
    assert.deepEqual(scene.records.lists, []);
    await scene.work.close();
  });

  it('reads nothing more once it is closed', async () => {
    const records = new FlakyRecords();
    records.failing.add('list');
    const scene = supervise(records);
    await scene.work.settled;
    await scene.work.close();
    const { length } = records.lists;
    await records.put('keys', 'k', {}, null);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(records.lists.length, length);
  });
});

describe('the pepper', () => {
  it('is a private file beside an embedded store, made once', async () => {
    const records = new FlakyRecords('sqlite');
    const peppers = peppersOf(records, directory);
    assert.deepEqual(await peppers.list(), []);
    const made = await Promise.all([peppers.obtain(), peppersOf(records, directory).obtain(), peppers.obtain()]);
    assert.equal(new Set(made.map(({ id }) => id)).size, 1);
    const file = join(directory, 'key-pepper');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(await peppers.list(), [readFileSync(file, 'utf8').trim()]);
    assert.equal((await records.list('peppers')).size, 0);
  });

  it('is not replaced when it is damaged', async () => {
    const peppers = peppersOf(new FlakyRecords('sqlite'), directory);
    writeFileSync(join(directory, 'key-pepper'), 'short\n');
    await assert.rejects(peppers.obtain(), /damaged/);
    await assert.rejects(peppers.list(), /damaged/);
  });

  it('is shared through a store that machines share; those that start at once may have two', async () => {
    const records = new FlakyRecords('redis');
    const made = await Promise.all([peppersOf(records, directory).obtain(), peppersOf(records, directory).obtain()]);
    const peppers = peppersOf(records, directory);
    assert.equal((await peppers.list()).length, 2);
    assert.equal((await peppers.obtain()).id, (await peppers.obtain()).id);
    const scene = supervise(records);
    const keys = [makeKey().key, makeKey().key] as const;
    for (const [index, pepper] of made.entries()) {
      const key = keys[index] as string;
      await scene.put(`k${index}`, key, { hash: hashOf(keyDigest(key), pepper) });
    }
    await until('both are good', () => scene.ask(keys[0]) === 'acme' && scene.ask(keys[1]) === 'acme');
    await scene.work.close();
  });
});
