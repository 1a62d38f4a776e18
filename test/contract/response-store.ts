import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Fill, Flight, FlightFollower, ResponsePurge, ResponseStore } from '../../src/plan/response-store.ts';
import { until } from '../harness.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

export function leads(begun: Fill | Flight): Fill {
  if (!begun.leads) throw new Error('somebody else fetches it');
  return begun;
}

export function follows(begun: Fill | Flight): Flight {
  if (begun.leads) throw new Error('nobody fetches it');
  return begun;
}

/** Stores a response as a caller would; false: it was not taken. */
export function put(
  store: ResponseStore,
  key: string,
  body: string | Uint8Array,
  tags: readonly string[] = [],
): boolean {
  const fill = leads(store.begin(key));
  const bytes = Buffer.from(body as string);
  if (!fill.open(key, Buffer.from(`meta of ${key}`), tags, bytes.length)) return false;
  if (!fill.append(bytes, 0, bytes.length)) return false;
  fill.commit();
  return true;
}

/** What is found under the key, as a text. */
export function look(store: ResponseStore, key: string): string | null {
  const found = store.find(key);
  if (found === null) return null;
  const { meta, body, isStale } = found;
  const seen = `${text(meta)}: ${text(body)}${isStale ? ' (stale)' : ''}`;
  found.release();
  return seen;
}

export function versionOf(store: ResponseStore, key: string): number {
  const found = store.find(key);
  found?.release();
  return found?.version ?? 0;
}

/** Writes down what it is told. */
export class Listener implements FlightFollower {
  readonly heard: string[] = [];
  body = '';
  takes = true;
  wants = true;

  head(key: string, meta: Buffer, length: number): boolean {
    this.heard.push(`head ${key} ${text(meta)} ${length}`);
    return this.wants;
  }

  data(bytes: Buffer): boolean {
    this.body += text(bytes);
    return this.takes;
  }

  end(): void {
    this.heard.push('end');
  }

  gone(): void {
    this.heard.push('gone');
  }

  outdated(): void {
    this.heard.push('outdated');
  }

  get isOver(): boolean {
    return ['end', 'gone', 'outdated'].includes(this.heard.at(-1) ?? '');
  }

  async over(): Promise<this> {
    await until('the flight is over', () => this.isOver);
    return this;
  }
}

function listen(flight: Fill | Flight): Listener {
  const listener = new Listener();
  follows(flight).follow(listener);
  return listener;
}

const by = (kind: ResponsePurge['by'], value = '', soft = false): ResponsePurge => ({ by: kind, value, soft });

