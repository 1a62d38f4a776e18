import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { follows, Listener, leads, look, put, versionOf } from '../../test/contract/response-store.ts';
import { until } from '../../test/harness.ts';
import { Dice } from '../../test/support/dice.ts';
import { admitted, assertConsistent } from '../../test/support/response-memory.ts';
import { endAfter } from '../../test/support/sudden-end.ts';
import { ResponseMemory } from './response-memory.ts';
import { ResponseParts } from './response-parts.ts';
import { SharedResponseStore } from './response-store.ts';

const KEYS = 120;

function purgeKey(store: SharedResponseStore, value: string, soft: boolean): void {
  store.purge({ by: 'key', value, soft }).catch(() => undefined);
}

/** Work of all kinds; what it removed for good is in `gone` until it is stored again. */
function work(store: SharedResponseStore, dice: Dice, gone: Set<string>, times: number): void {
  for (let i = 0; i < times; i++) {
    const key = `/${dice.below(3)}/${dice.below(KEYS)}`;
    const body = `${key} `.repeat(1 + dice.below(120));
    switch (dice.below(10)) {
      case 0:
        purgeKey(store, key, false);
        // Whoever was ended does not come to this.
        if (store.find(key) === null) gone.add(key);
        break;
      case 1:
        purgeKey(store, key, true);
        break;
      case 2:
        store.refresh(key, Buffer.from(`meta of ${key}`), versionOf(store, key));
        break;
      case 3: {
        const fill = leads(store.begin(key));
        gone.delete(key);
        fill.open(key, Buffer.from(`meta of ${key}`), ['grows'], -1);
        for (let at = 0; at < body.length; at += 700)
          fill.append(Buffer.from(body.slice(at, at + 700)), 0, Math.min(700, body.length - at));
        if (dice.below(2) === 0) fill.commit();
        else fill.abandon();
        break;
      }
      case 4:
      case 5:
        gone.delete(key);
        put(store, key, body, ['a tag']);
        break;
      default:
        store.find(key)?.release();
    }
  }
}

/** What is found under a key is what was stored under it. */
function assertSound(store: SharedResponseStore, gone: ReadonlySet<string>): void {
  for (let group = 0; group < 3; group++) {
    for (let index = 0; index < KEYS; index++) {
      const key = `/${group}/${index}`;
      const seen = look(store, key);
      if (seen === null) continue;
      assert.equal(gone.has(key), false, `${key} is back`);
      const [meta, body = ''] = seen.replace(' (stale)', '').split(': ');
      assert.equal(meta, `meta of ${key}`);
      assert.equal(body.replaceAll(`${key} `, ''), '');
    }
  }
}

describe('when a thread that stores responses is ended', () => {
  it('whatever it did last, nothing is broken, lost or held', () => {
    const memory = new ResponseMemory(96 * 1024, [5, 6]);
    const gone = new Set<string>();
    const dice = new Dice(7);
    const witness = new SharedResponseStore(admitted(memory));
    work(witness, dice, gone, 400);
    let ended = 0;
    for (let round = 0; round < 800; round++) {
      const segments = admitted(memory);
      const store = new SharedResponseStore(segments);
      if (endAfter(dice.below(700), () => work(store, dice, gone, 12))) ended++;
      memory.release(segments);
      work(witness, dice, gone, 3);
      if (round % 10 !== 0) continue;
      assertSound(witness, gone);
      assertConsistent(segments);
    }
    assert.ok(ended > 300, `${ended} ended`);
    assert.equal(memory.statistics.broken, 0);
    assert.ok(memory.statistics.evictions > 500);
  });

  it('those who followed it are told, and somebody else may lead', async () => {
    const memory = new ResponseMemory(1024 ** 2, [5, 6]);
    const segments = admitted(memory);
    const dead = new SharedResponseStore(segments);
    const store = new SharedResponseStore(admitted(memory));
    const fills = [leads(dead.begin('/waiting')), leads(dead.begin('/open'))];
    fills[1]?.open('/open', Buffer.from('m'), [], -1);
    fills[1]?.append(Buffer.alloc(5_000, 'x'), 0, 5_000);
    const listeners = ['/waiting', '/open'].map((key) => {
      const listener = new Listener();
      follows(store.begin(key)).follow(listener);
      return listener;
    });
    assert.ok(memory.statistics.filling > 5_000);
    memory.release(segments);
    for (const listener of listeners) assert.equal((await listener.over()).heard.at(-1), 'gone');
    for (const key of ['/waiting', '/open']) assert.ok(put(store, key, 'anew'));
    await until('all places are free', () => memory.statistics.flights === 0);
    assertConsistent(segments);
  });

  it('what it was reading and following is free', async () => {
    const memory = new ResponseMemory(1024 ** 2, [5, 6]);
    const segments = admitted(memory);
    const dead = new SharedResponseStore(segments);
    const store = new SharedResponseStore(admitted(memory));
    put(store, '/read', 'x');
    dead.find('/read');
    const fill = leads(store.begin('/followed'));
    follows(dead.begin('/followed'));
    const parts = new ResponseParts(admitted(memory));
    const shard = parts.shards[0];
    const ref = shard?.find(parts.purges.hash('/read'), '/read') ?? 0;
    const pin = shard?.pinOf(ref) ?? 0;
    parts.shares.unpin(pin);
    assert.equal(parts.shares.isPinned(pin), true);
    memory.release(segments);
    assert.equal(parts.shares.isPinned(pin), false);
    fill.abandon();
    assert.equal(memory.statistics.flights, 0);
    assertConsistent(segments);
  });

  it('a lock that another one had is waited for no longer than it takes', async () => {
    const memory = new ResponseMemory(1024 ** 2, [5, 6]);
    const segments = admitted(memory);
    const store = new SharedResponseStore(admitted(memory));
    put(store, '/a', 'before');
    // Suspended, or ended and not yet cleared away.
    assert.ok(new ResponseParts(segments).shards[0]?.lock.take());
    assert.equal(put(store, '/b', 'x'), false);
    assert.equal(look(store, '/a'), 'meta of /a: before');
    const purged = store.purge({ by: 'all', value: '', soft: false });
    const removed = store.purge({ by: 'key', value: '/a', soft: false });
    memory.release(segments);
    assert.equal((await purged) + (await removed), 1);
    assert.equal(store.find('/a'), null);
    assert.ok(put(store, '/b', 'x'));
    assertConsistent(segments);
  });

  it('two that ended at once wait for each other', async () => {
    const memory = new ResponseMemory(1024 ** 2, [5, 6]);
    const [one, other] = [admitted(memory), admitted(memory)];
    const fill = leads(new SharedResponseStore(one).begin('/a'));
    fill.open('/a', Buffer.from('m'), [], 100);
    assert.ok(new ResponseParts(other).shards[0]?.lock.take());
    memory.release(one);
    memory.release(other);
    await until('nothing is being filled', () => memory.statistics.filling === 0);
    assertConsistent(one);
    // Their places are used again.
    assert.deepEqual(new Set([admitted(memory).row, admitted(memory).row]), new Set([one.row, other.row]));
  });
});
