import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/harness.ts';
import { TestFeed } from '../../test/support/feeds.ts';
import type { Closable } from '../plan/policy.ts';
import { type Records, RecordsError, type RecordsState, type RecordValue } from '../plan/records.ts';
import { FeedRevocations, type Revoked } from '../policies/auth/revocations.ts';
import { MemoryRecords } from '../stores/memory-records.ts';
import { RevocationDesk, RevocationError } from './revocations.ts';

/** A store that can be taken away. */
class FragileRecords implements Records {
  away = false;
  readonly #inner = new MemoryRecords(() => undefined);
  get state(): RecordsState {
    return this.#inner.state;
  }
  async list(collection: string): Promise<ReadonlyMap<string, RecordValue>> {
    this.#check();
    return this.#inner.list(collection);
  }
  async put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void> {
    this.#check();
    await this.#inner.put(collection, id, value, expiresAt);
  }
  async remove(collection: string, id: string): Promise<boolean> {
    this.#check();
    return this.#inner.remove(collection, id);
  }
  watch(collection: string, changed: () => void): Closable {
    return this.#inner.watch(collection, changed);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
  #check(): void {
    if (this.away) throw new RecordsError('the store of the test is away');
  }
}

class Bench implements Disposable {
  readonly records: FragileRecords;
  readonly feed = new TestFeed<Revoked>();
  readonly seen = new FeedRevocations(this.feed);
  readonly problems: string[] = [];
  readonly desk: RevocationDesk;
  constructor(records = new FragileRecords()) {
    this.records = records;
    this.desk = new RevocationDesk(records, this.feed, (message) => this.problems.push(message));
  }
  [Symbol.dispose](): void {
    this.desk.close();
  }
}

const seconds = (): number => Math.floor(Date.now() / 1000);

describe('revocations in the hands of operators', () => {
  it('are in force when the call is back, and over when they are undone', async () => {
    using bench = new Bench();
    const { desk, seen } = bench;
    const made = await desk.add({ kind: 'token', id: 'jti-1', reason: 'leaked', for: '1h' });
    assert.equal(made.reason, 'leaked');
    assert.ok(Date.parse(made.until ?? '') > Date.now() + 3_500_000);
    assert.equal(made.issuedBefore, null);
    assert.ok(seen.isRevoked('token', 'jti-1', null));
    assert.deepEqual(await desk.list(), [made]);
    assert.deepEqual(await desk.undo({ kind: 'token', id: 'jti-1' }), { kind: 'token', id: 'jti-1' });
    assert.ok(!seen.isRevoked('token', 'jti-1', null));
    assert.deepEqual(await desk.list(), []);
    await assert.rejects(desk.undo({ kind: 'token', id: 'jti-1' }), { kind: 'unknown' });
  });

  it('leave later credentials of a subject or consumer alone, unless these are blocked', async () => {
    using bench = new Bench();
    const { desk, seen } = bench;
    for (const kind of ['subject', 'consumer'] as const) {
      await desk.add({ kind, id: 'a' });
      assert.ok(seen.isRevoked(kind, 'a', seconds() - 1));
      assert.ok(seen.isRevoked(kind, 'a', null));
      assert.ok(!seen.isRevoked(kind, 'a', seconds() + 5));
      await desk.add({ kind, id: 'a', block: true });
      assert.ok(seen.isRevoked(kind, 'a', seconds() + 5));
    }
    await desk.add({ kind: 'key', id: 'a' });
    assert.ok(seen.isRevoked('key', 'a', seconds() + 5));
  });

  it('keep a key itself out of the store', async () => {
    using bench = new Bench();
    const key = `slk_0123456789_${'s'.repeat(36)}`;
    assert.equal((await bench.desk.add({ kind: 'key', id: key })).id, '0123456789');
    assert.ok(bench.seen.isRevoked('key', '0123456789', null));
    await bench.desk.undo({ kind: 'key', id: key });
    assert.deepEqual(await bench.desk.list(), []);
  });

  it('refuse what makes no sense, with words', async () => {
    using bench = new Bench();
    for (const [request, words] of [
      [null, /./],
      [{}, /`kind`: what can be revoked: token, subject, key, consumer/],
      [{ kind: 'user', id: 'a' }, /what can be revoked/],
      [{ kind: 'token', id: '' }, /`id`/],
      [{ kind: 'token', id: 'a\nb' }, /`id`: this has control characters/],
      [{ kind: 'token', id: 'x'.repeat(1025) }, /`id`/],
      [{ kind: 'token', id: 'a', for: 'soon' }, /`for`: this is not a duration\. Write/],
      [{ kind: 'token', id: 'a', for: '500ms' }, /`for`: this must be at least `1s`/],
      [{ kind: 'token', id: 'a', until: '1h' }, /until/],
    ] as const) {
      await assert.rejects(bench.desk.add(request), (error: Error) => {
        assert.ok(error instanceof RevocationError && error.kind === 'invalid');
        assert.match(error.message, words);
        return true;
      });
    }
    assert.deepEqual(await bench.desk.list(), []);
  });

  it('publish only what is different', async () => {
    using bench = new Bench();
    await bench.desk.settled;
    assert.equal(bench.feed.version, 1);
    await bench.desk.add({ kind: 'token', id: 'a' });
    await until('the store has told', () => bench.feed.version === 2);
    await bench.records.put('keys', 'other', {}, null);
    await bench.records.put('revocations', 'garbage', { kind: 'token' }, null);
    await until('it was read', () => bench.problems.length === 1);
    assert.match(bench.problems[0] ?? '', /1 records of the store are no revocations/);
    assert.equal(bench.feed.version, 2);
    assert.deepEqual([...bench.feed.entries()], [['token a', { before: null, until: null }]]);
  });

  it('take in what others change', async () => {
    const records = new FragileRecords();
    using one = new Bench(records);
    using other = new Bench(records);
    await one.desk.add({ kind: 'consumer', id: 'mobile', block: true });
    await until('it got there', () => other.seen.isRevoked('consumer', 'mobile', null));
    await other.desk.undo({ kind: 'consumer', id: 'mobile' });
    await until('it is over', () => !one.seen.isRevoked('consumer', 'mobile', null));
  });

  it('stay in force while the store is away, and refuse changes meanwhile', async () => {
    using bench = new Bench();
    const { desk, records, seen } = bench;
    await desk.add({ kind: 'token', id: 'a' });
    records.away = true;
    await assert.rejects(desk.add({ kind: 'token', id: 'b' }), RecordsError);
    await assert.rejects(desk.undo({ kind: 'token', id: 'a' }), RecordsError);
    await assert.rejects(desk.list(), RecordsError);
    assert.ok(seen.isRevoked('token', 'a', null));
    assert.ok(!seen.isRevoked('token', 'b', null));
    records.away = false;
    await desk.add({ kind: 'token', id: 'c' });
    assert.ok(seen.isRevoked('token', 'c', null));
  });

  it('come into force as soon as a store that was away at the start is there', async () => {
    const records = new FragileRecords();
    {
      using before = new Bench(records);
      await before.desk.add({ kind: 'token', id: 'a' });
    }
    records.away = true;
    using bench = new Bench(records);
    await bench.desk.settled;
    assert.equal(bench.feed.version, 0);
    records.away = false;
    await until('they are read', () => bench.seen.isRevoked('token', 'a', null));
  });
});
