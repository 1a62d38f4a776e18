/**
 * How the memory of stored responses is laid out. It is dealt out in units of 64 bytes, a cache line; a place in a shard is
 * told by the number of units before it, and 0 is no place.
 *
 * A shard: header, index, ghosts, the small log, the main log. Both logs are tiled by records without a gap, at every
 * instant: so whoever walks from the start of a log finds all of them, whatever was being done when its owner was ended.
 */
export const UNIT = 64;
export const UNIT_WORDS = UNIT / 4;

/** Of the header of a shard, in words. */
export const LOCK = 0;
export const SMALL_ENDS = 2;
export const MAIN_ENDS = 4;
export const ENTRIES = 6;
/** Units that complete responses take. */
export const TAKEN = 7;
/** How many were evicted from the small log: the time that ghosts go by. */
export const EVICTIONS = 8;
const HEADER_UNITS = 1;

/** Eight entries of the index: their tags, then their places. */
export const BUCKET = 8;
/** Bytes of memory for each entry of the index: responses that take less with all they have may find no entry. */
const BYTES_PER_ENTRY = 512;
/** Ghosts for each entry of the index. */
const GHOSTS_PER_ENTRY = 1 / 2;
/** Part of the small log. */
const SMALL_SHARE = 0.1;

const SHARD_BYTES = 16 * 1024 ** 2;
export const MAX_SHARDS = 32;
export const MIN_RESPONSE_MEMORY = 64 * 1024;

/** Where things are in a shard, in units. */
export interface ShardLayout {
  readonly buckets: number;
  readonly indexAt: number;
  readonly ghostSets: number;
  readonly ghostsAt: number;
  readonly smallAt: number;
  readonly mainAt: number;
  readonly end: number;
}

/** What a thread is given. */
export interface ResponseSegments {
  readonly shards: readonly SharedArrayBuffer[];
  readonly shares: SharedArrayBuffer;
  readonly purges: SharedArrayBuffer;
  readonly flights: SharedArrayBuffer;
  /** Which of the shares are this thread's; 0: the main thread's. */
  readonly row: number;
}

/** Follows from the size alone, so that every thread comes to the same. */
export function layoutOf(bytes: number): ShardLayout {
  const end = Math.floor(bytes / UNIT);
  const entries = Math.max(BUCKET * 2, 2 ** Math.round(Math.log2(bytes / BYTES_PER_ENTRY)));
  const buckets = entries / BUCKET;
  const ghostSets = Math.max(1, (entries * GHOSTS_PER_ENTRY) / BUCKET);
  const indexAt = HEADER_UNITS;
  const ghostsAt = indexAt + buckets;
  const smallAt = ghostsAt + ghostSets;
  const mainAt = smallAt + Math.floor((end - smallAt) * SMALL_SHARE);
  return { buckets, indexAt, ghostSets, ghostsAt, smallAt, mainAt, end };
}

/** A power of two, so that a part of the hash tells the shard. */
export function shardCount(bytes: number): number {
  return Math.min(MAX_SHARDS, 2 ** Math.max(0, Math.floor(Math.log2(bytes / SHARD_BYTES))));
}

export function unitsFor(bytes: number): number {
  return Math.ceil(bytes / UNIT);
}
