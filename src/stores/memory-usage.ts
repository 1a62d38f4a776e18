import type { RecordsState } from '../plan/records.ts';
import type { UsageChange, UsageRow, UsageStore } from '../plan/usage.ts';

/** Beyond so many subjects the oldest periods are forgotten. */
const MOST_ROWS = 1_000_000;

interface Row {
  row: UsageRow;
  readonly endsAt: number;
}

/** Usage that lasts as long as the process: where there is no place to keep it. */
export class MemoryUsage implements UsageStore {
  readonly state: RecordsState = { kind: 'memory', failure: null, since: Date.now() };
  readonly #rows = new Map<string, Row>();
  #purgedAt = 0;

  async load(window: string, from: number, to: number, most: number): Promise<readonly UsageRow[]> {
    const found = [...this.#rows.values()].filter(
      ({ row }) => row.window === window && row.stamp >= from && row.stamp <= to,
    );
    return found
      .map(({ row }) => row)
      .sort((one, other) => other.used - one.used)
      .slice(0, most);
  }

  async push(changes: readonly UsageChange[]): Promise<readonly number[]> {
    this.#purge();
    return changes.map(({ window, subject, stamp, plan, delta, endsAt }) => {
      const key = `${window}\n${stamp}\n${subject}`;
      const used = Math.max(0, (this.#rows.get(key)?.row.used ?? 0) + delta);
      this.#rows.set(key, { row: { window, subject, stamp, plan, used }, endsAt });
      return used;
    });
  }

  async generation(): Promise<string> {
    return 'memory';
  }

  async raise(): Promise<void> {
    // It forgets nothing but what is over.
  }

  async close(): Promise<void> {
    this.#rows.clear();
  }

  #purge(): void {
    const now = Date.now();
    if (now - this.#purgedAt < 60_000 && this.#rows.size < MOST_ROWS) return;
    this.#purgedAt = now;
    for (const [key, { endsAt }] of this.#rows) if (endsAt < now) this.#rows.delete(key);
    for (const key of this.#rows.keys()) {
      if (this.#rows.size < MOST_ROWS) return;
      this.#rows.delete(key);
    }
  }
}
