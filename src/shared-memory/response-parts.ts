import { ResponseFlights } from './response-flights.ts';
import type { Hash } from './response-index.ts';
import type { ResponseSegments } from './response-layout.ts';
import { UNIT } from './response-layout.ts';
import { ResponsePurges } from './response-purges.ts';
import { RECORD_HEAD } from './response-record.ts';
import { ResponseShard } from './response-shard.ts';
import { ResponseShares } from './response-shares.ts';

/** Of key and tags, which count to what a record takes, but not to what a response may have. */
const HEAD_ROOM = RECORD_HEAD + 16 * 1024;
/** While somebody has not taken notice of the end of a fetch, its place is kept. */
const LINGER_MS = 20;

/** One thread's view of the stored responses. */
export class ResponseParts {
  readonly shares: ResponseShares;
  readonly purges: ResponsePurges;
  readonly flights: ResponseFlights;
  readonly shards: readonly ResponseShard[];
  /** Bytes of meta data and body together. */
  readonly maxEntry: number;
  readonly now: () => number;
  readonly #lingering: { readonly flight: number; readonly pin: number }[] = [];

  constructor(segments: ResponseSegments, now: () => number = Date.now) {
    this.now = now;
    this.shares = new ResponseShares(segments.shares, segments.row);
    this.purges = new ResponsePurges(segments.purges, this.shares);
    this.flights = new ResponseFlights(segments.flights, this.shares);
    this.shards = segments.shards.map((memory, number) => new ResponseShard(memory, number, this.shares));
    const largest = (this.shards[0]?.largest ?? 0) * UNIT;
    this.maxEntry = Math.max(largest - HEAD_ROOM, Math.floor(largest / 2));
  }

  /** Its upper bits: the lower ones tell the place inside. */
  shardOf({ low }: Hash): ResponseShard {
    return this.shards[(low >>> 24) & (this.shards.length - 1)] as ResponseShard;
  }

  /** Keeps the place of an ended flight, and its response, until all who follow know where it is. */
  linger(flight: number, pin: number): void {
    this.#lingering.push({ flight, pin });
    if (this.#lingering.length === 1) setTimeout(() => this.#look(), LINGER_MS).unref();
  }

  #look(): void {
    const still = this.#lingering.filter(({ flight, pin }) => {
      if (this.flights.isFollowed(flight)) return true;
      this.flights.free(flight);
      if (pin >= 0) this.shares.unpin(pin);
      return false;
    });
    this.#lingering.splice(0, this.#lingering.length, ...still);
    if (still.length > 0) setTimeout(() => this.#look(), LINGER_MS).unref();
  }
}
