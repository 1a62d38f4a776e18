import type { Plan } from '../plan/plan.ts';
import { subscriberOf } from '../semantics/cidr.ts';
import { FULL, type GaugeFamily, type GaugeTable } from '../shared-memory/gauges.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';

export const NO_PLACE = -2;

/** How many connections each address has, over all workers. What it holds of that lasts as long as the connection. */
export class ConnectionPlaces {
  readonly #gauges: GaugeTable;
  readonly #byAddress: GaugeFamily;
  readonly #cell: Pick<WorkerCell, 'connectionRefused'>;

  constructor(gauges: GaugeTable, cell: Pick<WorkerCell, 'connectionRefused'>) {
    this.#gauges = gauges;
    this.#byAddress = gauges.family('connections', true);
    this.#cell = cell;
  }

  /** A place to leave with; `NO_PLACE` where nobody counts, `FULL` where it may not come in. */
  take({ limits, trustedProxies }: Plan, address: string): number {
    const { maxConnectionsPerAddress: max } = limits;
    // Behind a trusted proxy there are many clients.
    if (max === 0 || address === '' || trustedProxies.contains(address)) return NO_PLACE;
    const place = this.#gauges.enter(this.#byAddress, subscriberOf(address), max);
    if (place === FULL) this.#cell.connectionRefused();
    return place;
  }

  leave(place: number): void {
    if (place !== NO_PLACE) this.#gauges.leave(place);
  }
}
