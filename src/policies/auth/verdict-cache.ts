import { hash } from 'node:crypto';
import { ExpiringMap } from './expiring-map.ts';

/** What a slow or distant judge said about a credential, and for how long that may be repeated. */
export interface Verdict<V> {
  readonly value: V;
  readonly isGood: boolean;
  /** Milliseconds; 0: not kept. */
  readonly ttl: number;
}

export interface VerdictCacheOptions {
  readonly goodEntries: number;
  readonly badEntries: number;
  /** Monotonic milliseconds; tests have their own. */
  now?(): number;
}

/**
 * Verdicts by digest of a credential: bounded in number, and while one is being found everybody who asks for the same
 * waits for that one. Bad ones are kept apart, since whoever invents credentials could push the good ones out.
 */
export class VerdictCache<V extends object> {
  readonly #good: ExpiringMap<V>;
  readonly #bad: ExpiringMap<V>;
  readonly #flights = new Map<string, Promise<V>>();
  readonly #now: () => number;

  constructor({ goodEntries, badEntries, now = monotonic }: VerdictCacheOptions) {
    this.#good = new ExpiringMap(goodEntries);
    this.#bad = new ExpiringMap(badEntries);
    this.#now = now;
  }

  /** A verdict that still holds. */
  get(key: string): V | undefined {
    const now = this.#now();
    return this.#good.get(key, now) ?? this.#bad.get(key, now);
  }

  /** Has the judge find the verdict, unless it is doing so already. What it throws reaches everybody who waits. */
  find(key: string, judge: () => Promise<Verdict<V>>): Promise<V> {
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      flight = this.#judge(key, judge);
      this.#flights.set(key, flight);
    }
    return flight;
  }

  async #judge(key: string, judge: () => Promise<Verdict<V>>): Promise<V> {
    try {
      const { value, isGood, ttl } = await Promise.try(judge);
      if (ttl > 0) (isGood ? this.#good : this.#bad).set(key, value, this.#now() + ttl);
      return value;
    } finally {
      this.#flights.delete(key);
    }
  }
}

function monotonic(): number {
  return performance.now();
}

/**
 * A key for what a verdict depends on. Credentials are not kept for it, and no two lists of parts run together to the
 * same text: each has its length before it, and one that is absent is not one that is empty.
 */
export function verdictKey(parts: readonly (string | undefined)[]): string {
  let text = '';
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    text += part === undefined ? '-' : `${part.length}:${part}`;
  }
  return hash('sha256', text, 'base64');
}