/** What every response store does. `open`: a new one; `also`: the same as another worker has it. */
export function responseStoreContract(open: () => { store: ResponseStore; also: ResponseStore }): void {
  it('finds what was stored, in every worker', () => {
    const { store, also } = open();
    assert.equal(store.find('/a'), null);
    const before = Date.now();
    assert.equal(put(store, '/a', 'hello'), true);
    for (const each of [store, also]) {
      const found = each.find('/a');
      assert.ok(found);
      assert.equal(text(found.meta), 'meta of /a');
      assert.equal(text(found.body), 'hello');
      assert.equal(found.isStale, false);
      assert.ok(found.storedAt >= before && found.storedAt <= Date.now());
      found.release();
    }
    assert.equal(store.find('/A'), null);
  });

  it('takes keys of every kind, and bodies of none and of all bytes', () => {
    const { store, also } = open();
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    for (const key of ['', 'é', 'ключ', '/\u{1f600}?q=1', `/${'long/'.repeat(600)}`, `/${'lang/'.repeat(600)}`]) {
      assert.equal(put(store, key, all), true, key);
      const found = also.find(key);
      assert.deepEqual(found === null ? null : Buffer.from(found.body), all, key);
      found?.release();
    }
    assert.equal(put(store, '/none', ''), true);
    assert.equal(look(also, '/none'), 'meta of /none: ');
  });

  it('replaces, and leaves what is being read as it was', () => {
    const { store, also } = open();
    put(store, '/a', 'old');
    const held = also.find('/a');
    assert.ok(held);
    const fill = leads(store.begin('/a'));
    assert.equal(look(also, '/a'), 'meta of /a: old');
    fill.open('/a', Buffer.from('new meta'), [], 3);
    fill.append(Buffer.from('..new..'), 2, 5);
    assert.equal(look(also, '/a'), 'meta of /a: old');
    fill.commit();
    assert.equal(look(also, '/a'), 'new meta: new');
    assert.equal(text(held.body), 'old');
    held.release();
  });

  it('lets one fetch a key, until it is over', async () => {
    const { store, also } = open();
    const fill = leads(store.begin('/a'));
    const listeners = [listen(also.begin('/a')), listen(store.begin('/a')), listen(also.begin('/a'))];
    leads(store.begin('/b')).abandon();
    fill.open('/a', Buffer.from('m'), [], 6);
    fill.append(Buffer.from('one'), 0, 3);
    await until('the first bytes are there', () => listeners.every(({ body }) => body === 'one'));
    const late = listen(also.begin('/a'));
    fill.append(Buffer.from('two'), 0, 3);
    fill.commit();
    for (const listener of [...listeners, late]) {
      await listener.over();
      assert.deepEqual(listener.heard, ['head /a m 6', 'end']);
      assert.equal(listener.body, 'onetwo');
    }
    leads(also.begin('/a')).abandon();
    assert.equal(look(also, '/a'), 'm: onetwo');
  });

  it('tells those who wait when there will be nothing', async () => {
    const { store, also } = open();
    const first = leads(store.begin('/a'));
    const early = listen(also.begin('/a'));
    first.abandon();
    assert.deepEqual((await early.over()).heard, ['gone']);
    const second = leads(also.begin('/a'));
    second.open('/a', Buffer.from('m'), [], -1);
    const midway = listen(store.begin('/a'));
    second.append(Buffer.from('half'), 0, 4);
    second.abandon();
    assert.equal((await midway.over()).heard.at(-1), 'gone');
    // Over is over.
    second.commit();
    assert.equal(store.find('/a'), null);
  });

  it('takes a body of unknown length as it comes, up to the largest that it takes', async () => {
    const { store, also } = open();
    const piece = Buffer.alloc(10_000);
    for (let i = 0; i < piece.length; i++) piece[i] = i % 251;
    const fill = leads(store.begin('/grows'));
    const listener = listen(also.begin('/grows'));
    assert.equal(fill.open('/grows', Buffer.from('m'), ['t'], -1), true);
    const times = Math.min(20, Math.floor(store.maxEntry / piece.length / 2));
    for (let i = 0; i < times; i++) assert.equal(fill.append(piece, 0, piece.length), true);
    fill.commit();
    const whole = Buffer.concat(Array.from({ length: times }, () => piece));
    const found = also.find('/grows');
    assert.deepEqual(found === null ? null : Buffer.from(found.body), whole);
    found?.release();
    assert.equal((await listener.over()).body, text(whole));

    const large = leads(store.begin('/large'));
    const waiting = listen(also.begin('/large'));
    assert.equal(large.open('/large', Buffer.from('m'), [], -1), true);
    let taken = 0;
    while (large.append(piece, 0, piece.length)) taken += piece.length;
    assert.ok(taken <= store.maxEntry);
    assert.equal((await waiting.over()).heard.at(-1), 'gone');
    assert.equal(large.append(piece, 0, 1), false);
    large.commit();
    assert.equal(store.find('/large'), null);
    leads(store.begin('/large')).abandon();
  });

  it('refuses what is too large, and what is not as long as it was said to be', async () => {
    const { store } = open();
    const large = leads(store.begin('/a'));
    const waiting = listen(store.begin('/a'));
    assert.equal(large.open('/a', Buffer.from('m'), [], store.maxEntry + 1), false);
    assert.deepEqual((await waiting.over()).heard, ['gone']);
    const long = leads(store.begin('/a'));
    assert.equal(long.open('/a', Buffer.from('m'), [], 3), true);
    assert.equal(long.append(Buffer.from('four'), 0, 4), false);
    const short = leads(store.begin('/a'));
    assert.equal(short.open('/a', Buffer.from('m'), [], 3), true);
    short.append(Buffer.from('two'), 0, 2);
    short.commit();
    const headless = leads(store.begin('/a'));
    headless.commit();
    assert.equal(store.find('/a'), null);
  });

  it('stores a variant under its own key', async () => {
    const { store, also } = open();
    const fill = leads(store.begin('/a'));
    const english = listen(also.begin('/a'));
    const german = new Listener();
    german.wants = false;
    follows(also.begin('/a')).follow(german);
    fill.open('/a en', Buffer.from('m'), [], 2);
    fill.append(Buffer.from('hi'), 0, 2);
    fill.commit();
    await english.over();
    assert.deepEqual(english.heard, ['head /a en m 2', 'end']);
    assert.deepEqual([german.heard, german.body], [['head /a en m 2'], '']);
    assert.equal(store.find('/a'), null);
    assert.equal(look(store, '/a en'), 'm: hi');
  });

  it('waits for a follower that takes no more, and forgets one that left', async () => {
    const { store, also } = open();
    const fill = leads(store.begin('/a'));
    const slow = new Listener();
    slow.takes = false;
    const flight = follows(also.begin('/a'));
    flight.follow(slow);
    const leaver = new Listener();
    const left = follows(also.begin('/a'));
    left.follow(leaver);
    fill.open('/a', Buffer.from('m'), [], -1);
    fill.append(Buffer.from('one'), 0, 3);
    await until('both have the first bytes', () => slow.body === 'one' && leaver.body === 'one');
    left.leave();
    fill.append(Buffer.from('two'), 0, 3);
    fill.commit();
    store.remove('/a');
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(slow.body, 'one');
    slow.takes = true;
    flight.resume();
    await slow.over();
    assert.deepEqual([slow.body, slow.heard.at(-1)], ['onetwo', 'end']);
    assert.deepEqual([leaver.body, leaver.isOver], ['one', false]);
  });

  it('removes', () => {
    const { store, also } = open();
    put(store, '/a', '1');
    put(store, '/b', '2');
    also.remove('/a');
    also.remove('/none');
    assert.deepEqual([look(store, '/a'), look(store, '/b')], [null, 'meta of /b: 2']);
  });

  it('purges by key, prefix and tag, and everything; hard or softly', async () => {
    const { store, also } = open();
    const fillUp = (): void => {
      put(store, '/shop/1', 'a', ['shop', 'one']);
      put(store, '/shop/2', 'b', ['shop']);
      put(store, '/shop', 'c', []);
      put(also, '/other', 'd', ['one']);
    };
    const left = (): string =>
      ['/shop/1', '/shop/2', '/shop', '/other'].map((key) => look(store, key)?.split(' ').at(-1) ?? '-').join(' ');
    fillUp();
    assert.equal(left(), 'a b c d');
    for (const [purge, count, hard, soft] of [
      [by('key', '/shop'), 1, 'a b - d', 'a b (stale) d'],
      [by('key', '/sho'), 0, 'a b c d', 'a b c d'],
      [by('prefix', '/shop/'), 2, '- - c d', '(stale) (stale) c d'],
      [by('tag', 'one'), 2, '- b c -', '(stale) b c (stale)'],
      [by('tag', 'two'), 0, 'a b c d', 'a b c d'],
      [by('all'), 4, '- - - -', '(stale) (stale) (stale) (stale)'],
    ] as const) {
      assert.equal(await also.purge({ ...purge, soft: true }), count);
      assert.equal(left(), soft);
      fillUp();
      assert.equal(await also.purge(purge), count);
      assert.equal(left(), hard);
      fillUp();
    }
  });

  it('does not store what was fetched before a purge', async () => {
    const { store, also } = open();
    const purges = [by('key', '/a v'), by('key', '/a'), by('prefix', '/a '), by('tag', 'news'), by('all')];
    for (const purge of [...purges, ...purges.map((each) => ({ ...each, soft: true }))]) {
      const before = leads(store.begin('/a'));
      const waiting = listen(also.begin('/a'));
      if (purge.by !== 'key') before.open('/a v', Buffer.from('m'), ['hot', 'news'], 1);
      await also.purge(purge);
      if (purge.by === 'key') before.open('/a v', Buffer.from('m'), ['hot', 'news'], 1);
      before.append(Buffer.from('x'), 0, 1);
      before.commit();
      assert.equal(store.find('/a v'), null, JSON.stringify(purge));
      // Who followed before the purge has what it waited for.
      assert.deepEqual([(await waiting.over()).body, waiting.heard.at(-1)], ['x', 'end']);
    }
    const untouched = leads(store.begin('/a'));
    untouched.open('/a v', Buffer.from('m'), ['hot'], 1);
    for (const purge of [by('key', '/b'), by('prefix', '/a vv'), by('tag', 'cold')]) await also.purge(purge);
    untouched.append(Buffer.from('x'), 0, 1);
    untouched.commit();
    assert.equal(look(store, '/a v'), 'm: x');
  });

  it('lets nobody follow a fetch that began before a purge', async () => {
    const { store, also } = open();
    const before = leads(store.begin('/a'));
    also.remove('/a');
    const after = leads(also.begin('/a'));
    const waiting = listen(store.begin('/a'));
    before.open('/a', Buffer.from('m'), [], 3);
    before.append(Buffer.from('old'), 0, 3);
    before.commit();
    assert.equal(store.find('/a'), null);
    after.open('/a', Buffer.from('m'), [], 3);
    after.append(Buffer.from('new'), 0, 3);
    after.commit();
    assert.equal((await waiting.over()).body, 'new');
    assert.equal(look(store, '/a'), 'm: new');
  });

  it('sends away who came after a purge by a tag that was not known then', async () => {
    const { store, also } = open();
    const fill = leads(store.begin('/a'));
    const before = listen(also.begin('/a'));
    await also.purge(by('tag', 'other'));
    const between = listen(also.begin('/a'));
    await also.purge(by('tag', 'news'));
    const after = [listen(also.begin('/a')), listen(store.begin('/a'))];
    fill.open('/a', Buffer.from('m'), ['news'], 1);
    fill.append(Buffer.from('x'), 0, 1);
    leads(also.begin('/a')).abandon();
    fill.commit();
    for (const listener of [before, between]) assert.deepEqual((await listener.over()).heard, ['head /a m 1', 'end']);
    for (const listener of after) assert.deepEqual((await listener.over()).heard, ['outdated']);
    assert.equal(store.find('/a'), null);
  });

  it('gives a response new meta data', async () => {
    const { store, also } = open();
    assert.equal(store.refresh('/a', Buffer.from('m'), 0), false);
    put(store, '/a', 'another');
    const another = versionOf(store, '/a');
    put(store, '/a', 'body', ['tag']);
    assert.equal(also.refresh('/a', Buffer.from('of another'), another), false);
    assert.equal(look(store, '/a'), 'meta of /a: body');
    const version = versionOf(also, '/a');
    await store.purge(by('key', '/a', true));
    const held = also.find('/a');
    assert.equal(also.refresh('/a', Buffer.from('other and longer meta data'), version), true);
    assert.equal(look(store, '/a'), 'other and longer meta data: body');
    assert.equal(held?.meta.toString(), 'meta of /a');
    held?.release();
    assert.equal(await store.purge(by('tag', 'tag')), 1);
    assert.equal(store.refresh('/a', Buffer.from('m'), version), false);
  });
}
