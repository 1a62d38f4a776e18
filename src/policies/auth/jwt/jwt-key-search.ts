import type { Feed } from '../../../plan/feed.ts';

/** Requests that wait for an issuer's keys, in one worker: more would be its memory. */
export const MAX_WAITING = 1_000;
/** Key ids that are asked for at once. Issuers have a new one or two; whoever makes them up has any number. */
export const MAX_LOOKS = 16;
/** Looking again so soon after nothing was found would find nothing: the main thread pauses for longer (`jwks-source.ts`). */
const PAUSE_MS = 100;

/** The search for missing keys of one issuer. Anybody can cause it with a token of nobody's, so it has bounds. */
export class KeySearch {
  readonly #feed: Pick<Feed<unknown>, 'ask' | 'version'>;
  readonly #now: () => number;
  readonly #looks = new Map<string, Promise<void>>();
  #latest: Promise<void> = Promise.resolve();
  #waiting = 0;
  #pauseUntil = Number.NEGATIVE_INFINITY;
  /** Of the feed, when the last look found nothing. */
  #vainVersion = -1;

  /** `now`: monotonic milliseconds; tests have their own. */
  constructor(feed: Pick<Feed<unknown>, 'ask' | 'version'>, now: () => number = monotonic) {
    this.#feed = feed;
    this.#now = now;
  }

  /** Null: there is nothing to be found at the moment. */
  ask(hint: string): Promise<void> | 'busy' | null {
    if (this.#feed.version === this.#vainVersion && this.#now() < this.#pauseUntil) return null;
    if (this.#waiting >= MAX_WAITING) return 'busy';
    return this.#wait(this.#looks.get(hint) ?? this.#look(hint));
  }

  #look(hint: string): Promise<void> {
    // Each look gets all that the issuer has.
    if (this.#looks.size >= MAX_LOOKS) return this.#latest;
    const { version } = this.#feed;
    const look = this.#feed.ask(hint).then(() => {
      this.#looks.delete(hint);
      if (this.#feed.version !== version) return;
      this.#vainVersion = version;
      this.#pauseUntil = this.#now() + PAUSE_MS;
    });
    this.#looks.set(hint, look);
    this.#latest = look;
    return look;
  }

  async #wait(look: Promise<void>): Promise<void> {
    this.#waiting++;
    await look;
    this.#waiting--;
  }
}

function monotonic(): number {
  return performance.now();
}
