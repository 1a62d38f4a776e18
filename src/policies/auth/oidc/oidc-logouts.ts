import { hash } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import type { FeedPublisher } from '../../../plan/feed.ts';
import type { Closable, Supervised } from '../../../plan/policy.ts';
import type { Records } from '../../../plan/records.ts';
import type { Outage } from '../outage.ts';
import type { LogoutHint } from './oidc-feeds.ts';

const COLLECTION = 'oidc-logouts';
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export interface LogoutsOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** No session lives longer, and so need not what ends it. */
  readonly ttl: number;
}

/**
 * Which sessions have ended before their time, on the main thread: kept in the store, so that every machine hears of it
 * and a restart forgets nothing, and published to workers. What the store does not take yet holds on this machine.
 */
export class Logouts implements Supervised {
  readonly settled: Promise<void>;
  readonly #options: LogoutsOptions;
  readonly #records: Records;
  readonly #feed: FeedPublisher<number>;
  readonly #outage: Outage;
  readonly #clock: Clock;
  readonly #watch: Closable;
  /** Whatever comes in late or twice, none of them moves back: sessions that have ended would live again. */
  #ends = new Map<string, number>();
  readonly #unsaved = new Set<string>();
  #next: Closable = { close: () => undefined };
  #pause = FIRST_PAUSE_MS;
  #reading: Promise<void> | null = null;
  #changedMeanwhile = false;
  #isRead = false;
  #closed = false;

  constructor(options: LogoutsOptions, records: Records, feed: FeedPublisher<number>, outage: Outage, clock: Clock) {
    this.#options = options;
    this.#records = records;
    this.#feed = feed;
    this.#outage = outage;
    this.#clock = clock;
    // Before the first reading, so that no change falls between the two.
    this.#watch = records.watch(COLLECTION, () => void this.#read());
    this.settled = this.#read();
  }

  async add(hint: string): Promise<void> {
    const { key, at }: LogoutHint = JSON.parse(hint);
    if ((this.#ends.get(key) ?? Number.NEGATIVE_INFINITY) < at) {
      this.#ends.set(key, at);
      this.#unsaved.add(key);
      // Before the first reading workers are to know that they do not know.
      if (this.#isRead) this.#feed.update([[key, at]]);
    }
    try {
      if (this.#unsaved.has(key)) await this.#save(key);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  report(): { readonly known: number; readonly unsaved: number } {
    return { known: this.#ends.size, unsaved: this.#unsaved.size };
  }

  close(): void | Promise<void> {
    this.#closed = true;
    void this.#next.close();
    return this.#watch.close();
  }

  async #save(key: string): Promise<void> {
    const at = this.#ends.get(key);
    const { issuer, clientId, ttl } = this.#options;
    const id = hash('sha256', JSON.stringify([issuer, clientId, key]), 'base64url');
    await this.#records.put(COLLECTION, id, { issuer, clientId, key, at }, this.#clock.now() + ttl);
    // A later end may have come in while this one was written.
    if (this.#ends.get(key) === at) this.#unsaved.delete(key);
  }

  #read(): Promise<void> {
    this.#changedMeanwhile = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    void this.#next.close();
    try {
      while (this.#changedMeanwhile && !this.#closed) {
        this.#changedMeanwhile = false;
        for (const key of [...this.#unsaved]) await this.#save(key);
        await this.#publish();
      }
      this.#pause = FIRST_PAUSE_MS;
      this.#outage.works();
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  async #publish(): Promise<void> {
    const { issuer, clientId } = this.#options;
    const ends = new Map<string, number>();
    for (const value of (await this.#records.list(COLLECTION)).values()) {
      const { key, at } = value;
      if (value.issuer !== issuer || value.clientId !== clientId) continue;
      // Another machine may have written an earlier one over it.
      if (typeof key === 'string' && typeof at === 'number') ends.set(key, Math.max(at, this.#ends.get(key) ?? at));
    }
    for (const key of this.#unsaved) ends.set(key, this.#ends.get(key) as number);
    if (this.#closed) return;
    this.#ends = ends;
    this.#isRead = true;
    this.#feed.replace(ends);
  }

  #failed({ message }: Error): void {
    if (this.#closed) return;
    this.#outage.failed(`ended sessions cannot be shared: ${message}`);
    void this.#next.close();
    this.#next = this.#clock.after(this.#pause, () => void this.#read());
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
