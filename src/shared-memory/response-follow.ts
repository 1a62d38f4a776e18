import type { Flight, FlightFollower } from '../plan/response-store.ts';
import { GONE, WAITING, WHOLE } from './response-flights.ts';
import type { ResponseParts } from './response-parts.ts';
import type { ResponseShard } from './response-shard.ts';

/** Handed over at once. */
const PIECE = 64 * 1024;
/** In case that whoever leads was ended at the wrong moment. */
const LOOK_AGAIN_MS = 1_000;

/** A fetch of another thread, or of this one, that somebody here follows: one wait for all of them. */
export class FollowedFlight {
  readonly flight: number;
  /** No news are waited for any more: nobody may join. */
  isOver = false;
  isWhole = false;
  hasHead = false;
  ref = 0;
  /** Of the body; -1: nobody knows yet. */
  length = -1;
  /** Of the body, that are there. */
  bytes = 0;
  shard: ResponseShard;
  readonly #parts: ResponseParts;
  readonly #generation: number;
  /** The latest purge when it was begun. */
  readonly #begunSince: number;
  readonly #followers = new Set<SharedFlight>();
  readonly #among: Map<number, FollowedFlight>;
  #isListening = false;

  /** `among`: where others find it while they may join. */
  constructor(parts: ResponseParts, flight: number, among: Map<number, FollowedFlight>) {
    this.#parts = parts;
    this.#among = among;
    among.set(flight, this);
    this.flight = flight;
    this.shard = parts.shards[0] as ResponseShard;
    this.#generation = parts.flights.generation(flight);
    this.#begunSince = parts.flights.since(flight);
  }

  /** Where the body begins in the shard's bytes. */
  get bodyAt(): number {
    return this.shard.records.bodyAt(this.ref);
  }

  /** A place that another fetch has by now. */
  get isLost(): boolean {
    return this.#parts.flights.generation(this.flight) !== this.#generation;
  }

  /**
   * Whether it was begun before a purge that is about it, and number `since` came no earlier: by its tags, which nobody
   * knew then, or else nobody would have followed it.
   */
  isOutdatedFor(since: number): boolean {
    const { records } = this.shard;
    if (since === this.#begunSince) return false;
    return this.#parts.purges.concern(this.#begunSince, records.key(this.ref), records.tags(this.ref), since);
  }

  /** It ended before anything could be had of it. */
  get isLate(): boolean {
    return this.isOver && !this.isWhole;
  }

  join(follower: SharedFlight): void {
    this.#followers.add(follower);
  }

  leave(follower: SharedFlight): void {
    this.#followers.delete(follower);
    if (this.#followers.size > 0) return;
    if (!this.isOver) this.#settle();
    if (this.ref !== 0) this.#parts.shares.unpin(this.shard.pinOf(this.ref));
    this.ref = 0;
  }

  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    void this.#listen();
  }

  async #listen(): Promise<void> {
    const { flights } = this.#parts;
    for (;;) {
      const news = flights.news(this.flight);
      this.look();
      if (this.isOver) return;
      await flights.wait(this.flight, news, LOOK_AGAIN_MS);
    }
  }

  /** Takes notice of what has changed. */
  look(): void {
    if (this.isOver) return;
    const { flights } = this.#parts;
    const state = flights.state(this.flight);
    // Before the place: what is there is at least as new.
    const bytes = flights.bytes(this.flight);
    const length = flights.length(this.flight);
    if (state === WAITING && !this.isLost) return;
    let ref = flights.ref(this.flight);
    // It may be moved while we look, but then it is somewhere else.
    while (ref !== 0 && !this.isLost && !this.#moveTo(ref)) ref = flights.ref(this.flight);
    if (ref === 0 || this.isLost || state === GONE) {
      this.#lose();
      return;
    }
    this.bytes = bytes;
    this.length = length;
    this.hasHead = true;
    if (state === WHOLE) {
      this.isWhole = true;
      this.#settle();
    }
    for (const follower of this.#followers) follower.pump();
  }

  /** False: it is not there any more. */
  #moveTo(ref: number): boolean {
    if (ref === this.ref) return true;
    const { shards, shares, flights } = this.#parts;
    const shard = shards[flights.shard(this.flight)] as ResponseShard;
    shares.pin(shard.pinOf(ref));
    if (flights.ref(this.flight) !== ref || this.isLost) {
      shares.unpin(shard.pinOf(ref));
      return false;
    }
    if (this.ref !== 0) shares.unpin(this.shard.pinOf(this.ref));
    this.shard = shard;
    this.ref = ref;
    return true;
  }

  #lose(): void {
    // The place may be followed already as that of another fetch: then it is not ours to leave.
    this.#settle();
    for (const follower of this.#followers) follower.lose();
  }

  /** No more news are wanted. */
  #settle(): void {
    this.isOver = true;
    this.#among.delete(this.flight);
    this.#parts.shares.follow(this.flight, false);
  }
}

/** One who follows. */
export class SharedFlight implements Flight {
  readonly leads = false;
  readonly #followed: FollowedFlight;
  readonly #since: number;
  #follower: FlightFollower | null = null;
  #hasHead = false;
  #at = 0;
  #isPaused = false;
  #isPumping = false;

  /** `since`: the latest purge before. */
  constructor(followed: FollowedFlight, since: number) {
    this.#followed = followed;
    this.#since = since;
    followed.join(this);
  }

  follow(follower: FlightFollower): void {
    this.#follower = follower;
    this.#followed.listen();
    if (this.#followed.isLate) this.lose();
    else this.pump();
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  leave(): void {
    this.#follower = null;
    this.#followed.leave(this);
  }

  lose(): void {
    const follower = this.#follower;
    if (follower === null) return;
    this.leave();
    follower.gone();
  }

  pump(): void {
    if (this.#isPumping || !this.#followed.hasHead) return;
    this.#isPumping = true;
    try {
      this.#deliver();
    } finally {
      this.#isPumping = false;
    }
  }

  #tellOutdated(follower: FlightFollower): void {
    this.leave();
    follower.outdated();
  }

  #deliver(): void {
    const followed = this.#followed;
    if (!this.#hasHead && this.#follower !== null) {
      this.#hasHead = true;
      const { records } = followed.shard;
      const { ref, length } = followed;
      if (followed.isOutdatedFor(this.#since)) {
        this.#tellOutdated(this.#follower);
        return;
      }
      if (!this.#follower.head(records.key(ref), records.meta(ref), length)) this.leave();
    }
    while (this.#follower !== null && !this.#isPaused && this.#at < followed.bytes) {
      const { bytes, bodyAt } = followed;
      const end = Math.min(bytes, this.#at + PIECE);
      const piece = followed.shard.records.bytes.subarray(bodyAt + this.#at, bodyAt + end);
      this.#at = end;
      if (!this.#follower.data(piece)) this.#isPaused = true;
    }
    if (this.#follower === null || this.#isPaused || !followed.isWhole || this.#at < followed.bytes) return;
    const follower = this.#follower;
    this.leave();
    follower.end();
  }
}
