import type { UsageCounter, UsageVerdict, UsageWindow } from '../plan/usage.ts';
import { UsageTable } from './usage.ts';
import type { UsageSegments } from './usage-segments.ts';

/** Quotas of one process, exact over its workers: the side of one worker. */
export class SharedUsage implements UsageCounter {
  readonly #calendar: UsageTable;
  readonly #rolling: UsageTable;
  readonly #now: () => number;

  /** `worker`: above 0 and different in every worker. `now`: milliseconds since the epoch. */
  constructor({ calendar, rolling }: UsageSegments, worker: number, now: () => number = Date.now) {
    this.#calendar = new UsageTable(calendar, worker);
    this.#rolling = new UsageTable(rolling, worker);
    this.#now = now;
  }

  take(window: UsageWindow, subject: string, plan: number, limit: number, cost: number, verdict: UsageVerdict): void {
    const { clock } = window;
    const now = this.#now();
    clock.moveTo(now);
    const { stamp, span } = clock;
    const table = span === 1 ? this.#calendar : this.#rolling;
    const endsAt = span === 1 ? clock.end : clock.leavesAt(stamp);
    const made = table.take(window.id, subject, plan, stamp, span, endsAt, now, limit, cost);
    verdict.allowed = made.allowed;
    verdict.used = made.used;
    verdict.fallsAt = clock.leavesAt(made.oldest);
    verdict.retryAt = made.allowed ? 0 : clock.leavesAt(made.blocking);
  }

  giveBack(window: UsageWindow, subject: string, cost: number): void {
    const { clock } = window;
    const now = this.#now();
    clock.moveTo(now);
    const { stamp, span } = clock;
    const table = span === 1 ? this.#calendar : this.#rolling;
    // Nobody's plan: it stands there already, or it does not matter.
    table.take(window.id, subject, 0, stamp, 1, clock.leavesAt(stamp), now, Number.POSITIVE_INFINITY, -cost);
  }
}
