import { noResponses } from '../plan/no-responses.ts';
import type { Fill, Flight, ResponsePurge, ResponseStore, StoredResponse } from '../plan/response-store.ts';
import { ResponseFill } from './response-fill.ts';
import { WAITING } from './response-flights.ts';
import { FollowedFlight, SharedFlight } from './response-follow.ts';
import type { ResponseSegments } from './response-layout.ts';
import { ResponseParts } from './response-parts.ts';
import type { ResponseShard } from './response-shard.ts';
import { FOLLOWERS, HITS, MISSES, ResponseShares } from './response-shares.ts';
import { purgeResponses } from './response-sweep.ts';

/** The responses that all workers share, as one thread sees them. */
export class SharedResponseStore implements ResponseStore {
  readonly maxEntry: number;
  readonly #parts: ResponseParts;
  readonly #followed = new Map<number, FollowedFlight>();
  readonly #isOutdated: (flight: number, key: string) => boolean;

  constructor(segments: ResponseSegments, now: () => number = Date.now) {
    this.#parts = new ResponseParts(segments, now);
    this.maxEntry = this.#parts.maxEntry;
    this.#isOutdated = (flight, key) => this.#isFlightOutdated(flight, key);
  }

  find(key: string): StoredResponse | null {
    const { purges, shares } = this.#parts;
    const hash = purges.hash(key);
    const shard = this.#parts.shardOf(hash);
    const ref = shard.find(hash, key);
    if (ref === 0) {
      shares.count(MISSES);
      return null;
    }
    shares.count(HITS);
    shard.records.touch(ref);
    return new SharedResponse(shard, ref, shares);
  }

  begin(key: string): Fill | Flight {
    const { purges, flights, shares } = this.#parts;
    const since = purges.latest;
    const { high, low } = purges.hash(key);
    const flight = flights.begin({ high, low }, key, since, this.#isOutdated);
    // No place, or its lock is not to be had: it goes on its own, and nothing is stored.
    if (flight < 0) return noResponses.begin(key);
    if (flights.isNew) return new ResponseFill(this.#parts, flight, key, since, 0);
    shares.count(FOLLOWERS);
    return new SharedFlight(this.#follow(flight), since);
  }

  remove(key: string): void {
    void this.purge({ by: 'key', value: key, soft: false });
  }

  purge(purge: ResponsePurge): Promise<number> {
    return purgeResponses(this.#parts, purge);
  }

  refresh(key: string, meta: Uint8Array, version: number): boolean {
    const { purges, shares } = this.#parts;
    const since = purges.latest;
    const hash = purges.hash(key);
    const shard = this.#parts.shardOf(hash);
    const ref = shard.find(hash, key);
    if (ref === 0) return false;
    const { records } = shard;
    const fill = new ResponseFill(this.#parts, -1, key, since, ref);
    if (records.version(ref) === version) {
      const body = records.body(ref);
      const isRoom = fill.open(key, meta, records.tags(ref), body.length) && fill.append(body, 0, body.length);
      if (isRoom) fill.commit();
    }
    shares.unpin(shard.pinOf(ref));
    return fill.isStored;
  }

  #follow(flight: number): FollowedFlight {
    const known = this.#followed.get(flight);
    if (known?.isLost) known.look();
    if (known !== undefined && !known.isOver) return known;
    // Again, in case that it was given up just now with what had the place before.
    this.#parts.shares.follow(flight, true);
    return new FollowedFlight(this.#parts, flight, this.#followed);
  }

  /** A fetch that began before a purge which is about it is nobody's any more who comes now. */
  #isFlightOutdated(flight: number, key: string): boolean {
    const { purges, flights, shards, shares } = this.#parts;
    const since = flights.since(flight);
    if (purges.latest === since) return false;
    if (purges.concern(since, key, [])) return true;
    if (flights.state(flight) === WAITING) return false;
    const shard = shards[flights.shard(flight)] as ResponseShard;
    const ref = flights.ref(flight);
    const pin = shard.pinOf(ref);
    shares.pin(pin);
    // Else it has ended or moved just now: as if we had come a little earlier.
    const isThere = ref !== 0 && flights.ref(flight) === ref;
    const isOutdated = isThere && purges.concern(since, shard.records.key(ref), shard.records.tags(ref));
    shares.unpin(pin);
    return isOutdated;
  }
}

class SharedResponse implements StoredResponse {
  readonly meta: Buffer;
  readonly body: Buffer;
  readonly storedAt: number;
  readonly version: number;
  readonly isStale: boolean;
  readonly #shares: ResponseShares;
  /** -1: released. */
  #pin: number;

  /** `ref`: pinned. */
  constructor({ records, number }: ResponseShard, ref: number, shares: ResponseShares) {
    this.meta = records.meta(ref);
    this.body = records.body(ref);
    this.storedAt = records.storedAt(ref);
    this.version = records.version(ref);
    this.isStale = records.isStale(ref);
    this.#shares = shares;
    this.#pin = ResponseShares.pinOf(number, ref);
  }

  release(): void {
    if (this.#pin < 0) return;
    this.#shares.unpin(this.#pin);
    this.#pin = -1;
  }
}
