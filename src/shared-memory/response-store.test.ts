import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { follows, Listener, leads, look, put, responseStoreContract } from '../../test/contract/response-store.ts';
import { admitted, assertConsistent } from '../../test/support/response-memory.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import { ResponseMemory } from './response-memory.ts';
import { ResponseParts } from './response-parts.ts';
import type { ResponseShard } from './response-shard.ts';
import { SharedResponseStore } from './response-store.ts';

const MEBIBYTE = 1024 ** 2;

describe('the response store in shared memory', () => {
  responseStoreContract(() => {
    const memory = new ResponseMemory(8 * MEBIBYTE, [1, 2], 2);
    const worker = (): SharedResponseStore => new SharedResponseStore(admitted(memory));
    return { store: worker(), also: worker() };
  });

  it('keeps what is asked for again, whatever else comes', () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    const hot = Array.from({ length: 100 }, (_, index) => `/hot/${index}`);
    for (const key of hot) put(store, key, Buffer.alloc(2_000, key));
    for (let i = 0; i < 8_000; i++) {
      put(store, `/once/${i}`, Buffer.alloc(500 + (i % 3_000)));
      const key = hot[i % hot.length] as string;
      assert.equal(look(store, key), `meta of ${key}: ${Buffer.alloc(2_000, key)}`);
    }
    assertConsistent(admitted(memory));
  });

  it('takes no room from what somebody reads', () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    const also = new SharedResponseStore(admitted(memory));
    const held = Array.from({ length: 50 }, (_, index) => {
      put(store, `/held/${index}`, Buffer.alloc(3_000, `${index} `));
      return { expected: Buffer.alloc(3_000, `${index} `), response: also.find(`/held/${index}`) };
    });
    for (let i = 0; i < 50; i += 2) store.remove(`/held/${i}`);
    for (let i = 0; i < 2_000; i++) put(store, `/other/${i}`, Buffer.alloc(1_000 + (i % 2_000), 'o'));
    for (const { expected, response } of held) {
      assert.ok(response);
      assert.ok(response.body.equals(expected));
      response.release();
      response.release();
    }
    for (let i = 0; i < 50; i += 2) assert.equal(store.find(`/held/${i}`), null);
    for (let i = 0; i < 2_000; i++) put(store, `/other/${i}`, Buffer.alloc(1_000 + (i % 2_000), 'o'));
    assertConsistent(admitted(memory));
  });

  it('gives no more than a part to what is being fetched', () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    put(store, '/small', 'still there');
    const fills = Array.from({ length: 40 }, (_, index) => leads(store.begin(`/${index}`)));
    const opened = fills.filter((fill, index) => fill.open(`/${index}`, Buffer.alloc(10), [], 100_000));
    assert.ok(opened.length >= 3 && opened.length <= 5, `${opened.length} opened`);
    assert.ok(put(store, '/another', 'short'));
    assert.equal(look(store, '/small'), 'meta of /small: still there');
    for (const fill of fills) fill.abandon();
    assert.equal(memory.statistics.filling, 0);
    assertConsistent(admitted(memory));
  });

  it('keeps two keys apart that have the same hash', () => {
    const parts = new ResponseParts(admitted(new ResponseMemory(MEBIBYTE, [1, 2])));
    const [shard] = parts.shards as [ResponseShard];
    const hash = { high: 3, low: 4 };
    for (const key of ['/a', '/b', '/long']) {
      const ref = shard.reserve(hash, key, 2);
      shard.records.writeHead(ref, { key, meta: Buffer.from(key), tags: [] }, hash, () => hash);
      shard.records.seal(ref, 0, 1, crc32(key) | 0);
      assert.equal(shard.commit(hash, { key, replaces: 0, isOutdated: () => false }, ref, 2), true);
    }
    for (const key of ['/a', '/b', '/long']) {
      assert.equal(shard.records.meta(shard.find(hash, key)).toString(), key);
    }
    assert.equal(shard.find(hash, '/c'), 0);
    assert.equal(shard.purge(hash, '/a', false), 1);
    assert.equal(shard.find(hash, '/a'), 0);
    assert.notEqual(shard.find(hash, '/b'), 0);
  });

  it('notices that bytes are not what was stored', () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const segments = admitted(memory);
    const store = new SharedResponseStore(segments);
    for (const key of ['/body', '/head']) put(store, key, `the ${key} of it`);
    const bytes = Buffer.from(segments.shards[0] as SharedArrayBuffer);
    const at = bytes.indexOf('the /body of it');
    bytes[at + 1] = 0;
    assert.equal(store.find('/body'), null);
    // The word before the key is the end of the record's head.
    const key = bytes.indexOf('/headmeta of /head');
    bytes[key - 20] = (bytes[key - 20] as number) ^ 1;
    assert.equal(store.find('/head'), null);
    assert.deepEqual([memory.statistics.broken, memory.statistics.entries], [2, 0]);
    assertConsistent(admitted(memory));
  });

  it('hands out all that is stored, page by page', async () => {
    const memory = new ResponseMemory(4 * MEBIBYTE, [1, 2], 4);
    const store = new SharedResponseStore(admitted(memory));
    for (let i = 0; i < 500; i++) put(store, `/${i}`, 'x'.repeat(i), [`tag${i}`, 'all']);
    await store.purge({ by: 'key', value: '/7', soft: true });
    const found = new Map<string, string>();
    for (let next: number | null = 0; next !== null; ) {
      const page = memory.page(next, 7);
      assert.ok(page.entries.length <= 7);
      for (const { key, tags, length, isStale, meta } of page.entries) {
        found.set(key, `${tags.join(' ')} ${length} ${isStale} ${meta}`);
      }
      next = page.next;
    }
    assert.equal(found.size, 500);
    assert.equal(found.get('/7'), 'tag7 all 7 true meta of /7');
    assert.equal(found.get('/499'), 'tag499 all 499 false meta of /499');
    assert.deepEqual(memory.entry('/8')?.tags, ['tag8', 'all']);
  });

  it('forgets no purge, however many there are', async () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    const fill = leads(store.begin('/a'));
    fill.open('/a', Buffer.from('m'), [], 1);
    store.remove('/a');
    const purge: ResponsePurge = { by: 'key', value: '/b', soft: false };
    for (let i = 0; i < 20_000; i++) void store.purge(purge);
    fill.append(Buffer.from('x'), 0, 1);
    fill.commit();
    assert.equal(store.find('/a'), null);
    assert.equal(memory.statistics.outdated, 1);
  });

  it('counts', () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    put(store, '/a', 'x');
    look(store, '/a');
    look(store, '/b');
    const fill = leads(store.begin('/c'));
    follows(store.begin('/c')).leave();
    assert.equal(memory.statistics.flights, 1);
    fill.open('/c', Buffer.alloc(1), [], 2 * MEBIBYTE);
    store.remove('/a');
    const { hits, misses, admissions, followers, rejected, purged, entries, bytes } = memory.statistics;
    assert.deepEqual([hits, misses, admissions, followers, rejected, purged, entries, bytes], [1, 1, 1, 1, 1, 1, 0, 0]);
  });

  it('shares no fetch when there are too many, and goes on', async () => {
    const memory = new ResponseMemory(MEBIBYTE, [1, 2]);
    const store = new SharedResponseStore(admitted(memory));
    const begun = Array.from({ length: 6_000 }, (_, index) => leads(store.begin(`/${index}`)));
    assert.ok(memory.statistics.flights > 3_500 && memory.statistics.flights <= 4_096);
    for (const fill of begun) fill.abandon();
    assertConsistent(admitted(memory));
    const fill = leads(store.begin('/1'));
    const listener = new Listener();
    follows(store.begin('/1')).follow(listener);
    fill.abandon();
    assert.deepEqual((await listener.over()).heard, ['gone']);
  });
});
