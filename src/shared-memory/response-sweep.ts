import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { Hash } from './response-index.ts';
import { ENTRIES } from './response-layout.ts';
import type { ResponseParts } from './response-parts.ts';
import type { ResponseShard } from './response-shard.ts';
import { PURGED } from './response-shares.ts';

/** Entries of the index that are looked at while the lock is held. */
const STRIDE = 128;
/** Of one turn of the event loop. */
const TURN_MS = 2;
const RETRY_MS = 5;

/**
 * Removes what a purge is about, or marks it. First it is made known, so that what is being fetched will not be stored; then
 * what is stored is looked through, part by part. By a key all is done before this returns, unless a lock is not to be had.
 */
export async function purgeResponses(parts: ResponseParts, purge: ResponsePurge): Promise<number> {
  parts.purges.begin(purge);
  const { high, low } = parts.purges.hash(purge.value);
  const hash = { high, low };
  if (purge.by !== 'key') return purgeMany(parts, purge, hash);
  for (;;) {
    const count = parts.shardOf(hash).purge(hash, purge.value, purge.soft);
    if (count >= 0) {
      parts.shares.count(PURGED, count);
      return count;
    }
    await sleep(RETRY_MS);
  }
}

async function purgeMany(parts: ResponseParts, purge: ResponsePurge, hash: Hash): Promise<number> {
  let count = 0;
  let end = performance.now() + TURN_MS;
  for (const shard of parts.shards) {
    for (let from = 0; from < shard.index.capacity; from += STRIDE) {
      while (!shard.lock.take()) await sleep(RETRY_MS);
      try {
        if (shard.words[ENTRIES] === 0) break;
        count += sweep(shard, from, purge, hash);
      } finally {
        shard.lock.release();
      }
      if (performance.now() < end) continue;
      await nextTurn();
      end = performance.now() + TURN_MS;
    }
  }
  parts.shares.count(PURGED, count);
  return count;
}

/** Under the lock. */
function sweep(shard: ResponseShard, from: number, purge: ResponsePurge, hash: Hash): number {
  const { index, records } = shard;
  let count = 0;
  for (let entry = from; entry < Math.min(from + STRIDE, index.capacity); entry++) {
    const word = index.wordOf(entry);
    const ref = index.place(word);
    if (ref === 0 || !isAbout(shard, ref, purge, hash)) continue;
    count++;
    if (purge.soft) records.markStale(ref);
    else shard.drop(word, ref);
  }
  return count;
}

function isAbout({ records }: ResponseShard, ref: number, { by, value }: ResponsePurge, hash: Hash): boolean {
  if (by === 'tag') return records.hasTag(ref, hash);
  return by === 'all' || records.key(ref).startsWith(value);
}
