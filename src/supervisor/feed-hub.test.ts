import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FeedQuestion, WorkerFeeds } from '../compile/feeds.ts';
import { FeedHub, type FeedReader } from './feed-hub.ts';
import type { ToWorker } from './messages.ts';

/** A worker's feeds behind the messages that would cross to its thread. */
class Reader implements FeedReader {
  readonly questions: FeedQuestion[] = [];
  readonly feeds = new WorkerFeeds((question) => this.questions.push(question));

  tell(message: ToWorker): void {
    const copy = structuredClone(message);
    if (copy.kind === 'feed') this.feeds.receive(copy.news);
    else if (copy.kind === 'feedAnswered') this.feeds.answered(copy.id);
    else if (copy.kind === 'feedOver') this.feeds.forget(copy.owner);
  }
}

function scene(readers: readonly Reader[]): { hub: FeedHub; problems: string[] } {
  const problems: string[] = [];
  return {
    hub: new FeedHub(
      () => readers,
      (problem) => problems.push(problem),
    ),
    problems,
  };
}

describe('feeds', () => {
  test('what is published reaches every worker, whole and in parts', () => {
    const readers = [new Reader(), new Reader()];
    const { hub } = scene(readers);
    const keys = hub.publisher<number>('entry', 'keys', null);
    const feeds = readers.map(({ feeds }) => feeds.find<number>('entry', 'keys'));
    assert.deepEqual(
      feeds.map(({ version }) => version),
      [0, 0],
    );
    keys.replace([
      ['a', 1],
      ['b', 2],
    ]);
    keys.update([
      ['a', undefined],
      ['c', 3],
    ]);
    for (const feed of feeds) {
      assert.deepEqual(
        [...feed.entries()],
        [
          ['b', 2],
          ['c', 3],
        ],
      );
      assert.equal(feed.get('a'), undefined);
      assert.equal(feed.version, 2);
    }
    keys.replace([]);
    assert.deepEqual([...(feeds[0]?.entries() ?? [])], []);
  });

  test('a worker that comes later gets all of it', () => {
    const { hub } = scene([]);
    const keys = hub.publisher<number>('entry', 'keys', null);
    keys.replace([['a', 1]]);
    keys.update([['b', 2]]);
    const late = new Reader();
    hub.tellAll(late);
    const feed = late.feeds.find<number>('entry', 'keys');
    assert.deepEqual(
      [...feed.entries()],
      [
        ['a', 1],
        ['b', 2],
      ],
    );
    assert.equal(feed.version, 2);
  });

  test('an owner’s feeds are its own, and end with it', () => {
    const reader = new Reader();
    const { hub } = scene([reader]);
    hub.publisher<number>('one', 'keys', null).replace([['a', 1]]);
    hub.publisher<number>('two', 'keys', null).replace([['a', 2]]);
    assert.equal(reader.feeds.find<number>('one', 'keys').get('a'), 1);
    hub.close('one');
    assert.equal(reader.feeds.find<number>('one', 'keys').version, 0);
    assert.equal(reader.feeds.find<number>('two', 'keys').get('a'), 2);
  });

  test('whoever still has a feed that ended hears what is published later, and nothing of before', () => {
    const reader = new Reader();
    const { hub } = scene([reader]);
    const feed = reader.feeds.find<number>('entry', 'keys');
    hub.publisher<number>('entry', 'keys', null).replace([['a', 1]]);
    hub.close('entry');
    assert.equal(feed.get('a'), 1, 'what is under way goes on');
    const again = hub.publisher<number>('entry', 'keys', null);
    assert.equal(reader.feeds.find('entry', 'keys'), feed);
    assert.deepEqual([feed.version, feed.get('a')], [0, undefined]);
    again.replace([['b', 2]]);
    assert.deepEqual([...feed.entries()], [['b', 2]]);
    assert.equal(feed.version, 2, 'what was derived from the first publication is stale');
    hub.close('entry');
    hub.publisher<number>('entry', 'keys', null).replace([]);
    assert.equal(feed.version, 3);
  });

  test('a question is answered after what was found has arrived, and asked once at a time', async () => {
    const reader = new Reader();
    const { hub } = scene([reader]);
    const hints: string[] = [];
    const keys = hub.publisher<number>('entry', 'keys', async (hint) => {
      hints.push(hint);
      keys.update([[hint, hints.length]]);
    });
    const feed = reader.feeds.find<number>('entry', 'keys');
    const asked = [feed.ask('new'), feed.ask('new'), feed.ask('other')];
    assert.equal(reader.questions.length, 2);
    for (const question of reader.questions) await hub.answer(question, reader);
    await Promise.all(asked);
    assert.deepEqual([feed.get('new'), feed.get('other')], [1, 2]);
    assert.deepEqual(hints, ['new', 'other']);
    void feed.ask('new');
    assert.equal(reader.questions.length, 3);
  });

  test('an answer that fails is still an answer', async () => {
    const reader = new Reader();
    const { hub, problems } = scene([reader]);
    hub.publisher('entry', 'keys', () => Promise.reject(new Error('the provider is gone')));
    const asked = reader.feeds.find('entry', 'keys').ask('new');
    await hub.answer(reader.questions[0] as FeedQuestion, reader);
    await asked;
    assert.deepEqual(problems, ['the provider is gone']);
    const unknown = reader.feeds.find('nobody', 'keys').ask('new');
    await hub.answer(reader.questions[1] as FeedQuestion, reader);
    await unknown;
  });
});
