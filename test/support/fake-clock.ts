import type { Clock } from '../../src/base/clock.ts';
import type { Closable } from '../../src/plan/policy.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  time = Date.UTC(2026, 0, 1);
  chance = 0.5;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(milliseconds: number, run: () => void): Closable {
    const timer: Timer = { at: this.time + milliseconds, run };
    this.#timers.add(timer);
    return { close: () => void this.#timers.delete(timer) };
  }

  /** Runs what is due on the way, in order. */
  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const [first] = [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (first === undefined) break;
      this.#timers.delete(first);
      this.time = Math.max(this.time, first.at);
      first.run();
    }
    this.time = end;
  }

  /** When the next timer is due; `Infinity`: there is none. */
  get next(): number {
    return Math.min(...Array.from(this.#timers, ({ at }) => at));
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }
}
