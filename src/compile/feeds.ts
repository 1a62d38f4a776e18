import { createHash } from 'node:crypto';
import type { Feed } from '../plan/feed.ts';

/** Where a worker finds what the supervisor publishes. */
export interface Feeds {
  /** `owner`: see `feedOwner`. The same object for the same names, and it lives as long as the worker. */
  find<V>(owner: string, name: string): Feed<V>;
}

/**
 * Whose feeds they are: by kind and equal options, so that a plan never sees what another configuration's supervision
 * publishes, and a reload that changes nothing goes on with what is there.
 */
export function feedOwner(kind: string, options: unknown): string {
  return `${kind} ${createHash('sha256').update(JSON.stringify(options)).digest('base64url')}`;
}

/** What crosses from the main thread. */
export interface FeedNews {
  readonly owner: string;
  readonly name: string;
  readonly version: number;
  /** The entries are all there is; else they change what was there, and `undefined` removes. */
  readonly whole: boolean;
  readonly entries: readonly (readonly [string, unknown])[];
}

/** What a worker misses. `id`: what the answer will carry. */
export interface FeedQuestion {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly hint: string;
}

/** The feeds of one worker. They may be asked for before, or long after, anything is published. */
export class WorkerFeeds implements Feeds {
  readonly #ask: (question: FeedQuestion) => void;
  readonly #feeds = new Map<string, ReceivedFeed>();
  /**
   * Those that nobody publishes to. A long response keeps its plan, and with it entries of `auth` that a later
   * configuration takes up again: they have to hear what is published then.
   */
  readonly #over = new Map<string, WeakRef<ReceivedFeed>>();
  readonly #waiting = new Map<number, () => void>();
  #nextId = 1;

  constructor(ask: (question: FeedQuestion) => void) {
    this.#ask = ask;
  }

  find<V>(owner: string, name: string): Feed<V> {
    return this.#find(owner, name) as unknown as Feed<V>;
  }

  receive({ owner, name, version, whole, entries }: FeedNews): void {
    this.#find(owner, name).receive(version, whole, entries);
  }

  answered(id: number): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  /** Nobody publishes under this owner any more. */
  forget(owner: string): void {
    for (const [key, feed] of this.#feeds) {
      if (feed.owner !== owner) continue;
      this.#feeds.delete(key);
      this.#over.set(key, new WeakRef(feed));
    }
    for (const [key, feed] of this.#over) if (feed.deref() === undefined) this.#over.delete(key);
  }

  #find(owner: string, name: string): ReceivedFeed {
    const key = `${owner}\n${name}`;
    let feed = this.#feeds.get(key);
    if (feed === undefined) {
      feed = this.#over.get(key)?.deref();
      feed?.startOver();
      feed ??= new ReceivedFeed(owner, (hint) => this.#question(owner, name, hint));
      this.#over.delete(key);
      this.#feeds.set(key, feed);
    }
    return feed;
  }

  #question(owner: string, name: string, hint: string): Promise<void> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#waiting.set(id, resolve);
      this.#ask({ id, owner, name, hint });
    });
  }
}

class ReceivedFeed implements Feed<unknown> {
  readonly owner: string;
  version = 0;
  readonly #question: (hint: string) => Promise<void>;
  readonly #asked = new Map<string, Promise<void>>();
  /** From which versions are counted on: no two publications have the same. */
  #before = 0;
  #values = new Map<string, unknown>();

  constructor(owner: string, question: (hint: string) => Promise<void>) {
    this.owner = owner;
    this.#question = question;
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  entries(): Iterable<readonly [string, unknown]> {
    return this.#values.entries();
  }

  ask(hint: string): Promise<void> {
    let asked = this.#asked.get(hint);
    if (asked === undefined) {
      asked = this.#question(hint).finally(() => this.#asked.delete(hint));
      this.#asked.set(hint, asked);
    }
    return asked;
  }

  /** Somebody will publish again: what was published last no longer counts. */
  startOver(): void {
    this.#before = Math.max(this.#before, this.version);
    this.version = 0;
    this.#values = new Map();
  }

  receive(version: number, whole: boolean, entries: readonly (readonly [string, unknown])[]): void {
    if (whole) this.#values = new Map(entries);
    else {
      for (const [key, value] of entries) {
        if (value === undefined) this.#values.delete(key);
        else this.#values.set(key, value);
      }
    }
    this.version = this.#before + version;
  }
}

class EmptyFeed<V> implements Feed<V> {
  readonly version = 0;

  get(): V | undefined {
    return undefined;
  }

  entries(): Iterable<readonly [string, V]> {
    return [];
  }

  ask(): Promise<void> {
    return Promise.resolve();
  }
}

const empty = new EmptyFeed<never>();

/** Where nobody publishes: `check` and `explain` compile too. */
export const noFeeds: Feeds = { find: <V>() => empty as Feed<V> };
