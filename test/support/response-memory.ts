import assert from 'node:assert/strict';
import type { ResponseSegments } from '../../src/shared-memory/response-layout.ts';
import { ENTRIES, TAKEN } from '../../src/shared-memory/response-layout.ts';
import type { ResponseLog } from '../../src/shared-memory/response-log.ts';
import type { ResponseMemory } from '../../src/shared-memory/response-memory.ts';
import { ResponseParts } from '../../src/shared-memory/response-parts.ts';
import { DEAD, FILLING, LIVE, SKIP } from '../../src/shared-memory/response-record.ts';
import type { ResponseShard } from '../../src/shared-memory/response-shard.ts';

/** For one more thread, which there must be room for. */
export function admitted(memory: ResponseMemory): ResponseSegments {
  const segments = memory.admit();
  assert.ok(segments);
  return segments;
}

/**
 * What has to hold whenever nobody is at work: logs are tiled, index and records agree, counts are right, nothing is
 * being filled, pinned, locked or waited for.
 */
export function assertConsistent(segments: ResponseSegments): void {
  const parts = new ResponseParts(segments);
  for (const shard of parts.shards) {
    const live = new Set([...recordsOf(shard, shard.small), ...recordsOf(shard, shard.main)]);
    for (let entry = 0; entry < shard.index.capacity; entry++) {
      const ref = shard.index.place(shard.index.wordOf(entry));
      if (ref === 0) continue;
      assert.ok(live.delete(ref), 'an entry leads to what is not there, or two lead to one');
      assert.ok(shard.records.isSound(ref));
      const hash = { high: shard.records.hashHigh(ref), low: shard.records.hashLow(ref) };
      assert.equal(shard.find(hash, shard.records.key(ref)), ref);
      parts.shares.unpin(shard.pinOf(ref));
      live.add(ref);
      assert.equal(parts.shares.isPinned(shard.pinOf(ref)), false);
    }
    for (const ref of live) {
      const hash = { high: shard.records.hashHigh(ref), low: shard.records.hashLow(ref) };
      assert.ok(shard.index.leadingTo(hash, ref) >= 0, 'nothing leads to a live record');
    }
    assert.equal(shard.words[ENTRIES], live.size);
    assert.equal(
      shard.words[TAKEN],
      [...live].reduce((sum, ref) => sum + shard.records.size(ref), 0),
    );
    assert.equal(parts.shares.reserved(shard.number), 0);
    assert.ok(shard.lock.take());
    shard.lock.release();
  }
  assert.equal(parts.flights.count, 0);
}

function* recordsOf({ records }: ResponseShard, log: ResponseLog): Generator<number> {
  let hasTail = log.isAtEnd;
  let ref = log.start;
  while (ref < log.end) {
    const size = records.size(ref);
    assert.ok(size > 0 && ref + size <= log.end, 'the log is not tiled');
    hasTail ||= ref === log.tail;
    const state = records.state(ref);
    assert.ok([SKIP, FILLING, LIVE, DEAD].includes(state));
    assert.notEqual(state, FILLING, 'something is still being filled');
    if (state === LIVE) yield ref;
    ref += size;
  }
  assert.equal(ref, log.end);
  assert.ok(hasTail, 'the tail is inside of a record');
  assert.ok(log.free >= 0);
}
