import type { FeedNews, FeedQuestion } from '../compile/feeds.ts';
import type { FeedAnswer, FeedPublisher } from '../plan/feed.ts';
import type { ToWorker } from './messages.ts';

/** A worker, as far as feeds are concerned. */
export interface FeedReader {
  tell(message: ToWorker): void;
}

/** The main thread's copy of every feed: what is published goes to all workers, and a new worker gets it all at once. */
export class FeedHub {
  readonly #readers: () => Iterable<FeedReader>;
  readonly #failed: (message: string) => void;
  readonly #feeds = new Map<string, Map<string, PublishedFeed>>();

  /** `readers`: the workers there are at the moment. */
  constructor(readers: () => Iterable<FeedReader>, failed: (message: string) => void) {
    this.#readers = readers;
    this.#failed = failed;
  }

  publisher<V>(owner: string, name: string, answer: FeedAnswer | null): FeedPublisher<V> {
    let ofOwner = this.#feeds.get(owner);
    if (ofOwner === undefined) {
      ofOwner = new Map();
      this.#feeds.set(owner, ofOwner);
    }
    const feed = new PublishedFeed(owner, name, answer, (news) => this.#tell({ kind: 'feed', news }));
    ofOwner.set(name, feed);
    return feed as FeedPublisher<V>;
  }

  /** Everything that is published, to a worker that has just come. */
  tellAll(reader: FeedReader): void {
    for (const ofOwner of this.#feeds.values()) {
      for (const feed of ofOwner.values()) {
        if (feed.version > 0) reader.tell({ kind: 'feed', news: feed.all() });
      }
    }
  }

  /** Resolves when the worker has been told; what was found went to it before. */
  async answer({ id, owner, name, hint }: FeedQuestion, reader: FeedReader): Promise<void> {
    const answer = this.#feeds.get(owner)?.get(name)?.answer;
    try {
      await answer?.(hint);
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
    reader.tell({ kind: 'feedAnswered', id });
  }

  /** Nobody publishes under this owner any more. */
  close(owner: string): void {
    if (this.#feeds.delete(owner)) this.#tell({ kind: 'feedOver', owner });
  }

  #tell(message: ToWorker): void {
    for (const reader of this.#readers()) reader.tell(message);
  }
}

class PublishedFeed implements FeedPublisher<unknown> {
  readonly answer: FeedAnswer | null;
  version = 0;
  readonly #owner: string;
  readonly #name: string;
  readonly #tell: (news: FeedNews) => void;
  #values = new Map<string, unknown>();

  constructor(owner: string, name: string, answer: FeedAnswer | null, tell: (news: FeedNews) => void) {
    this.#owner = owner;
    this.#name = name;
    this.answer = answer;
    this.#tell = tell;
  }

  replace(entries: Iterable<readonly [string, unknown]>): void {
    this.#values = new Map(entries);
    this.version++;
    this.#tell(this.all());
  }

  update(entries: Iterable<readonly [string, unknown]>): void {
    const changes = [...entries];
    for (const [key, value] of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.version++;
    this.#tell(this.#news(false, changes));
  }

  all(): FeedNews {
    return this.#news(true, [...this.#values]);
  }

  #news(whole: boolean, entries: FeedNews['entries']): FeedNews {
    return { owner: this.#owner, name: this.#name, version: this.version, whole, entries };
  }
}
