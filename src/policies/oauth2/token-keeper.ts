import type { Closable } from '../../plan/policy.ts';
import { type ObtainedToken, TokenFailure } from './client-credentials.ts';

/** A token that workers may use: the one entry of the feed `token`. */
export interface PublishedToken {
  readonly authorization: string;
  /** Milliseconds since the epoch, some while before the server's own time. */
  readonly expiresAt: number;
  /** Names it, in questions about it. */
  readonly generation: number;
}
export const TOKEN_FEED = 'token';
export const CURRENT = 'current';

/** The share of its life after which a token is replaced: early enough to try again, and not for all gateways at once. */
const REFRESH_FROM = 0.7;
const REFRESH_UNTIL = 0.85;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** A token that a service refused is not replaced before it is so old: the service may refuse for other reasons. */
const MIN_AGE_MS = 10_000;
const MIN_LIFETIME_MS = 1_000;
/** A token must not end on its way. */
const MARGIN_MS = 5_000;

export interface KeeperState {
  /** Milliseconds since the epoch; null: there is no token. */
  readonly expiresAt: number | null;
  /** Null: the last attempt went well, or there was none yet. */
  readonly failure: string | null;
}

export interface KeeperOptions {
  obtain(): Promise<ObtainedToken>;
  publish(token: PublishedToken): void;
  problem(message: string): void;
}

/** Keeps one token fresh on the main thread, for all workers: one request at a time, ahead of its end. */
export class TokenKeeper implements Closable {
  /** Resolves when the first attempt has ended. */
  readonly settled: Promise<void>;
  readonly #options: KeeperOptions;
  #token: PublishedToken | null = null;
  #obtainedAt = 0;
  #underWay: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;
  #failure: string | null = null;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.settled = this.#obtain();
  }

  get state(): KeeperState {
    return { expiresAt: this.#token?.expiresAt ?? null, failure: this.#failure };
  }

  /** A service refused the token of that generation: another one may do. */
  async replace(generation: number): Promise<void> {
    const token = this.#token;
    if (this.#closed || token === null || token.generation !== generation) return;
    if (this.#underWay === null && (Date.now() - this.#obtainedAt < MIN_AGE_MS || this.#failures > 0)) return;
    await this.#obtain();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #obtain(): Promise<void> {
    this.#underWay ??= this.#attempt().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #attempt(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    try {
      const { authorization, lifetime } = await this.#options.obtain();
      if (this.#closed) return;
      const usable = Math.max(lifetime, MIN_LIFETIME_MS);
      this.#obtainedAt = Date.now();
      const expiresAt = this.#obtainedAt + usable - Math.min(MARGIN_MS, usable * (1 - REFRESH_UNTIL));
      this.#token = { authorization, expiresAt, generation: (this.#token?.generation ?? 0) + 1 };
      this.#options.publish(this.#token);
      if (this.#failure !== null) this.#options.problem('upstream credentials: there is a token again');
      this.#failures = 0;
      this.#failure = null;
      this.#again(usable * (REFRESH_FROM + Math.random() * (REFRESH_UNTIL - REFRESH_FROM)));
    } catch (error) {
      if (this.#closed) return;
      this.#fail(error instanceof TokenFailure ? error.message : String(error));
    }
  }

  #fail(failure: string): void {
    if (failure !== this.#failure) this.#options.problem(`upstream credentials: no token: ${failure}`);
    this.#failure = failure;
    const wait = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LAST_RETRY_MS);
    this.#failures++;
    this.#again(wait * (0.5 + Math.random() / 2));
  }

  #again(wait: number): void {
    this.#timer = setTimeout(() => void this.#obtain(), wait).unref();
  }
}
