import type { Clock } from '../../../base/clock.ts';
import type { FeedPublisher } from '../../../plan/feed.ts';
import type { Supervised } from '../../../plan/policy.ts';
import type { Outage } from '../outage.ts';
import { METADATA } from './oidc-feeds.ts';
import type { ProviderClient, ProviderMetadata } from './oidc-provider.ts';

const REFRESH_MS = 3_600_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export interface DiscoveryReport {
  /** Null: never. */
  readonly discoveredAt: string | null;
  /** Why it cannot be found at the moment; what was found last goes on. */
  readonly failure: string | null;
}

/** Finds the provider, on the main thread: at the start, again from time to time, and when a login waits for it. */
export class Discovery implements Supervised {
  readonly settled: Promise<void>;
  readonly #client: Pick<ProviderClient, 'discover'>;
  readonly #feed: FeedPublisher<ProviderMetadata>;
  readonly #outage: Outage;
  readonly #clock: Clock;
  #metadata: ProviderMetadata | null = null;
  #text = '';
  #discoveredAt: number | null = null;
  #failure: string | null = null;
  #looking: Promise<void> | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #pause = FIRST_PAUSE_MS;
  #next = { close: (): void | Promise<void> => undefined };
  #closed = false;

  constructor(
    client: Pick<ProviderClient, 'discover'>,
    feed: FeedPublisher<ProviderMetadata>,
    outage: Outage,
    clock: Clock,
  ) {
    this.#client = client;
    this.#feed = feed;
    this.#outage = outage;
    this.#clock = clock;
    this.settled = this.#look();
  }

  /** What is known, or is found now; null: nothing. */
  async find(): Promise<ProviderMetadata | null> {
    if (this.#metadata === null) {
      // Logins that nobody can serve must not become a stream of requests to a provider in trouble.
      if (this.#looking !== null) await this.#looking;
      else if (this.#clock.now() - this.#lookedAt >= FIRST_PAUSE_MS) await this.#look();
    }
    return this.#metadata;
  }

  report(): DiscoveryReport {
    const at = this.#discoveredAt;
    return { discoveredAt: at === null ? null : new Date(at).toISOString(), failure: this.#failure };
  }

  close(): void {
    this.#closed = true;
    void this.#next.close();
  }

  #look(): Promise<void> {
    this.#looking ??= this.#try().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #try(): Promise<void> {
    void this.#next.close();
    this.#lookedAt = this.#clock.now();
    let pause = REFRESH_MS;
    try {
      this.#found(await this.#client.discover());
    } catch (error) {
      pause = this.#pause;
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
      this.#failure = (error as Error).message;
      if (!this.#closed) this.#outage.failed(`the provider cannot be found: ${this.#failure}`);
    }
    if (!this.#closed) this.#next = this.#clock.after(pause, () => void this.#look());
  }

  #found(metadata: ProviderMetadata): void {
    if (this.#closed) return;
    this.#failure = null;
    this.#pause = FIRST_PAUSE_MS;
    this.#discoveredAt = this.#clock.now();
    this.#outage.works();
    const text = JSON.stringify(metadata);
    if (text === this.#text) return;
    this.#text = text;
    this.#metadata = metadata;
    this.#feed.replace([[METADATA, metadata]]);
  }
}
