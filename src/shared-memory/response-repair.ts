import { ENTRIES, TAKEN } from './response-layout.ts';
import type { ResponseLog } from './response-log.ts';
import { DEAD, FILLING, LIVE } from './response-record.ts';
import type { ResponseShard } from './response-shard.ts';

/**
 * After the end of a thread, under the shard's lock: what it was filling is given up. `wasChanging`: it had the lock, so
 * that index, ends and counts may be half changed. The tiling of the logs is right at every instant, so everything else
 * follows from it.
 */
export function repairShard(shard: ResponseShard, dead: number, wasChanging: boolean): void {
  const live = new Set<number>();
  for (const log of [shard.small, shard.main]) {
    const begin = walk(shard, log, (ref) => {
      const state = shard.records.state(ref);
      if (state === LIVE) live.add(ref);
      else if (state === FILLING && shard.records.owner(ref) === dead) shard.records.setState(ref, DEAD);
    });
    // What was free is free again when the log comes round.
    if (wasChanging) log.reset(begin);
  }
  if (wasChanging) rebuild(shard, live);
}

/** Answers where the log may go on: its tail if that is a record, else its start. */
function walk({ records }: ResponseShard, log: ResponseLog, meet: (ref: number) => void): number {
  let begin = log.start;
  for (let ref = log.start; ref < log.end; ref += records.size(ref)) {
    if (!(records.size(ref) > 0 && ref + records.size(ref) <= log.end)) {
      // Memory that something else wrote to: it is never used again, so that nobody who still reads there is harmed.
      records.setSize(ref, log.end - ref);
      records.setOwner(ref, -1);
      records.setState(ref, FILLING);
    }
    if (ref === log.tail) begin = ref;
    meet(ref);
  }
  return begin;
}

/** Every live record has one entry, every entry leads to a live record. Who finds one meanwhile finds it all the time. */
function rebuild(shard: ResponseShard, live: ReadonlySet<number>): void {
  const { index, records, words } = shard;
  for (let entry = 0; entry < index.capacity; entry++) {
    const word = index.wordOf(entry);
    const ref = index.place(word);
    if (ref !== 0 && !live.has(ref)) index.setPlace(word, 0);
  }
  let entries = 0;
  let taken = 0;
  for (const ref of live) {
    const hash = { high: records.hashHigh(ref), low: records.hashLow(ref) };
    let word = index.leadingTo(hash, ref);
    // Moved or replaced at that moment: the other one has the entry, or gets it.
    if (word < 0 && !isKnown(shard, hash, ref)) {
      word = index.free(hash);
      if (word >= 0) index.set(word, hash, ref);
    }
    if (word < 0) {
      records.setState(ref, DEAD);
      continue;
    }
    entries++;
    taken += records.size(ref);
  }
  words[ENTRIES] = entries;
  words[TAKEN] = taken;
}

function isKnown(shard: ResponseShard, hash: { readonly high: number; readonly low: number }, ref: number): boolean {
  const word = shard.entryOf(hash, shard.records.key(ref));
  return word >= 0 && shard.index.place(word) !== ref;
}
