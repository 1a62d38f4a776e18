import type { Identity } from '../../plan/exchange.ts';
import type { Feed } from '../../plan/feed.ts';
import type { RevocationKind, Revocations } from '../../plan/identifier.ts';

/** What workers know of a revocation; its key in the feed is `revocationKey`. */
export interface Revoked {
  /** Seconds since the epoch: what was issued later is good. Null: nothing is. */
  readonly before: number | null;
  /** Milliseconds since the epoch at which it ends; null: never. */
  readonly until: number | null;
}

export function revocationKey(kind: RevocationKind, id: string): string {
  return `${kind} ${id}`;
}

/** A worker's view of what was revoked. */
export class FeedRevocations implements Revocations {
  readonly #feed: Feed<Revoked>;

  constructor(feed: Feed<Revoked>) {
    this.#feed = feed;
  }

  get version(): number {
    return this.#feed.version;
  }

  isRevoked(kind: RevocationKind, id: string, at: number | null): boolean {
    const revoked = this.#feed.get(revocationKey(kind, id));
    if (revoked === undefined) return false;
    // The main thread takes it out of the feed with the next change.
    if (revoked.until !== null && revoked.until <= Date.now()) return false;
    // Times are whole seconds: what was issued within the second of the revocation may have been before it.
    return revoked.before === null || at === null || at <= revoked.before;
  }
}

/** By name or by consumer, whatever credential it comes with. `issuedAt`: seconds since the epoch; null: unknown. */
export function isCallerRevoked(
  { id, consumer }: Pick<Identity, 'id' | 'consumer'>,
  issuedAt: number | null,
  revocations: Revocations,
): boolean {
  return (
    revocations.isRevoked('subject', id, issuedAt) ||
    (consumer !== null && revocations.isRevoked('consumer', consumer, issuedAt))
  );
}
