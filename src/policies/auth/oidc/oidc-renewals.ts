import type { Clock } from '../../../base/clock.ts';
import type { FeedPublisher } from '../../../plan/feed.ts';
import type { Closable } from '../../../plan/policy.ts';
import type { Outage } from '../outage.ts';
import type { Discovery } from './oidc-discovery.ts';
import { OVER, renewalKey } from './oidc-feeds.ts';
import { type ProviderClient, ProviderFailure } from './oidc-provider.ts';
import type { Seal } from './oidc-seal.ts';
import { decodeSession, encodeSession, renewSession, type Session, type SessionOptions } from './oidc-session.ts';

/** Longer than a request with an old cookie is on its way, and than a browser needs for the rest of a page. */
const KEPT_MS = 120_000;
const MAX_KEPT = 10_000;

export interface RenewalParts {
  readonly client: Pick<ProviderClient, 'refresh'>;
  readonly discovery: Pick<Discovery, 'find'>;
  readonly seal: Seal;
  readonly outage: Outage;
  readonly clock: Clock;
}

/**
 * Refreshes sessions, on the main thread: a browser's connections end in different workers, and a refresh token that two
 * of them used would be one too many for a provider that gives each only once (RFC 9700, 4.14.2).
 */
export class Renewals implements Closable {
  readonly #client: RenewalParts['client'];
  readonly #discovery: RenewalParts['discovery'];
  readonly #seal: Seal;
  readonly #options: SessionOptions;
  readonly #feed: FeedPublisher<string>;
  readonly #outage: Outage;
  readonly #clock: Clock;
  readonly #flights = new Map<string, Promise<void>>();
  /** When what was published goes, in that order. */
  readonly #published = new Map<string, number>();
  #sweep: Closable | null = null;

  constructor(parts: RenewalParts, options: SessionOptions, feed: FeedPublisher<string>) {
    this.#client = parts.client;
    this.#discovery = parts.discovery;
    this.#seal = parts.seal;
    this.#outage = parts.outage;
    this.#clock = parts.clock;
    this.#options = options;
    this.#feed = feed;
  }

  /** `hint`: the sealed session. */
  async renew(hint: string): Promise<void> {
    const opened = this.#seal.open(hint);
    const session = opened === null ? null : decodeSession(opened.text);
    if (session === null) return;
    const key = renewalKey(session);
    if (this.#published.has(key)) return;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#refresh(session, key).finally(() => this.#flights.delete(key));
      this.#flights.set(key, flight);
    }
    await flight;
  }

  close(): void {
    void this.#sweep?.close();
  }

  async #refresh(session: Session, key: string): Promise<void> {
    const metadata = await this.#discovery.find();
    // Discovery has said so.
    if (metadata === null || session.refreshToken === null) return;
    try {
      const grant = await this.#client.refresh(metadata, session.refreshToken, session.subject);
      const renewed = renewSession(session, grant, this.#options, this.#clock.now());
      this.#publish(key, this.#seal.seal(encodeSession(renewed)));
      this.#outage.works();
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      if (error.reason === 'refused') this.#publish(key, OVER);
      else this.#outage.failed(`sessions cannot be refreshed: ${error.message}`);
    }
  }

  #publish(key: string, value: string): void {
    const changes: [string, string | undefined][] = [[key, value]];
    this.#published.set(key, this.#clock.now() + KEPT_MS);
    if (this.#published.size > MAX_KEPT) {
      const [oldest] = this.#published.keys();
      if (oldest !== undefined) {
        this.#published.delete(oldest);
        changes.push([oldest, undefined]);
      }
    }
    this.#feed.update(changes);
    this.#sweep ??= this.#clock.after(KEPT_MS, () => this.#forget());
  }

  #forget(): void {
    const now = this.#clock.now();
    const gone: [string, undefined][] = [];
    for (const [key, until] of this.#published) {
      if (until > now) break;
      this.#published.delete(key);
      gone.push([key, undefined]);
    }
    if (gone.length > 0) this.#feed.update(gone);
    this.#sweep = this.#published.size === 0 ? null : this.#clock.after(KEPT_MS, () => this.#forget());
  }
}
