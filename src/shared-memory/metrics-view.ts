import { type LimitOutcome, limitOutcomes } from '../plan/limiter.ts';
import { priorityNames } from '../plan/priority.ts';
import { ROUTE_EVENTS } from '../plan/route-events.ts';
import { HISTOGRAM_BUCKETS } from './histogram.ts';
import {
  countedStatuses,
  errorKinds,
  histogramAt,
  limitAt,
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
  /** By event. */
  readonly events: readonly number[];
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
  readonly waiting: number;
  readonly overloaded: number;
  /** The limit that follows the latency, as the workers last saw it; 0: there is none. */
  readonly limit: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly head: Float64Array;
}

export interface Totals {
  readonly connections: number;
  readonly connectionsOpen: number;
  readonly malformed: number;
  readonly logDropped: number;
  readonly internalErrors: number;
  readonly connectionsRefused: number;
  /** At gates of routes and callers. */
  readonly waiting: number;
  readonly overloaded: number;
  /** By class, the highest first. */
  readonly shed: readonly number[];
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
      events: Array.from({ length: ROUTE_EVENTS }, (_, event) => this.#sum(at + routeField.events + event)),
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
      waiting: this.#sum(at + upstreamField.waiting),
      overloaded: this.#sum(at + upstreamField.overloaded),
      limit: Math.max(0, ...this.#numbers.map((numbers) => numbers[at + upstreamField.limit] as number)),
      errors: byKind,
      head: this.#histogram(record + histogramAt.head),
    };
  }

  limit(series: number): Record<LimitOutcome, number> {
    const at = limitAt(series) >> 3;
    const [allowed = 0, limited = 0, reported = 0] = limitOutcomes.map((_, slot) => this.#sum(at + slot));
    return { allowed, limited, reported };
  }

  totals(): Totals {
    return {
      connections: this.#sum(workerField.connections),
      connectionsOpen: this.#sum(workerField.connectionsOpen),
      malformed: this.#sum(workerField.malformed),
      logDropped: this.#sum(workerField.logDropped),
      internalErrors: this.#sum(workerField.internalErrors),
      connectionsRefused: this.#sum(workerField.connectionsRefused),
      waiting: this.#sum(workerField.waiting),
      overloaded: this.#sum(workerField.overloaded),
      shed: priorityNames.map((_, priority) => this.#sum(workerField.shed + priority)),
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
