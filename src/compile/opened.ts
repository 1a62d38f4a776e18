import type { Circuit } from '../plan/breaker.ts';
import type { RetryBudget } from '../plan/retry-budget.ts';

/** What a plan has opened in shared memory, to be closed with it; some of it is opened while it serves, and closed again. */
export class Opened {
  readonly #all = new Set<Circuit | RetryBudget>();
  #sweepAt = 64;

  add<T extends Circuit | RetryBudget>(one: T): T {
    this.#all.add(one);
    if (this.#all.size > this.#sweepAt) this.#sweep();
    return one;
  }

  release(): void {
    for (const each of this.#all) each.close();
    this.#all.clear();
  }

  #sweep(): void {
    for (const each of this.#all) if (each.isClosed) this.#all.delete(each);
    this.#sweepAt = Math.max(64, this.#all.size * 2);
  }
}
