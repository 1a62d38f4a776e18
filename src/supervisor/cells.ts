import { randomBytes } from 'node:crypto';
import { ControlCell } from '../shared-memory/control.ts';
import { createGaugeShares, createGauges, type GaugeSegments, reclaimGauges } from '../shared-memory/gauges.ts';
import { LimitStoreCell, type LimitStoreReading, summarize } from '../shared-memory/limit-store.ts';
import { WorkerCell } from '../shared-memory/metrics.ts';
import {
  createNamedSlotShares,
  createNamedSlots,
  type NamedSlotSegments,
  NamedSlots,
  reclaimNamedSlots,
} from '../shared-memory/named-slots.ts';

/** Endpoints, breakers and budgets at once; memory of those that never come is never touched. */
const STATES = 8_192;
/** The main thread among the owners; workers are numbered from 1. */
const SUPERVISOR = 0x7fffffff;

export interface CellPair {
  readonly metrics: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly gauges: GaugeSegments;
  /** States of endpoints, breakers and budgets. */
  readonly states: NamedSlotSegments;
  /** What the worker's limiter sees of a Redis; its successor goes on with what it knew. */
  readonly limitStore: SharedArrayBuffer;
}

/** Shared memory of workers: one pair for each that lives, taken over by a later one when it has ended. */
export class CellPool {
  readonly #all: CellPair[] = [];
  readonly #free: CellPair[] = [];
  readonly #gauges: SharedArrayBuffer;
  readonly #states: SharedArrayBuffer;
  /** The main thread's view of them. */
  readonly states: NamedSlots;

  constructor() {
    // Random, so that nobody outside can aim keys at one set.
    const random = randomBytes(8);
    const seed = [random.readInt32LE(0), random.readInt32LE(4)] as const;
    this.#gauges = createGauges(seed);
    this.#states = createNamedSlots(STATES, seed);
    this.states = new NamedSlots({
      shared: this.#states,
      shares: createNamedSlotShares(this.#states),
      owner: SUPERVISOR,
    });
  }

  take(): CellPair {
    const used = this.#free.pop();
    if (used !== undefined) {
      new ControlCell(used.control).reset();
      return used;
    }
    const owner = this.#all.length + 1;
    const pair: CellPair = {
      metrics: new WorkerCell().buffer,
      control: new ControlCell().buffer,
      gauges: { shared: this.#gauges, shares: createGaugeShares(), owner },
      states: { shared: this.#states, shares: createNamedSlotShares(this.#states), owner },
      limitStore: new LimitStoreCell().buffer,
    };
    this.#all.push(pair);
    return pair;
  }

  /** After the end of the thread that wrote to it. Counters stay, so that none of them ever falls. */
  giveBack(pair: CellPair, routeSeries: number, upstreamSeries: number): void {
    reclaimGauges(pair.gauges);
    reclaimNamedSlots(pair.states);
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
