import { createGaugeShares, createGauges, type GaugeSegments, GaugeTable } from '../../src/shared-memory/gauges.ts';

/** Gauges as the workers of one process share them. */
export class TestGauges {
  readonly #shared = createGauges([7, 11]);
  #workers = 0;

  segments(): GaugeSegments {
    return { shared: this.#shared, shares: createGaugeShares(), owner: ++this.#workers };
  }

  worker(): GaugeTable {
    return new GaugeTable(this.segments());
  }
}

/** Gauges of a process with one worker. */
export function testGauges(): GaugeTable {
  return new TestGauges().worker();
}
