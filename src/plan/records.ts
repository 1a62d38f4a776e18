import type { Closable } from './policy.ts';

/**
 * Small sets of named records that operators change while the gateway runs: API keys, revocations. The main thread alone
 * reads and writes them; workers see what is published to them (`feed.ts`). Embedded for one machine, or in Redis for many.
 */
export interface Records {
  /**
   * Everything that has not expired. While the store is out of reach (`state.failure`) it may be what was known last, or
   * rejects with `RecordsError`.
   */
  list(collection: string): Promise<ReadonlyMap<string, RecordValue>>;
  /** Overwrites. `expiresAt`: milliseconds since the epoch, after which the record is gone; null: never. */
  put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void>;
  /** False: there was none. */
  remove(collection: string, id: string): Promise<boolean>;
  /**
   * Calls back soon (well within a second) after records were changed by whoever, other processes and machines too, and
   * after a lost connection has come back: read them again. It does not tell which: collections are small.
   */
  watch(collection: string, changed: () => void): Closable;
  /** For `status`: reachable or not, and since when. */
  readonly state: RecordsState;
  close(): Promise<void>;
}

/** Plain JSON. */
export type RecordValue = Readonly<Record<string, unknown>>;

export interface RecordsState {
  /** `memory`, `sqlite`, `redis`. */
  readonly kind: string;
  /** Null: it works. Words for an operator, without credentials. */
  readonly failure: string | null;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** The store cannot be reached, refuses, or answers what makes no sense. */
export class RecordsError extends Error {}
