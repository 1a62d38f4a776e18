import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Records, RecordsError } from '../../src/plan/records.ts';
import { until } from '../harness.ts';

/** Two views of one store, as two processes would have them; the same twice where a store has one view only. */
export interface RecordsUnderTest extends AsyncDisposable {
  readonly one: Records;
  readonly other: Records;
}

/** What every store of records does, whatever it keeps them in. */
export function recordsContract(open: () => Promise<RecordsUnderTest>, skip: string | false = false): void {
  it('gives back what was put, by collection and id', { skip }, async () => {
    await using store = await open();
    const { one, other } = store;
    assert.deepEqual([...(await one.list('keys'))], []);
    await one.put('keys', 'a', { consumer: 'mobile', tags: ['x', null, 1.5], nested: { ü: '"\n' } }, null);
    await one.put('keys', 'b', {}, null);
    await one.put('revocations', 'a', { reason: 'lost' }, Date.now() + 60_000);
    const keys = await other.list('keys');
    assert.deepEqual([...keys.keys()].sort(), ['a', 'b']);
    assert.deepEqual(keys.get('a'), { consumer: 'mobile', tags: ['x', null, 1.5], nested: { ü: '"\n' } });
    assert.deepEqual(await other.list('revocations'), new Map([['a', { reason: 'lost' }]]));
  });

  it('takes any text as an id', { skip }, async () => {
    await using store = await open();
    const ids = ['', ' ', '__proto__', 'constructor', 'a:b/c?d', '{tag}', 'ключ 🔑', 'a\nb\0c', 'x'.repeat(2000)];
    for (const id of ids) await store.one.put('keys', id, { id }, null);
    const found = await store.other.list('keys');
    assert.equal(found.size, ids.length);
    for (const id of ids) assert.deepEqual(found.get(id), { id });
    for (const id of ids) assert.equal(await store.one.remove('keys', id), true, id);
    assert.equal((await store.other.list('keys')).size, 0);
  });

  it('overwrites, value and expiry', { skip }, async () => {
    await using store = await open();
    await store.one.put('keys', 'a', { version: 1 }, Date.now() + 100);
    await store.other.put('keys', 'a', { version: 2 }, null);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.deepEqual(await store.one.list('keys'), new Map([['a', { version: 2 }]]));
  });

  it('says whether there was something to remove', { skip }, async () => {
    await using store = await open();
    await store.one.put('keys', 'a', {}, null);
    assert.equal(await store.other.remove('keys', 'b'), false);
    assert.equal(await store.other.remove('revocations', 'a'), false);
    assert.equal(await store.other.remove('keys', 'a'), true);
    assert.equal(await store.one.remove('keys', 'a'), false);
    assert.equal((await store.one.list('keys')).size, 0);
  });

  it('forgets what has expired', { skip }, async () => {
    await using store = await open();
    await store.one.put('keys', 'gone', {}, Date.now() - 1);
    await store.one.put('keys', 'soon', {}, Date.now() + 200);
    await store.one.put('keys', 'stays', {}, Date.now() + 3_600_000);
    assert.ok(!(await store.other.list('keys')).has('gone'));
    await until('the record has expired', async () => !(await store.other.list('keys')).has('soon'));
    assert.deepEqual([...(await store.one.list('keys')).keys()], ['stays']);
    assert.equal(await store.one.remove('keys', 'gone'), false);
  });

  it('tells both sides of a change, soon, and once for many at once', { skip }, async () => {
    await using store = await open();
    await store.one.list('keys');
    const told = { one: 0, other: 0, elsewhere: 0 };
    store.one.watch('keys', () => told.one++);
    store.other.watch('keys', () => told.other++);
    store.other.watch('revocations', () => told.elsewhere++);
    // Connections that have just been made may say "read it again" of their own accord.
    await new Promise((resolve) => setTimeout(resolve, 400));
    for (const change of [
      () => store.one.put('keys', 'a', {}, null),
      () => store.other.put('keys', 'a', { more: true }, null),
      () => store.one.remove('keys', 'a'),
    ]) {
      const before = { ...told };
      const began = performance.now();
      await change();
      await until('both were told', () => told.one > before.one && told.other > before.other);
      // By itself, Redis would be read again after 5 s.
      assert.ok(performance.now() - began < 4000);
    }
    const before = told.one;
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.one.put('keys', String(index), {}, null)));
    await until('it was told', () => told.one > before);
    assert.equal((await store.other.list('keys')).size, 50);
  });

  it('tells nobody who does not want to know any more, and outlives a watcher that throws', { skip }, async () => {
    await using store = await open();
    let told = 0;
    let others = 0;
    const watch = store.one.watch('keys', () => told++);
    store.one.watch('keys', () => {
      throw new Error('a watcher of the test that throws');
    });
    store.one.watch('keys', () => others++);
    watch.close();
    watch.close();
    await store.one.put('keys', 'a', {}, null);
    await until('the other was told', () => others > 0);
    assert.equal(told, 0);
  });

  it('hands out copies', { skip }, async () => {
    await using store = await open();
    const given = { list: [1] };
    await store.one.put('keys', 'a', given, null);
    given.list.push(2);
    const first = (await store.one.list('keys')).get('a') as { list: number[] };
    first.list.push(3);
    assert.deepEqual((await store.one.list('keys')).get('a'), { list: [1] });
  });

  it('refuses after it was closed, and closes twice', { skip }, async () => {
    await using store = await open();
    const { one } = store;
    assert.equal(one.state.failure, null);
    await one.close();
    await one.close();
    await assert.rejects(one.list('keys'), RecordsError);
    await assert.rejects(one.put('keys', 'a', {}, null), RecordsError);
    await assert.rejects(one.remove('keys', 'a'), RecordsError);
  });
}
