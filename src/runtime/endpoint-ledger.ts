import { errors, type GatewayError } from '../base/gateway-error.ts';
import { sharedClock } from '../base/shared-clock.ts';
import type { UpstreamCall } from '../plan/call.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import type { EndpointRecord } from '../shared-memory/endpoint-record.ts';
import { EWMA_DECAY_MS } from './balance/two-choices.ts';
import { Ejection } from './endpoint-ejection.ts';
import type { EndpointSet } from './endpoint-set.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';
import type { PoolPorts } from './pool-ports.ts';

/** Failing fast must not look like being fast: each such failure doubles the average, up to this many milliseconds. */
const PENALTY = 2;
const MAX_PENALTY_MS = 1_000;

/** Keeps the books of a pool: which call is at which endpoint, and what came of it. */
export class EndpointLedger {
  readonly #endpoints: EndpointSet;
  readonly #ejection: Ejection | null;

  constructor({ name, ejection }: UpstreamOptions, endpoints: EndpointSet, ports: PoolPorts | null) {
    this.#endpoints = endpoints;
    this.#ejection =
      ejection === null ? null : new Ejection(ejection, (line) => ports?.report(`upstream ${name}: ${line}`));
  }

  enter(place: PoolEndpoint, call: UpstreamCall): void {
    call.endpoint = place.endpoint;
    place.enter();
  }

  /** It went nowhere after all. */
  withdraw(place: PoolEndpoint, call: UpstreamCall): void {
    place.leave();
    call.guard?.settled(place.endpoint, 0, null, 0);
  }

  /** `milliseconds`: until the response head, or without one until the end. */
  settle(
    place: PoolEndpoint,
    call: UpstreamCall,
    status: number,
    error: GatewayError | null,
    milliseconds: number,
  ): void {
    place.leave();
    const isLate = error === null && status === 0 && call.timedOut;
    const fault = isLate ? errors.upstreamTimeout : error?.from === 'upstream' ? error : null;
    call.guard?.settled(place.endpoint, status, fault, milliseconds);
    if (place.record !== null) this.#learn(place, place.record, status, fault, milliseconds);
  }

  /** It was answered, and the answer goes on: nobody who waits for a word about the endpoint waits for the end. */
  judge(place: PoolEndpoint, call: UpstreamCall, status: number, milliseconds: number): void {
    call.guard?.settled(place.endpoint, status, null, milliseconds);
    if (place.record !== null) this.#learn(place, place.record, status, null, milliseconds);
  }

  /** Of a call that was judged before. */
  streamEnded(place: PoolEndpoint, error: GatewayError | null): void {
    place.leave();
    if (place.record !== null && error?.from === 'upstream') this.#learn(place, place.record, 0, error, 0);
  }

  /** A connection to it failed that nobody waits for any more. */
  unreachable(place: PoolEndpoint, error: GatewayError, milliseconds: number): void {
    if (place.record !== null) this.#learn(place, place.record, 0, error, milliseconds);
  }

  #learn(
    place: PoolEndpoint,
    record: EndpointRecord,
    status: number,
    fault: GatewayError | null,
    milliseconds: number,
  ): void {
    const now = sharedClock();
    const hasFailed = fault !== null || status >= 500;
    if (hasFailed || status === 0) {
      const average = record.latency(now, EWMA_DECAY_MS) / 1_000;
      // Whoever went away while it waited knows at least that it takes that long.
      if (milliseconds > average) record.observe(milliseconds, now, EWMA_DECAY_MS);
      else if (hasFailed && average < MAX_PENALTY_MS) record.observe(average * PENALTY, now, EWMA_DECAY_MS);
      if (!hasFailed) return;
    } else {
      record.observe(milliseconds, now, EWMA_DECAY_MS);
    }
    if (this.#ejection === null) {
      if (hasFailed) record.failed();
      else record.succeeded();
    } else if (this.#ejection.settled(place, status, fault, now, this.#endpoints.all)) {
      this.#endpoints.look();
    }
  }
}
