import type { Feed } from '../plan/feed.ts';
import { ALL_PURGED, LATEST_PURGE, PREFIXES, PURGE_COUNT, type SharedResponse } from '../plan/shared-responses.ts';

/** In memory that the main thread shares with its workers: how many purges it knows of; -1: it does not hear of them. */
export const PURGE_COUNT_BYTES = 4;

/** A worker's view of what was purged of what machines share. */
export class KnownPurges {
  readonly #feed: Feed<unknown>;
  readonly #count: Int32Array;

  constructor(feed: Feed<unknown>, count: SharedArrayBuffer) {
    this.#feed = feed;
    this.#count = new Int32Array(count);
  }

  /** Nothing was purged that is not known here. */
  get areComplete(): boolean {
    const count = Atomics.load(this.#count, 0);
    return count >= 0 && this.#feed.get(PURGE_COUNT) === count;
  }

  get latest(): string {
    return this.#id(LATEST_PURGE);
  }

  hasPurged({ purgeKey, tags, since }: SharedResponse): boolean {
    if (this.#id(ALL_PURGED) > since || this.#id(`key ${purgeKey}`) > since) return true;
    if (tags.some((tag) => this.#id(`tag ${tag}`) > since)) return true;
    const prefixes = (this.#feed.get(PREFIXES) ?? []) as readonly (readonly [prefix: string, id: string])[];
    return prefixes.some(([prefix, id]) => id > since && purgeKey.startsWith(prefix));
  }

  #id(name: string): string {
    return (this.#feed.get(name) as string | undefined) ?? '';
  }
}
