import { HISTOGRAM_BUCKETS } from './histogram.ts';
import {
  countedStatuses,
  errorKinds,
  histogramAt,
  routeAt,
  routeField,
  STATUS_SLOTS,
  upstreamAt,
  upstreamField,
  workerField,
} from './metrics.ts';

/** Names of status slots, as they stand in labels. */
export const statusNames: readonly string[] = [
  'none',
  ...[1, 2, 3, 4, 5].map((digit) => `${digit}xx`),
  ...countedStatuses.map(String),
];

export interface RouteReading {
  readonly count: number;
  readonly inFlight: number;
  /** Only what was counted at all. */
  readonly statuses: ReadonlyMap<string, number>;
  /** Sums in milliseconds. */
  readonly durationSum: number;
  readonly gatewaySum: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly duration: Float64Array;
  readonly gateway: Float64Array;
}

export interface UpstreamReading {
  readonly calls: number;
  readonly inFlight: number;
  readonly headSum: number;
  readonly retries: number;
  readonly connections: number;
  readonly connectionsOpen: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly head: Float64Array;
}

export interface Totals {
  readonly connections: number;
  readonly connectionsOpen: number;
  readonly malformed: number;
  readonly logDropped: number;
  readonly internalErrors: number;
}

/** Reads the cells of all workers, living and ended, as one. */
export class MetricsView {
  readonly #numbers: Float64Array[];
  readonly #counts: Uint32Array[];

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#numbers = buffers.map((buffer) => new Float64Array(buffer));
    this.#counts = buffers.map((buffer) => new Uint32Array(buffer));
  }

  /** Requests that a route ended, without the rest of its reading: cheap enough to ask for every series there is. */
  routeCount(series: number): number {
    const at = routeAt(series) >> 3;
    let count = 0;
    for (let slot = 0; slot < STATUS_SLOTS; slot++) count += this.#sum(at + routeField.statuses + slot);
    return count;
  }

  route(series: number): RouteReading {
    const record = routeAt(series);
    const at = record >> 3;
    const statuses = new Map<string, number>();
    let count = 0;
    for (let slot = 0; slot < STATUS_SLOTS; slot++) {
      const n = this.#sum(at + routeField.statuses + slot);
      if (n === 0) continue;
      statuses.set(statusNames[slot] as string, n);
      count += n;
    }
    return {
      count,
      inFlight: this.#sum(at + routeField.inFlight),
      statuses,
      durationSum: this.#sum(at + routeField.durationSum),
      gatewaySum: this.#sum(at + routeField.gatewaySum),
      requestBytes: this.#sum(at + routeField.requestBytes),
      responseBytes: this.#sum(at + routeField.responseBytes),
      duration: this.#histogram(record + histogramAt.duration),
      gateway: this.#histogram(record + histogramAt.gateway),
    };
  }

  upstream(series: number): UpstreamReading {
    const record = upstreamAt(series);
    const at = record >> 3;
    const byKind = new Map<string, number>();
    for (const [index, kind] of errorKinds.entries()) {
      const n = this.#sum(at + upstreamField.errors + index);
      if (n > 0) byKind.set(kind, n);
    }
    return {
      calls: this.#sum(at + upstreamField.calls),
      inFlight: this.#sum(at + upstreamField.inFlight),
      headSum: this.#sum(at + upstreamField.headSum),
      retries: this.#sum(at + upstreamField.retries),
      connections: this.#sum(at + upstreamField.connections),
      connectionsOpen: this.#sum(at + upstreamField.connectionsOpen),
      errors: byKind,
      head: this.#histogram(record + histogramAt.head),
    };
  }

  totals(): Totals {
    return {
      connections: this.#sum(workerField.connections),
      connectionsOpen: this.#sum(workerField.connectionsOpen),
      malformed: this.#sum(workerField.malformed),
      logDropped: this.#sum(workerField.logDropped),
      internalErrors: this.#sum(workerField.internalErrors),
    };
  }

  #sum(at: number): number {
    let sum = 0;
    for (const numbers of this.#numbers) sum += numbers[at] as number;
    return sum;
  }

  #histogram(byteOffset: number): Float64Array {
    const counts = new Float64Array(HISTOGRAM_BUCKETS);
    const start = byteOffset >> 2;
    for (const source of this.#counts) {
      for (let i = 0; i < HISTOGRAM_BUCKETS; i++) counts[i] = (counts[i] as number) + (source[start + i] as number);
    }
    return counts;
  }
}
