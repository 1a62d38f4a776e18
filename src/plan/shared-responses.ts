import type { Closable } from './policy.ts';
import type { RecordsState } from './records.ts';
import type { ResponsePurge } from './response-store.ts';

/**
 * The second level: what machines share of their stored responses. Whatever is wrong with it, it has found nothing; it
 * is never an error and never waited for longer than a moment.
 */
export interface SharedResponses {
  /** `find` and `keep` are of use; else purges travel, and nothing more. */
  readonly isKept: boolean;
  /** Largest response in bytes, head and body together. */
  readonly maxEntry: number;
  /** What is known of purges at the moment: for `SharedResponse.since`, before its response is asked for. */
  readonly known: string;
  /** `found` is called once; null: there is none, it was purged, or the store is slow or away. */
  find(key: string, found: (response: SharedResponse | null) => void): void;
  /** For `lifetime` milliseconds at most. Whether it works or not, nobody hears. */
  keep(key: string, response: SharedResponse, lifetime: number): void;
  /** The same purge on all machines that share the store, and in it. Here it was done already. */
  announce(purge: ResponsePurge): void;
}

export interface SharedResponse {
  /** The key of `ResponseStore` by which purges know it. */
  readonly purgeKey: string;
  readonly tags: readonly string[];
  /** Purges that came after this are about it too. */
  readonly since: string;
  readonly meta: Buffer;
  readonly body: Buffer;
}

/** Each machine is on its own. */
export const noSharedResponses: SharedResponses = {
  isKept: false,
  maxEntry: 0,
  known: '',
  find: (_key, found) => found(null),
  keep: () => undefined,
  announce: () => undefined,
};

/**
 * The purges of all machines in one order, so that one that was away learns what it has missed. On the main thread; what
 * is read goes to a listener, one's own purges too.
 */
export interface PurgeLog extends Closable {
  /** Resolves when others can know of them. Rejects with `RecordsError` while that cannot be. */
  add(purges: readonly ResponsePurge[]): Promise<void>;
  /** For `status`: reachable or not, and since when. */
  readonly state: RecordsState;
}

export interface LoggedPurge {
  /** Greater than that of any before it, compared as text. */
  readonly id: string;
  readonly purge: ResponsePurge;
}

export interface PurgeListener {
  /**
   * In order. `isKnown`: these are all there were since the last ones; false: others may have been lost, and whatever
   * could have been purged has to be taken for purged. The first call after a start is about what was before it.
   */
  heard(purges: readonly LoggedPurge[], isKnown: boolean): void;
  /** From now on purges may come that nobody here hears of, until `heard` is called again. */
  away(): void;
}

/** The feed by which workers learn what was purged of what machines share. */
export const PURGES_FEED = { owner: 'responses', name: 'purges' } as const;
/** Its keys: these, and `purgeName` of what was purged. Values are ids of `LoggedPurge`. */
export const LATEST_PURGE = 'latest';
/** What is not newer than this is not to be believed. */
export const ALL_PURGED = 'all';
/** How many purges there were: workers compare it with what stands in memory that they share with the main thread. */
export const PURGE_COUNT = 'count';
export const PREFIXES = 'prefixes';

export function purgeName({ by, value }: ResponsePurge): string {
  return by === 'all' ? ALL_PURGED : `${by} ${value}`;
}
