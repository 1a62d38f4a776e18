import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeySearch, MAX_LOOKS, MAX_WAITING } from './jwt-key-search.ts';

/** A feed whose questions are answered by the test. */
class SlowFeed {
  version = 1;
  readonly asked: string[] = [];
  #answers: (() => void)[] = [];

  ask(hint: string): Promise<void> {
    this.asked.push(hint);
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  answer(): void {
    for (const resolve of this.#answers.splice(0)) resolve();
  }
}

test('however many keys are made up, few are asked for at once, and whoever waits is counted', async () => {
  const feed = new SlowFeed();
  const search = new KeySearch(feed, () => 0);
  const answers = Array.from({ length: MAX_WAITING }, (_, i) => search.ask(`kid ${i}`));
  assert.equal(feed.asked.length, MAX_LOOKS);
  assert.equal(search.ask('kid 0'), 'busy');
  feed.version = 2;
  feed.answer();
  await Promise.all(answers);
  const again = search.ask('kid 0');
  assert.ok(again instanceof Promise);
  assert.equal(feed.asked.length, MAX_LOOKS + 1);
});

test('those who look for the same wait for the same', async () => {
  const feed = new SlowFeed();
  const search = new KeySearch(feed, () => 0);
  const answers = [search.ask('new'), search.ask('new'), search.ask('other')];
  assert.deepEqual(feed.asked, ['new', 'other']);
  feed.version = 2;
  feed.answer();
  await Promise.all(answers);
});

test('after a look in vain there is none for a moment, unless something was published', async () => {
  const feed = new SlowFeed();
  let now = 0;
  const search = new KeySearch(feed, () => now);
  const first = search.ask('new');
  feed.answer();
  await first;
  assert.equal(search.ask('new'), null);
  assert.equal(search.ask('other'), null);
  feed.version = 2;
  const second = search.ask('new');
  assert.ok(second instanceof Promise);
  feed.answer();
  await second;
  assert.equal(search.ask('new'), null);
  now = 100;
  assert.ok(search.ask('new') instanceof Promise);
});
