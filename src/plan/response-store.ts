/**
 * Where responses are kept for all workers: once in memory, whoever fetched them. What a response means (its freshness,
 * its variants) is in bytes that the store does not look into.
 */
export interface ResponseStore {
  /** Largest response in bytes, head and body together; a larger one is not stored. */
  readonly maxEntry: number;

  /** The complete response under this key; null: there is none. It cannot change until it is released. */
  find(key: string): StoredResponse | null;

  /**
   * Who fetches this key? Over all workers one at a time: a `Fill` for whoever comes first, a `Flight` for those who come
   * while it is under way. What is stored under the key already stays findable until the fill takes its place.
   *
   * Who leads looks again before it asks anybody: another fill may have been committed since its `find`. A fetch that
   * began before a purge of its key is not followed any more.
   */
  begin(key: string): Fill | Flight;

  /** What is stored under this key is gone, and what is being fetched for it now will not be stored. */
  remove(key: string): void;

  /** The same for many; answers how many there were. By a key it is done before this returns. */
  purge(purge: ResponsePurge): Promise<number>;

  /**
   * The same response is good for another time (304): its meta data is replaced, its body stays. `version`: of the response
   * that was asked about; false: there is another one by now, or none.
   */
  refresh(key: string, meta: Uint8Array, version: number): boolean;
}

export interface ResponsePurge {
  readonly by: 'key' | 'prefix' | 'tag' | 'all';
  /** The key, how keys begin, or the tag; means nothing for `all`. */
  readonly value: string;
  /** They stay, as stale ones. What is being fetched now is not stored in either case. */
  readonly soft: boolean;
}

/** Bytes are views into memory that others write to after `release`. */
export interface StoredResponse {
  readonly meta: Buffer;
  readonly body: Buffer;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  /** No other response under its key has the same. */
  readonly version: number;
  /** Purged softly: it has to be validated before it is used, and may be served stale. */
  readonly isStale: boolean;
  release(): void;
}

export interface Fill {
  readonly leads: true;
  /**
   * The head has come. `key`: under which the response will be found, which may be that of a variant; `tags`: by which it
   * can be purged; `length`: of the body in bytes, -1 when unknown. False: there is no room for it, and the fill is over.
   */
  open(key: string, meta: Uint8Array, tags: readonly string[], length: number): boolean;
  /** False: it became too large, and the fill is over. */
  append(bytes: Uint8Array, start: number, end: number): boolean;
  /** The response is whole: from here on it is found, unless a purge came between. Those who wait get its end either way. */
  commit(): void;
  /** It will not be stored: those who wait go on their own. */
  abandon(): void;
}

export interface Flight {
  readonly leads: false;
  /** Once. What has come already comes again first, during this call. */
  follow(follower: FlightFollower): void;
  /** The follower takes data again. */
  resume(): void;
  /** It is not interested any more. */
  leave(): void;
}

/** One who waits for a fetch of somebody else. */
export interface FlightFollower {
  /** `key`: see `Fill.open`. False: this is not the response it needs, it leaves. */
  head(key: string, meta: Buffer, length: number): boolean;
  /** False: stop until `Flight.resume`. The bytes are its only during the call. */
  data(bytes: Buffer): boolean;
  end(): void;
  /** The response will not be complete, or will not be stored: before `head` the follower asks on its own. */
  gone(): void;
  /** Instead of `head`: this was asked for before a purge that is about it, and the follower came after. It begins again. */
  outdated(): void;
}
