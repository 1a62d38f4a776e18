import type { Feed, FeedAnswer, FeedPublisher } from '../../src/plan/feed.ts';

/** A feed with both of its sides in one place, for tests of what publishes and of what reads. */
export class TestFeed<V> implements Feed<V>, FeedPublisher<V> {
  version = 0;
  /** Hints that were asked for. */
  readonly asked: string[] = [];
  answer: FeedAnswer | null = null;
  #values = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  entries(): Iterable<readonly [string, V]> {
    return this.#values.entries();
  }

  async ask(hint: string): Promise<void> {
    this.asked.push(hint);
    await this.answer?.(hint);
  }

  replace(entries: Iterable<readonly [string, V]>): void {
    this.#values = new Map(structuredClone([...entries]));
    this.version++;
  }

  update(entries: Iterable<readonly [string, V | undefined]>): void {
    for (const [key, value] of structuredClone([...entries])) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.version++;
  }
}

/** Feeds by name, as `supervise` and `compile` of one use share them. */
export class TestFeeds {
  readonly #feeds = new Map<string, TestFeed<unknown>>();

  find<V>(name: string, answer?: FeedAnswer): TestFeed<V> {
    let feed = this.#feeds.get(name);
    if (feed === undefined) {
      feed = new TestFeed<unknown>();
      this.#feeds.set(name, feed);
    }
    if (answer !== undefined) feed.answer = answer;
    return feed as TestFeed<V>;
  }
}
