/**
 * What the supervisor knows and every worker needs: keys of an issuer, API keys, revocations. A feed is a map that is
 * filled on the main thread and looked into by workers, without a message on the way of a request.
 */

/** A worker's side. */
export interface Feed<V> {
  get(key: string): V | undefined;
  entries(): Iterable<readonly [string, V]>;
  /** Goes up with every publication; 0: nothing was published yet. What was derived under another version is stale. */
  readonly version: number;
  /**
   * Something is missing that the supervisor may find (an unknown key id): resolves when it has looked, and what it found
   * has been published. It never rejects, and at most one look is under way for one hint.
   */
  ask(hint: string): Promise<void>;
}

/** The main thread's side. Values are plain data (structured clone) and are not changed after they were published. */
export interface FeedPublisher<V> {
  /** Takes the place of everything. */
  replace(entries: Iterable<readonly [string, V]>): void;
  /** Changes some; `undefined` removes. */
  update(entries: Iterable<readonly [string, V | undefined]>): void;
}

/** Looks for what a worker misses. What it throws is logged. */
export type FeedAnswer = (hint: string) => Promise<void>;
