import { isDeepStrictEqual } from 'node:util';
import type { FeedPublisher } from '../../../plan/feed.ts';
import type { IdentifierSuperviseEnv } from '../../../plan/identifier.ts';
import type { Closable, Supervised } from '../../../plan/policy.ts';
import type { RecordValue } from '../../../plan/records.ts';
import { parseKey } from '../../../semantics/api-key.ts';
import { CONFIGURED_FEED, type ConfiguredKey, PEPPERS_FEED, STORED_FEED, type StoredKey } from './key-feed.ts';
import { KEYS_COLLECTION, pepperOf, readKeyRecord } from './key-record.ts';
import { type Peppers, peppersOf, readPepper } from './peppers.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** How the stored keys of an entry are, for `sluice status`. */
export interface KeysReport {
  /** Null: never. */
  readonly readAt: string | null;
  /** Why they cannot be read at the moment; the last known ones go on. */
  readonly failure: string | null;
  readonly keys: number;
  /** Keys that nobody can use, by reason. */
  readonly unusable: UnusableKeys;
}

interface UnusableKeys {
  /** Hashed with a pepper that is gone. */
  readonly withoutPepper: number;
  /** Not written by this program. */
  readonly unreadable: number;
}

/** Keys of the configuration: workers get their digests. `check` has refused what is no key. */
export function publishConfiguredKeys(env: IdentifierSuperviseEnv): void {
  const configured: [string, ConfiguredKey][] = [];
  for (const [consumer, { keys }] of env.consumers) {
    for (const written of keys) {
      const parsed = parseKey(written);
      if (parsed.ok) configured.push([parsed.value, { id: `config-${parsed.value.slice(0, 12)}`, consumer }]);
    }
  }
  env.feed<ConfiguredKey>(CONFIGURED_FEED).replace(configured);
}

/** Reads the stored keys of one entry whenever they change, and tells the workers what is different. */
export class KeyPublisher implements Supervised {
  readonly settled: Promise<void>;
  readonly #env: IdentifierSuperviseEnv;
  readonly #peppers: Peppers;
  readonly #storedFeed: FeedPublisher<StoredKey>;
  readonly #peppersFeed: FeedPublisher<string>;
  readonly #watch: Closable;
  #published: ReadonlyMap<string, StoredKey> | null = null;
  #publishedPeppers: ReadonlyMap<string, string> = new Map();
  #unusable: UnusableKeys = { withoutPepper: 0, unreadable: 0 };
  #readAt: number | null = null;
  #failure: string | null = null;
  #reading = false;
  #changedMeanwhile = false;
  #pause = FIRST_PAUSE_MS;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(env: IdentifierSuperviseEnv) {
    this.#env = env;
    this.#peppers = peppersOf(env.records, env.stateDirectory);
    this.#storedFeed = env.feed<StoredKey>(STORED_FEED);
    this.#peppersFeed = env.feed<string>(PEPPERS_FEED);
    env.report(() => this.#report());
    // Before the first reading, so that no change falls between the two.
    this.#watch = env.records.watch(KEYS_COLLECTION, () => void this.#read());
    this.settled = this.#read();
  }

  close(): void | Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    return this.#watch.close();
  }

  async #read(): Promise<void> {
    if (this.#reading) {
      this.#changedMeanwhile = true;
      return;
    }
    this.#reading = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    try {
      do {
        this.#changedMeanwhile = false;
        // In this order: whoever writes a key has written its pepper before.
        const records = await this.#env.records.list(KEYS_COLLECTION);
        const peppers = await this.#peppers.list();
        if (this.#closed) return;
        this.#publish(records, peppers);
        this.#recovered();
      } while (this.#changedMeanwhile);
    } catch (error) {
      this.#failed((error as Error).message);
    } finally {
      this.#reading = false;
    }
  }

  #publish(records: ReadonlyMap<string, RecordValue>, texts: readonly string[]): void {
    const peppers = new Map(texts.map((text) => [readPepper(text).id, text]));
    if (!isDeepStrictEqual(peppers, this.#publishedPeppers)) this.#peppersFeed.replace(peppers);
    this.#publishedPeppers = peppers;
    const keys = this.#select(records, peppers);
    const before = this.#published;
    this.#published = keys;
    if (before === null) {
      this.#storedFeed.replace(keys);
      return;
    }
    const changes = [...differences(before, keys)];
    if (changes.length > 0) this.#storedFeed.update(changes);
  }

  /** Those of this entry. What cannot be used is told once, when it is new. */
  #select(records: ReadonlyMap<string, RecordValue>, peppers: ReadonlyMap<string, string>): Map<string, StoredKey> {
    const keys = new Map<string, StoredKey>();
    let withoutPepper = 0;
    let unreadable = 0;
    for (const [id, value] of records) {
      const record = readKeyRecord(value);
      if (record === null) unreadable += 1;
      if (record === null || record.entry !== this.#env.entry) continue;
      if (!peppers.has(pepperOf(record.hash))) withoutPepper += 1;
      const { hash, consumer, plan, scopes, createdAt, expiresAt } = record;
      const enabled = record.enabled && record.revokedAt === null;
      keys.set(hash, { id, consumer, plan, scopes, createdAt, expiresAt, enabled });
    }
    const before = this.#unusable;
    this.#unusable = { withoutPepper, unreadable };
    if (withoutPepper > before.withoutPepper) {
      this.#env.problem(`${withoutPepper} stored keys are not usable: the pepper that they were hashed with is gone`);
    }
    if (unreadable > before.unreadable) this.#env.problem(`${unreadable} records of the store are no keys`);
    return keys;
  }

  #recovered(): void {
    if (this.#failure !== null) this.#env.problem('stored keys can be read again');
    this.#failure = null;
    this.#readAt = Date.now();
    this.#pause = FIRST_PAUSE_MS;
  }

  #failed(message: string): void {
    if (this.#closed) return;
    if (this.#failure === null) {
      const meanwhile = this.#published === null ? 'they are answered with 503' : 'the last known ones go on';
      this.#env.problem(`stored keys cannot be read, ${meanwhile}: ${message}`);
    }
    this.#failure = message;
    this.#retry = setTimeout(() => void this.#read(), this.#pause).unref();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #report(): KeysReport {
    return {
      readAt: this.#readAt === null ? null : new Date(this.#readAt).toISOString(),
      failure: this.#failure,
      keys: this.#published?.size ?? 0,
      unusable: this.#unusable,
    };
  }
}

function* differences<V>(
  before: ReadonlyMap<string, V>,
  after: ReadonlyMap<string, V>,
): Iterable<[string, V | undefined]> {
  for (const name of before.keys()) if (!after.has(name)) yield [name, undefined];
  for (const [name, value] of after) if (!isDeepStrictEqual(before.get(name), value)) yield [name, value];
}
