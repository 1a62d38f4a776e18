import { createResponseFlights } from './response-flights.ts';
import { ENTRIES, MIN_RESPONSE_MEMORY, type ResponseSegments, shardCount, TAKEN, UNIT } from './response-layout.ts';
import { ResponseParts } from './response-parts.ts';
import { createResponsePurges } from './response-purges.ts';
import { repairShard } from './response-repair.ts';
import type { ResponseShard } from './response-shard.ts';
import {
  ADMISSIONS,
  BROKEN,
  createResponseShares,
  EVICTIONS,
  FOLLOWERS,
  HITS,
  MAX_ROWS,
  MISSES,
  OUTDATED,
  PURGED,
  REJECTED,
} from './response-shares.ts';
import { SharedResponseStore } from './response-store.ts';

/** The main thread's row; workers' are numbered from 1. */
const MAIN = 0;
const RETRY_MS = 10;
/** Of one page: it may have few entries, or none, and more may come. */
const LOOKS = 16_384;

export interface ResponseStatistics {
  /** Bytes that complete responses take with all that belongs to them, those being fetched, and the bound for both. */
  readonly bytes: number;
  readonly filling: number;
  readonly capacity: number;
  readonly entries: number;
  /** Fetches under way that others could follow. */
  readonly flights: number;
  readonly hits: number;
  readonly misses: number;
  readonly followers: number;
  readonly admissions: number;
  readonly evictions: number;
  /** Responses that purges removed or marked. */
  readonly purged: number;
  /** Responses that were too large, or for which there was no room. */
  readonly rejected: number;
  /** Responses that were fetched before a purge of them. */
  readonly outdated: number;
  /** Responses whose bytes were not those that had been stored; each one is a bug or broken memory. */
  readonly broken: number;
}

/** One stored response, for people. */
export interface ResponseEntry {
  readonly key: string;
  readonly tags: readonly string[];
  readonly storedAt: number;
  readonly isStale: boolean;
  /** A copy. */
  readonly meta: Buffer;
  /** Of the body. */
  readonly length: number;
  /** Bytes that it takes with all that belongs to it. */
  readonly size: number;
}

/** The main thread's side of the stored responses, from the start of the process to its end. */
export class ResponseMemory {
  /** For purges, and to look at single responses. */
  readonly store: SharedResponseStore;
  readonly #segments: Omit<ResponseSegments, 'row'>;
  readonly #parts: ResponseParts;
  readonly #capacity: number;
  #nextRow = 1;
  #freeRows: number[] = [];

  /** `bytes`: address space, of which only what is used takes memory. `seed`: 64 random bits. */
  constructor(bytes: number, seed: readonly [number, number], shards = shardCount(bytes)) {
    const size = Math.floor(Math.max(bytes, MIN_RESPONSE_MEMORY) / shards / UNIT) * UNIT;
    this.#segments = {
      shards: Array.from({ length: shards }, () => new SharedArrayBuffer(size)),
      shares: createResponseShares(seed),
      purges: createResponsePurges(),
      flights: createResponseFlights(),
    };
    this.#capacity = size * shards;
    this.#parts = new ResponseParts({ ...this.#segments, row: MAIN });
    for (const shard of this.#parts.shards) shard.clear();
    this.store = new SharedResponseStore({ ...this.#segments, row: MAIN });
  }

  /** For one more thread; null: there are too many, and it goes without. */
  admit(): ResponseSegments | null {
    const row = this.#freeRows.pop() ?? this.#nextRow++;
    if (row >= MAX_ROWS) return null;
    this.#parts.shares.admit(row);
    return { ...this.#segments, row };
  }

  /** After the end of that thread, however it ended: its locks, fetches and pins are free again. */
  release({ row }: ResponseSegments): void {
    const dead = row + 1;
    const { shards, flights, shares } = this.#parts;
    flights.reclaim(dead);
    const held = shards.filter((shard) => {
      const wasChanging = shard.lock.inherit(dead);
      if (!wasChanging && !shares.wasFilling(row, shard.number)) return false;
      // It may be held by another one that has ended too.
      if (!wasChanging && !shard.lock.take()) return true;
      repairShard(shard, dead, wasChanging);
      shard.lock.release();
      return false;
    });
    if (held.length > 0) {
      setTimeout(() => this.release({ ...this.#segments, row }), RETRY_MS).unref();
      return;
    }
    shares.clear(row);
    this.#freeRows.push(row);
  }

  /** The response under this key. It does not count as asked for. */
  entry(key: string): ResponseEntry | null {
    const hash = this.#parts.purges.hash(key);
    const shard = this.#parts.shardOf(hash);
    const ref = shard.find(hash, key);
    if (ref === 0) return null;
    const entry = entryAt(shard, ref);
    this.#parts.shares.unpin(shard.pinOf(ref));
    return entry;
  }

  /** Some of what is stored, in no order: `limit` at most. `from`: 0, or what the page before said; null: that was all. */
  page(from: number, limit: number): { readonly entries: readonly ResponseEntry[]; readonly next: number | null } {
    const entries: ResponseEntry[] = [];
    const { shards, shares } = this.#parts;
    const capacity = shards[0]?.index.capacity ?? 0;
    let at = from;
    const end = Math.min(capacity * shards.length, from + LOOKS);
    for (; at < end && entries.length < limit; at++) {
      const shard = shards[Math.floor(at / capacity)];
      if (shard === undefined) break;
      const ref = shard.pinned(shard.index.wordOf(at % capacity));
      if (ref === 0) continue;
      entries.push(entryAt(shard, ref));
      shares.unpin(shard.pinOf(ref));
    }
    return { entries, next: at < capacity * shards.length ? at : null };
  }

  get statistics(): ResponseStatistics {
    const { shards, shares, flights } = this.#parts;
    const sum = (word: number): number => shards.reduce((total, { words }) => total + Atomics.load(words, word), 0);
    const filling = shards.reduce((total, { number }) => total + shares.reserved(number), 0);
    return {
      bytes: sum(TAKEN) * UNIT,
      filling: filling * UNIT,
      capacity: this.#capacity,
      entries: sum(ENTRIES),
      flights: flights.count,
      hits: shares.counted(HITS),
      misses: shares.counted(MISSES),
      followers: shares.counted(FOLLOWERS),
      admissions: shares.counted(ADMISSIONS),
      evictions: shares.counted(EVICTIONS),
      purged: shares.counted(PURGED),
      rejected: shares.counted(REJECTED),
      outdated: shares.counted(OUTDATED),
      broken: shares.counted(BROKEN),
    };
  }
}

/** `ref`: pinned. */
function entryAt({ records }: ResponseShard, ref: number): ResponseEntry {
  return {
    key: records.key(ref),
    tags: records.tags(ref),
    storedAt: records.storedAt(ref),
    isStale: records.isStale(ref),
    meta: Buffer.from(records.meta(ref)),
    length: records.bodyBytes(ref),
    size: records.size(ref) * UNIT,
  };
}
