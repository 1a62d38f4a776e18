import type { UsageWindow } from '../plan/usage.ts';
import { createUsage, type UsageCounts, UsageTable } from './usage.ts';

/** What all workers of a process share for quotas, from its start to its end. */
export interface UsageSegments {
  readonly calendar: SharedArrayBuffer;
  readonly rolling: SharedArrayBuffer;
}

/** Subjects that are counted at once; memory of those that never come is never touched. */
const CALENDAR_SLOTS = 65_536;
const ROLLING_SLOTS = 16_384;
/** This period and the one before it: a worker whose clock reading is a little old must not undo the change. */
const CALENDAR_RING = 2;
/** Parts of a rolling period, and the one that is leaving. */
const ROLLING_RING = 25;
/** The main thread among the owners; workers are numbered from 1. */
const SUPERVISOR = 0x7fffffff;

export interface UsageSizes {
  readonly calendar: number;
  readonly rolling: number;
}

/** The main thread's side. */
export class UsageMemory {
  readonly segments: UsageSegments;
  readonly #calendar: UsageTable;
  readonly #rolling: UsageTable;

  /** `seed`: 64 random bits, so that nobody outside can aim subjects at one place. */
  constructor(
    seed: readonly [number, number],
    { calendar, rolling }: UsageSizes = { calendar: CALENDAR_SLOTS, rolling: ROLLING_SLOTS },
  ) {
    this.segments = {
      calendar: createUsage(calendar, CALENDAR_RING, seed),
      rolling: createUsage(rolling, ROLLING_RING, seed),
    };
    this.#calendar = new UsageTable(this.segments.calendar, SUPERVISOR);
    this.#rolling = new UsageTable(this.segments.rolling, SUPERVISOR);
  }

  get tables(): readonly UsageTable[] {
    return [this.#calendar, this.#rolling];
  }

  tableOf({ period }: UsageWindow): UsageTable {
    return period.kind === 'calendar' ? this.#calendar : this.#rolling;
  }

  /** After the end of that worker. */
  release(worker: number): void {
    for (const table of this.tables) table.release(worker);
  }

  counts(): UsageCounts {
    const [one, other] = [this.#calendar.counts(), this.#rolling.counts()];
    return { evicted: one.evicted + other.evicted, uncounted: one.uncounted + other.uncounted };
  }
}
