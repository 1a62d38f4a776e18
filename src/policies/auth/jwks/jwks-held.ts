import type { Clock } from '../../../base/clock.ts';
import type { Closable } from '../../../plan/policy.ts';
import type { PublicJwk } from './jwks-feed.ts';

/** The keys that are in use, for as long as they may be. */
export class HeldKeys {
  keys: readonly PublicJwk[] = [];
  /** Milliseconds since the epoch; null: there are none. */
  obtainedAt: number | null = null;
  until = 0;
  /** Tells whether an answer brought anything new, in whatever order its keys come. */
  fingerprint = '';
  readonly #clock: Clock;
  readonly #expired: () => void;
  #expiry: Closable | null = null;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  has(kid: string): boolean {
    return this.keys.some((key) => key.kid === kid);
  }

  hold(keys: readonly PublicJwk[], obtainedAt: number, until: number): void {
    this.keys = keys;
    this.obtainedAt = obtainedAt;
    this.until = until;
    this.fingerprint = fingerprintOf(keys);
    this.#expiry?.close();
    this.#expiry = this.#clock.after(until - this.#clock.now(), () => {
      this.keys = [];
      this.obtainedAt = null;
      this.fingerprint = '';
      this.#expired();
    });
  }

  close(): void {
    this.#expiry?.close();
  }
}

function fingerprintOf(keys: readonly PublicJwk[]): string {
  return keys
    .map((key) => JSON.stringify(key))
    .sort()
    .join();
}
