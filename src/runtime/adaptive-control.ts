import {
  ADAPT_EVERY_MS,
  type AdaptiveBounds,
  adapt,
  LatencyWindow,
  newAdaptiveState,
} from '../semantics/adaptive-limit.ts';
import type { GaugeTable } from '../shared-memory/gauges.ts';

/** Answers of a service that has too much to do; other errors come fast or slow for reasons of their own. */
const BUSY: ReadonlySet<number> = new Set([429, 503, 504]);

/**
 * A limit that follows the latency of one upstream. The limit, and the latency without load that it is measured against,
 * are shared by all workers, as what is under way is: one service has one capacity, however the kernel spreads connections
 * over the workers. Each worker gathers what it sees itself, and whoever has enough changes the limit for all.
 */
export class AdaptiveControl {
  /** As last seen. */
  limit: number;
  readonly #gauges: GaugeTable;
  readonly #bounds: AdaptiveBounds;
  readonly #initial: number;
  readonly #clock: () => number;
  readonly #tell: (limit: number) => void;
  readonly #window = new LatencyWindow(performance.now());
  readonly #state = newAdaptiveState(0);

  /** `clock`: milliseconds, the same in all workers; `tell` hears what the limit is. */
  constructor(
    gauges: GaugeTable,
    bounds: AdaptiveBounds,
    initial: number,
    clock: () => number,
    tell: (limit: number) => void,
  ) {
    this.#gauges = gauges;
    this.#bounds = bounds;
    this.#initial = Math.min(bounds.max, Math.max(bounds.min, initial));
    this.#clock = clock;
    this.#tell = tell;
    this.limit = this.#initial;
  }

  began(slot: number): void {
    this.#window.began(this.#gauges.count(slot));
    this.#see(this.#gauges.limit(slot));
  }

  answered(slot: number, beganAt: number, status: number): void {
    const now = performance.now();
    const window = this.#window;
    if (BUSY.has(status)) window.refused(beganAt);
    else if (status < 500) window.answered(beganAt, now);
    if (!window.isComplete(now)) return;
    const time = this.#clock();
    if (!this.#gauges.mayAdapt(slot, time, ADAPT_EVERY_MS)) return;
    const state = this.#state;
    this.#gauges.readAdaptive(slot, state);
    if (state.limit === 0) state.limit = this.#initial;
    adapt(state, this.#bounds, window.read(), time);
    this.#gauges.writeAdaptive(slot, state);
    window.restart(now);
    this.#see(state.limit);
    this.#tell(this.limit);
  }

  #see(shared: number): void {
    const { min, max } = this.#bounds;
    // Another plan's bounds may still be in the shared one.
    this.limit = shared === 0 ? this.#initial : Math.min(max, Math.max(min, Math.floor(shared)));
  }
}
