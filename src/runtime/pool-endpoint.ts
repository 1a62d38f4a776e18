import type { Endpoint } from '../plan/upstream.ts';
import { EndpointRecord, endpointKey } from '../shared-memory/endpoint-record.ts';
import type { NamedSlots } from '../shared-memory/named-slots.ts';
import type { Candidate } from './balance/balancer.ts';
import { hashText } from './balance/hash-key.ts';
import type { UpstreamConnection } from './http1/upstream-connection.ts';
import type { WaitingCall } from './waiting-call.ts';

/** One endpoint in the pool of a worker. */
export class PoolEndpoint implements Candidate {
  /** Its weight and priority may change. */
  endpoint: Endpoint;
  /** Most recently used last: the others may age out. */
  readonly idle: UpstreamConnection[] = [];
  /** Open and opening. */
  connections = 0;
  /** Calls that wait until a connection to it is open. */
  readonly opening = new Set<WaitingCall>();
  readonly record: EndpointRecord | null;
  readonly seed: number;
  weight: number;
  growth = 1;
  credit = 0;
  /** The last word of the health checks, and since when: milliseconds of the clock that all threads share. */
  isWell = true;
  wellSince = 0;
  /** Calls may go there. */
  isOpen = true;
  /** It is no endpoint of the upstream any more: what is under way may end. */
  isLeaving = false;
  readonly #states: NamedSlots | null;
  /** Under way in this worker. */
  #calls = 0;
  #isRetired = false;
  #isReleased = false;

  constructor(endpoint: Endpoint, upstream: string, states: NamedSlots | null) {
    this.endpoint = endpoint;
    this.weight = endpoint.weight;
    this.seed = hashText(endpoint.url);
    this.#states = states;
    this.record = states === null ? null : new EndpointRecord(states.acquire(endpointKey(upstream, endpoint.url)));
  }

  hasRoom(maxConnections: number): boolean {
    return this.idle.length > 0 || this.connections < maxConnections;
  }

  /** A call goes there. */
  enter(): void {
    if (this.record === null || this.#isReleased) return;
    this.#calls++;
    this.record.enter();
  }

  /** It does not any more. */
  leave(): void {
    if (this.record === null || this.#isReleased) return;
    this.#calls--;
    this.record.leave();
    this.#release();
  }

  connecting(): void {
    this.connections++;
  }

  connected(): void {
    this.record?.connected();
  }

  connectFailed(): void {
    this.connections--;
    this.#release();
  }

  disconnected(): void {
    this.connections--;
    this.record?.disconnected();
    this.#release();
  }

  /** Nothing further comes: its record goes to whoever needs it next, once nothing of this worker counts in it. */
  retire(): void {
    this.#isRetired = true;
    this.#release();
  }

  #release(): void {
    if (!this.#isRetired || this.#isReleased || this.#calls > 0 || this.connections > 0) return;
    this.#isReleased = true;
    if (this.record !== null) this.#states?.release(this.record.slot);
  }
}

/** The same place: its weight and priority are no part of that. */
export function isSamePlace(one: Endpoint, other: Endpoint): boolean {
  return (
    one.url === other.url &&
    one.tls === other.tls &&
    one.host === other.host &&
    one.address === other.address &&
    one.port === other.port &&
    one.path === other.path &&
    one.basePath === other.basePath
  );
}
