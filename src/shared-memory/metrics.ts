import type { GatewayError } from '../base/gateway-error.ts';
import type { Exchange } from '../plan/exchange.ts';
import { type LimitOutcome, limitOutcomes } from '../plan/limiter.ts';
import type { Priority } from '../plan/priority.ts';
import { ROUTE_EVENTS, type RouteEvent } from '../plan/route-events.ts';
import { bucketOf, HISTOGRAM_BUCKETS } from './histogram.ts';

/**
 * Counters of one worker in one SharedArrayBuffer: only that worker writes, the supervisor reads while it does, so
 * counting takes no atomic operation and no message. Pages that no series touched cost nothing, which is why a cell has
 * room for many. A worker's successor goes on with its cell: counters never fall.
 */
export const ROUTE_SERIES = 16_384;
export const UPSTREAM_SERIES = 4_096;
export const LIMIT_SERIES = 4_096;
/** Takes what finds no series of its own any more. */
export const OTHER_ROUTES = ROUTE_SERIES - 1;
export const OTHER_UPSTREAMS = UPSTREAM_SERIES - 1;
export const OTHER_LIMITS = LIMIT_SERIES - 1;

/** Statuses that are counted one by one; the rest of a class shares a slot. Slot 0: no response was begun. */
const CLASS_SLOTS = 6;
export const countedStatuses = [
  200, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 408, 413, 429, 431, 499, 500, 502, 503, 504,
] as const;
export const STATUS_SLOTS = CLASS_SLOTS + countedStatuses.length;

const statusSlot = new Uint8Array(1024);
for (let status = 100; status < 600; status++) statusSlot[status] = Math.floor(status / 100);
for (const [index, status] of countedStatuses.entries()) statusSlot[status] = CLASS_SLOTS + index;

export const errorKinds = ['connect', 'tls', 'timeout', 'reset', 'malformed', 'busy', 'other'] as const;
const kindOfCode: Readonly<Record<string, number>> = {
  upstream_connect_failed: 0,
  upstream_tls_failed: 1,
  upstream_connect_timeout: 2,
  upstream_timeout: 2,
  upstream_reset: 3,
  upstream_malformed: 4,
  upstream_busy: 5,
};

const outcomeSlot: Readonly<Record<LimitOutcome, number>> = { allowed: 0, limited: 1, reported: 2 };

/** Offsets in Float64 elements from a record's start. */
export const routeField = {
  statuses: 0,
  inFlight: STATUS_SLOTS,
  durationSum: STATUS_SLOTS + 1,
  gatewaySum: STATUS_SLOTS + 2,
  requestBytes: STATUS_SLOTS + 3,
  responseBytes: STATUS_SLOTS + 4,
  /** `ROUTE_EVENTS` of them. */
  events: STATUS_SLOTS + 5,
} as const;
export const upstreamField = {
  calls: 0,
  inFlight: 1,
  headSum: 2,
  retries: 3,
  connections: 4,
  connectionsOpen: 5,
  errors: 6,
  waiting: 13,
  overloaded: 14,
  limit: 15,
} as const;
export const workerField = {
  connections: 0,
  connectionsOpen: 1,
  malformed: 2,
  logDropped: 3,
  internalErrors: 4,
  /** By class, the highest first. */
  shed: 5,
  connectionsRefused: 8,
  waiting: 9,
  overloaded: 10,
} as const;

/** Record sizes in bytes: plain numbers first, then the histograms. */
const WORKER_BYTES = 128;
const ROUTE_NUMBERS = 8 * Math.ceil((routeField.events + ROUTE_EVENTS) / 8);
const UPSTREAM_NUMBERS = 16;
const HISTOGRAM_BYTES = HISTOGRAM_BUCKETS * 4;
const ROUTE_BYTES = ROUTE_NUMBERS * 8 + 2 * HISTOGRAM_BYTES;
const UPSTREAM_BYTES = UPSTREAM_NUMBERS * 8 + HISTOGRAM_BYTES;
const UPSTREAMS_AT = WORKER_BYTES + ROUTE_SERIES * ROUTE_BYTES;

