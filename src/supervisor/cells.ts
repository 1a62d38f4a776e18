import { randomBytes } from 'node:crypto';
import { ControlCell } from '../shared-memory/control.ts';
import { createGaugeShares, createGauges, type GaugeSegments, reclaimGauges } from '../shared-memory/gauges.ts';
import { LimitStoreCell, type LimitStoreReading, summarize } from '../shared-memory/limit-store.ts';
import { WorkerCell } from '../shared-memory/metrics.ts';

export interface CellPair {
  readonly metrics: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly gauges: GaugeSegments;
  /** What the worker's limiter sees of a Redis; its successor goes on with what it knew. */
  readonly limitStore: SharedArrayBuffer;
}

/** Shared memory of workers: one pair for each that lives, taken over by a later one when it has ended. */
export class CellPool {
  readonly #all: CellPair[] = [];
  readonly #free: CellPair[] = [];
  readonly #gauges: SharedArrayBuffer;

  constructor() {
    // Random, so that nobody outside can aim keys at one set.
    const seed = randomBytes(8);
    this.#gauges = createGauges([seed.readInt32LE(0), seed.readInt32LE(4)]);
  }

  take(): CellPair {
    const used = this.#free.pop();
    if (used !== undefined) {
      new ControlCell(used.control).reset();
      return used;
    }
    const pair: CellPair = {
      metrics: new WorkerCell().buffer,
      control: new ControlCell().buffer,
      gauges: { shared: this.#gauges, shares: createGaugeShares(), owner: this.#all.length + 1 },
      limitStore: new LimitStoreCell().buffer,
    };
    this.#all.push(pair);
    return pair;
  }

  /** After the end of the thread that wrote to it. Counters stay, so that none of them ever falls. */
  giveBack(pair: CellPair, routeSeries: number, upstreamSeries: number): void {
    reclaimGauges(pair.gauges);
    new WorkerCell(pair.metrics).clearGauges(routeSeries, upstreamSeries);
    this.#free.push(pair);
  }

  /** What workers see of the Redis that limits are kept in. */
  get limitStore(): LimitStoreReading | null {
    return summarize(this.#all.map(({ limitStore }) => new LimitStoreCell(limitStore).read()));
  }

  /** Metrics of everyone who ever counted. */
  get metrics(): SharedArrayBuffer[] {
    return this.#all.map((pair) => pair.metrics);
  }
}
