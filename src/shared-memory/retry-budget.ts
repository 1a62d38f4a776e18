import type { Further, RetryBudget, RetryBudgetOptions } from '../plan/retry-budget.ts';
import type { WorkerCell } from './metrics.ts';
import type { NamedSlot, NamedSlots } from './named-slots.ts';
import { RollingCounts } from './rolling-counts.ts';

/** Words of a record, behind its gauges. */
const DENIED = 3;
const HEDGES = 4;
const COUNTS = 6;
const CALLS = 0;
const FURTHER = 1;
const COUNTERS = 2;

const WINDOW_MS = 10_000;

const KEY = 'retries ';

/** What budgets count with. */
export type RetryMeter = Pick<WorkerCell, 'callRetried'>;

/** Opens the budgets of a worker. */
export class RetryBudgets {
  readonly #states: NamedSlots;
  readonly #clock: () => number;
  readonly #meter: RetryMeter;

  /** `clock`: milliseconds, the same in all workers. */
  constructor(states: NamedSlots, clock: () => number, meter: RetryMeter) {
    this.#states = states;
    this.#clock = clock;
    this.#meter = meter;
  }

  open(options: RetryBudgetOptions): RetryBudget {
    const slot = this.#states.acquire(KEY + options.upstream);
    return new SharedBudget(slot, options, this.#clock, this.#meter, () => this.#states.release(slot));
  }
}

/** Counts calls and further attempts of the last ten seconds, and gives so many of these as their share allows. */
class SharedBudget implements RetryBudget {
  isClosed = false;
  readonly #slot: NamedSlot;
  readonly #counts: RollingCounts;
  readonly #options: RetryBudgetOptions;
  readonly #clock: () => number;
  readonly #meter: RetryMeter;
  readonly #release: () => void;

  constructor(
    slot: NamedSlot,
    options: RetryBudgetOptions,
    clock: () => number,
    meter: RetryMeter,
    release: () => void,
  ) {
    this.#slot = slot;
    this.#counts = new RollingCounts(slot.words, COUNTS, COUNTERS, WINDOW_MS);
    this.#options = options;
    this.#clock = clock;
    this.#meter = meter;
    this.#release = release;
  }

  called(): void {
    this.#counts.advance(this.#clock());
    this.#counts.add(CALLS, 1);
  }

  take(kind: Further): boolean {
    const { share, minimum, series } = this.#options;
    const now = this.#clock();
    this.#counts.advance(now);
    // Before it is compared: two workers that want the last one both see what the other has taken.
    this.#counts.add(FURTHER, 1);
    const given = this.#counts.sum(FURTHER, now);
    const calls = this.#counts.sum(CALLS, now);
    if (given < 0 || calls < 0 || given > Math.max(share * calls, (minimum * WINDOW_MS) / 1000)) {
      this.#counts.add(FURTHER, -1);
      Atomics.add(this.#slot.words, DENIED, 1);
      return false;
    }
    if (kind === 'hedge') Atomics.add(this.#slot.words, HEDGES, 1);
    this.#meter.callRetried(series);
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#release();
  }
}

export interface RetryBudgetReading {
  readonly upstream: string;
  /** Further attempts that were not made because there was nothing left. */
  readonly denied: number;
  /** Attempts that were made because the first one was slow. */
  readonly hedges: number;
}

/** For the main thread: of all upstreams that have one. */
export function readRetryBudgets(states: NamedSlots): RetryBudgetReading[] {
  return states
    .names()
    .filter((name) => name.startsWith(KEY))
    .map((name) => {
      const slot = states.acquire(name);
      const denied = Atomics.load(slot.words, DENIED) >>> 0;
      const hedges = Atomics.load(slot.words, HEDGES) >>> 0;
      states.release(slot);
      return { upstream: name.slice(KEY.length), denied, hedges };
    });
}