const LIMITS_AT = UPSTREAMS_AT + UPSTREAM_SERIES * UPSTREAM_BYTES;
const LIMIT_BYTES = limitOutcomes.length * 8;

export const CELL_BYTES = LIMITS_AT + LIMIT_SERIES * LIMIT_BYTES;

export function routeAt(series: number): number {
  return WORKER_BYTES + Math.min(series, OTHER_ROUTES) * ROUTE_BYTES;
}
export function upstreamAt(series: number): number {
  return UPSTREAMS_AT + Math.min(series, OTHER_UPSTREAMS) * UPSTREAM_BYTES;
}
export function limitAt(series: number): number {
  return LIMITS_AT + Math.min(series, OTHER_LIMITS) * LIMIT_BYTES;
}
/** Byte offsets of histograms inside a record. */
export const histogramAt = {
  duration: ROUTE_NUMBERS * 8,
  gateway: ROUTE_NUMBERS * 8 + HISTOGRAM_BYTES,
  head: UPSTREAM_NUMBERS * 8,
} as const;

const DURATION_AT = histogramAt.duration >> 2;
const GATEWAY_AT = histogramAt.gateway >> 2;
const HEAD_AT = histogramAt.head >> 2;

function bump(numbers: Float64Array, at: number, by: number): void {
  numbers[at] = (numbers[at] as number) + by;
}

