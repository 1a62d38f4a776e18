import type { Limiter, LimitUse } from '../plan/limiter.ts';
import { NANOSECONDS, RateVerdict, rateLimit } from '../semantics/rate.ts';
import type { StoredLimit } from './stored-limit.ts';

/** Some 5 MB. Past it a key is forgotten: it may have as much again as its share was. */
const MAX_KEYS = 20_000;
/** Workers come back within this of one another: only the first of a machine tells what they all have granted. */
const ONCE_MS = 2500;
const once = rateLimit(1, ONCE_MS, 1);
/** Keeps the marks of who has told apart from what is told. */
const TOLD = 0x2b7e1516;

export interface Debt {
  readonly limit: StoredLimit;
  readonly key: string;
}

/** Keys that this machine has granted something while the store was away, until the store is told. */
export class LimitDebts {
  readonly #local: Limiter;
  readonly #debts = new Map<string, Debt>();
  readonly #verdict = new RateVerdict();

  constructor(local: Limiter) {
    this.#local = local;
  }

  get size(): number {
    return this.#debts.size;
  }

  /** False: there are too many. */
  add(limit: StoredLimit, key: string): boolean {
    const name = nameOf(limit, key);
    if (this.#debts.has(name)) return true;
    if (this.#debts.size >= MAX_KEYS) return false;
    this.#debts.set(name, { limit, key });
    return true;
  }

  /** True: it was there, and is not any more. */
  remove(limit: StoredLimit, key: string): boolean {
    return this.#debts.delete(nameOf(limit, key));
  }

  /** Some of them, which stay. */
  some(count: number): Debt[] {
    return this.#debts.values().take(count).toArray();
  }

  /** The store was told, and may not have heard it: somebody has to tell it again. */
  untold({ limit, key }: Debt): void {
    this.#local.charge(markOf(limit), key, -1);
  }

  /** What is missing in this machine's bucket, in requests; 0: nothing is, or another worker has told it. */
  amount({ limit, key }: Debt, instances: number): number {
    const verdict = this.#verdict;
    const share = limit.share(instances, 1);
    void this.#local.take(share, key, 0, verdict);
    const { algorithm, interval, limit: room } = share.rate;
    // A look at a gcra bucket tells the time until it is full, which is exact; of a window, whole requests.
    const missing =
      algorithm === 'gcra' ? (verdict.resetAfter * NANOSECONDS) / interval : Math.floor(room - verdict.remaining);
    if (missing <= 0) return 0;
    void this.#local.take(markOf(limit), key, 1, verdict);
    return verdict.allowed ? missing : 0;
  }
}

function markOf({ use }: StoredLimit): LimitUse {
  return { id: (use.id ^ TOLD) >>> 0, name: use.name, rate: once };
}

function nameOf(limit: StoredLimit, key: string): string {
  return `${limit.use.id}:${key}`;
}
