import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestFeed } from '../../test/support/feeds.ts';
import { HeaderBlock } from '../base/headers.ts';
import { RecordsError } from '../plan/records.ts';
import type { Fill, ResponsePurge } from '../plan/response-store.ts';
import type { LoggedPurge, PurgeListener, PurgeLog } from '../plan/shared-responses.ts';
import { encodeResponse, encodeVariants } from '../policies/cache/stored-head.ts';
import type { StoredPolicy } from '../semantics/caching/policy.ts';
import { ResponseMemory } from '../shared-memory/response-memory.ts';
import { KnownPurges } from '../stores/known-purges.ts';
import { ResponseDesk, ResponseDeskError } from './responses.ts';
import { SharedPurges } from './shared-purges.ts';

const policy: StoredPolicy = {
  status: 200,
  responseTime: Date.now(),
  initialAge: 0,
  lifetime: 60_000,
  isHeuristic: false,
  staleWhileRevalidate: 0,
  staleIfError: 3_600_000,
  mustValidate: false,
  forbidsStale: false,
  etag: '"1"',
  lastModified: '',
  lastModifiedTime: -1,
  date: Date.now(),
  vary: '',
};

class TestLog implements PurgeLog {
  readonly added: ResponsePurge[] = [];
  isAway = false;
  readonly state = { kind: 'redis', failure: null, since: 0 };

  async add(purges: readonly ResponsePurge[]): Promise<void> {
    if (this.isAway) throw new RecordsError('away');
    this.added.push(...purges);
  }

  async close(): Promise<void> {}
}

function open(log: TestLog | null = null) {
  const memory = new ResponseMemory(4 * 1024 ** 2, [1, 2]);
  const feed = new TestFeed<unknown>();
  const count = new SharedArrayBuffer(4);
  const problems: string[] = [];
  let listener: PurgeListener | null = null;
  const desk = new ResponseDesk({
    memory,
    sharedPurges: new SharedPurges(feed, count),
    openLog: (given) => {
      listener = given;
      return log;
    },
    problem: (message) => problems.push(message),
  });
  const put = (key: string, tags: string[] = [], meta = encodeResponse(policy, fields, 5)): void => {
    const fill = memory.store.begin(`${key}#`) as Fill;
    assert.ok(meta !== null && fill.open(key, meta, tags, 5));
    fill.append(Buffer.from('hello'), 0, 5);
    fill.commit();
  };
  const fields = HeaderBlock.of([
    ['content-type', 'text/plain'],
    ['set-cookie', 'a=secret'],
  ]);
  put('https://shop.example/a\nweb', ['red']);
  put('https://shop.example/a\nweb\ng1\naccept-language 2 de\n', ['red', 'blue']);
  put('https://shop.example/a/b?x=1\nweb');
  put('http://other.example/a\nweb', ['blue']);
  put('https://shop.example/v\nweb', [], encodeVariants('accept', Date.now()));
  const urls = async () => (await desk.list({})).map(({ url }) => url);
  return {
    desk,
    memory,
    urls,
    problems,
    known: new KnownPurges(feed, count),
    listener: () => listener as unknown as PurgeListener,
  };
}

describe('stored responses in the hands of operators', () => {
  it('are listed and shown, without secrets', async () => {
    const { desk } = open();
    const all = await desk.list({});
    assert.equal(all.length, 4);
    const [first, variant] = await desk.list({ url: 'shop.example/a' });
    assert.deepEqual(
      [first?.url, first?.gateway, first?.size, first?.state],
      ['https://shop.example/a', 'web', 5, 'fresh'],
    );
    assert.ok([first?.variant, variant?.variant].includes('accept-language 2 de'));
    assert.equal((await desk.list({ tag: 'blue' })).length, 2);
    assert.equal((await desk.list({ limit: '1' })).length, 1);
    const shown = await desk.show('https://shop.example/a');
    assert.equal(shown.length, 2);
    assert.deepEqual(shown[0]?.headers, [
      ['content-type', 'text/plain'],
      ['set-cookie', '[redacted]'],
      ['content-length', '5'],
    ]);
    assert.equal((await desk.show(shown[0]?.id ?? '')).length, 1);
    await assert.rejects(desk.show('shop.example/none'), ResponseDeskError);
    await assert.rejects(desk.show('not a url'), ResponseDeskError);
  });

  it('are purged by URL, prefix, tag, id and all together', async () => {
    for (const [request, left] of [
      [{ url: 'https://SHOP.example/./a' }, 2],
      [{ url: 'shop.example/a/b?x=1' }, 3],
      [{ prefix: 'https://shop.example/' }, 1],
      [{ prefix: 'shop.example' }, 1],
      [{ tags: ['red', 'blue'] }, 1],
      [{ all: true }, 0],
    ] as const) {
      const { desk, urls } = open();
      const outcome = await desk.purge(request);
      assert.equal(outcome.told, null);
      assert.equal((await urls()).length, left, JSON.stringify(request));
    }
    const { desk, urls } = open();
    const [one] = await desk.list({ url: 'http://other.example' });
    await desk.purge({ id: one?.id ?? '' });
    assert.equal((await urls()).length, 3);
    await desk.purge({ tags: ['red'], soft: true });
    assert.equal(
      (await desk.list({ tag: 'red' })).every(({ state }) => state === 'purged'),
      true,
    );
    for (const wrong of [{}, { url: 'a', all: true }, { id: 'none' }, { url: 'a b' }, { all: 1 }]) {
      await assert.rejects(desk.purge(wrong), ResponseDeskError);
    }
  });

  it('are purged on other machines, now or when that can be', async () => {
    const log = new TestLog();
    const { desk } = open(log);
    assert.equal((await desk.purge({ tags: ['red'] })).told, true);
    assert.deepEqual(log.added, [{ by: 'tag', value: 'red', soft: false }]);
    log.isAway = true;
    assert.equal((await desk.purge({ all: true })).told, false);
    desk.announce({ by: 'key', value: 'a', soft: false });
    log.isAway = false;
    await desk.close();
    assert.deepEqual(log.added.slice(1), [
      { by: 'all', value: '', soft: false },
      { by: 'key', value: 'a', soft: false },
    ]);
  });

  it('are purged here when another machine says so, and all of them when that may have been missed', async () => {
    const { urls, listener, problems, known } = open(new TestLog());
    const logged = (id: string, purge: Partial<ResponsePurge>): LoggedPurge => ({
      id,
      purge: { by: 'tag', value: 'red', soft: false, ...purge },
    });
    assert.equal(known.areComplete, false);
    // What was before the start is about what machines share, not about this memory.
    listener().heard([logged('1', {})], true);
    assert.equal(known.areComplete, true);
    assert.equal((await urls()).length, 4);
    listener().heard([logged('2', { value: 'blue' })], true);
    assert.equal((await urls()).length, 2);
    const response = { purgeKey: 'k', tags: ['blue'], since: '1', meta: Buffer.alloc(0), body: Buffer.alloc(0) };
    assert.equal(known.hasPurged(response), true);
    assert.equal(known.hasPurged({ ...response, since: '2' }), false);
    listener().away();
    assert.equal(known.areComplete, false);
    listener().heard([logged('3', { value: 'none' })], false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await urls()).length, 0);
    assert.equal(known.hasPurged({ ...response, since: '2' }), true);
    assert.equal(known.hasPurged({ ...response, since: '3' }), false);
    assert.equal(problems.length, 1);
  });
});