/** What a worker counts with; one instance a worker, called on every request. */
export class WorkerCell {
  readonly buffer: SharedArrayBuffer;
  readonly #numbers: Float64Array;
  readonly #counts: Uint32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(CELL_BYTES)) {
    this.buffer = buffer;
    this.#numbers = new Float64Array(buffer);
    this.#counts = new Uint32Array(buffer);
  }

  exchangeStarted(routeSeries: number): void {
    bump(this.#numbers, (routeAt(routeSeries) >> 3) + routeField.inFlight, 1);
  }

  /** With `status`, the byte counts and the times filled in; `endedAt` too. */
  exchangeEnded(exchange: Exchange): void {
    const numbers = this.#numbers;
    const record = routeAt(exchange.route.series);
    const at = record >> 3;
    bump(numbers, at + routeField.inFlight, -1);
    bump(numbers, at + (statusSlot[exchange.status & 1023] as number), 1);
    bump(numbers, at + routeField.requestBytes, exchange.requestBytes);
    bump(numbers, at + routeField.responseBytes, exchange.responseBytes);
    // The life of a tunnel is the users' doing and would drown every percentile.
    if (exchange.status === 101) return;
    const total = exchange.endedAt - exchange.startedAt;
    let gateway = total;
    if (exchange.upstreamStartedAt > 0) {
      const upstreamEnd = exchange.upstreamEndedAt > 0 ? exchange.upstreamEndedAt : exchange.endedAt;
      gateway = total - (upstreamEnd - exchange.upstreamStartedAt);
    }
    bump(numbers, at + routeField.durationSum, total);
    bump(numbers, at + routeField.gatewaySum, gateway);
    const counts = this.#counts;
    const durationBucket = (record >> 2) + DURATION_AT + bucketOf(total);
    counts[durationBucket] = (counts[durationBucket] as number) + 1;
    const gatewayBucket = (record >> 2) + GATEWAY_AT + bucketOf(gateway);
    counts[gatewayBucket] = (counts[gatewayBucket] as number) + 1;
  }

  /** One attempt at an upstream begins; every call that begins also ends. */
  callStarted(series: number): void {
    const at = upstreamAt(series) >> 3;
    bump(this.#numbers, at + upstreamField.calls, 1);
    bump(this.#numbers, at + upstreamField.inFlight, 1);
  }

  /** `headMilliseconds`: from the start to the final response head; -1 when none came. */
  callEnded(series: number, headMilliseconds: number): void {
    const record = upstreamAt(series);
    const at = record >> 3;
    bump(this.#numbers, at + upstreamField.inFlight, -1);
    if (headMilliseconds < 0) return;
    bump(this.#numbers, at + upstreamField.headSum, headMilliseconds);
    const bucket = (record >> 2) + HEAD_AT + bucketOf(headMilliseconds);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  /** A further attempt after a failed one; its call is counted by itself. */
  callRetried(series: number): void {
    bump(this.#numbers, (upstreamAt(series) >> 3) + upstreamField.retries, 1);
  }

  upstreamError(series: number, error: GatewayError): void {
    const kind = kindOfCode[error.code] ?? errorKinds.length - 1;
    bump(this.#numbers, (upstreamAt(series) >> 3) + upstreamField.errors + kind, 1);
  }

  upstreamConnectionOpened(series: number): void {
    const at = upstreamAt(series) >> 3;
    bump(this.#numbers, at + upstreamField.connections, 1);
    bump(this.#numbers, at + upstreamField.connectionsOpen, 1);
  }

  upstreamConnectionClosed(series: number): void {
    bump(this.#numbers, (upstreamAt(series) >> 3) + upstreamField.connectionsOpen, -1);
  }

  connectionOpened(): void {
    bump(this.#numbers, workerField.connections, 1);
    bump(this.#numbers, workerField.connectionsOpen, 1);
  }

  connectionClosed(): void {
    bump(this.#numbers, workerField.connectionsOpen, -1);
  }

  routeEvent(routeSeries: number, event: RouteEvent): void {
    bump(this.#numbers, (routeAt(routeSeries) >> 3) + routeField.events + event, 1);
  }

  limitDecided(series: number, outcome: LimitOutcome): void {
    bump(this.#numbers, (limitAt(series) >> 3) + outcomeSlot[outcome], 1);
  }

  /** An address had as many connections as it may have. */
  connectionRefused(): void {
    bump(this.#numbers, workerField.connectionsRefused, 1);
  }

  /** Turned away because this worker had too much to do. */
  shed(priority: Priority): void {
    bump(this.#numbers, workerField.shed + priority, 1);
  }

  /** More or fewer that wait for a place: at an upstream, or with -1 anywhere else. */
  waiting(upstreamSeries: number, change: number): void {
    const at = upstreamSeries < 0 ? workerField.waiting : (upstreamAt(upstreamSeries) >> 3) + upstreamField.waiting;
    bump(this.#numbers, at, change);
  }

  /** Refused because no place came free in time. */
  overloaded(upstreamSeries: number): void {
    const at =
      upstreamSeries < 0 ? workerField.overloaded : (upstreamAt(upstreamSeries) >> 3) + upstreamField.overloaded;
    bump(this.#numbers, at, 1);
  }

  /** The limit of what is under way at an upstream, where it follows the latency. */
  upstreamLimit(series: number, limit: number): void {
    this.#numbers[(upstreamAt(series) >> 3) + upstreamField.limit] = limit;
  }

  /** Bytes that never became an exchange. */
  requestMalformed(): void {
    bump(this.#numbers, workerField.malformed, 1);
  }

  logDropped(lines: number): void {
    bump(this.#numbers, workerField.logDropped, lines);
  }

  /** An exception that ended an exchange: a bug, here or in a user's policy. */
  internalError(): void {
    bump(this.#numbers, workerField.internalErrors, 1);
  }

  /** For the supervisor, after the worker's end: what was under way is no longer. Counters stay. */
  clearGauges(routeSeries: number, upstreamSeries: number): void {
    const numbers = this.#numbers;
    numbers[workerField.connectionsOpen] = 0;
    numbers[workerField.waiting] = 0;
    for (let i = 0; i < routeSeries; i++) numbers[(routeAt(i) >> 3) + routeField.inFlight] = 0;
    for (let i = 0; i < upstreamSeries; i++) {
      const at = upstreamAt(i) >> 3;
      numbers[at + upstreamField.inFlight] = 0;
      numbers[at + upstreamField.connectionsOpen] = 0;
      numbers[at + upstreamField.waiting] = 0;
      numbers[at + upstreamField.limit] = 0;
    }
  }
}
