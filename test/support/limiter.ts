import type { LimitCounts, Limiter, LimitOutcome, LimitUse } from '../../src/plan/limiter.ts';
import { charge, NANOSECONDS, type RateVerdict, take } from '../../src/semantics/rate.ts';

/** Limits in a map, with time that passes when a test says so. */
export class TestLimiter implements Limiter {
  /** Milliseconds. */
  now = 1_000_000;
  /** Set: answers come by a promise, as from a network. */
  isSlow = false;
  readonly states = new Map<string, number>();

  take(use: LimitUse, key: string, cost: number, verdict: RateVerdict): void | Promise<void> {
    if (this.isSlow) return Promise.resolve().then(() => this.#take(use, key, cost, verdict));
    this.#take(use, key, cost, verdict);
  }

  charge({ id, rate }: LimitUse, key: string, cost: number): void {
    const name = `${id} ${key}`;
    this.states.set(name, charge(rate, this.states.get(name) ?? 0, this.now * NANOSECONDS, cost));
  }

  #take({ id, rate }: LimitUse, key: string, cost: number, verdict: RateVerdict): void {
    const name = `${id} ${key}`;
    take(rate, this.states.get(name) ?? 0, this.now * NANOSECONDS, cost, verdict);
    if (verdict.allowed && cost > 0) this.states.set(name, verdict.state);
  }
}

/** Counts by `scope name outcome`. */
export class TestLimitCounts implements LimitCounts {
  readonly counts: Record<string, number> = {};
  readonly #names: string[] = [];

  seriesOf(scope: string, name: string): number {
    return this.#names.push(`${scope} ${name}`) - 1;
  }

  count(series: number, outcome: LimitOutcome): void {
    const name = `${this.#names[series]} ${outcome}`;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}
