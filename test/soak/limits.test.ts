import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NANOSECONDS, RateVerdict, rateLimit } from '../../src/semantics/rate.ts';
import { BucketTable, bucketBytes, createBuckets } from '../../src/shared-memory/buckets.ts';
import { soak } from './scale.ts';

const SECOND = 1000 * NANOSECONDS;

test('millions of keys stay in the memory that is configured, and a hot key gets no more than its limit', () => {
  const slots = 2 ** 20;
  const keys = soak(300_000, 10_000_000);
  const buffer = createBuckets(slots, [0x12345678, 0x0bcdef01]);
  assert.equal(buffer.byteLength, bucketBytes(slots));
  assert.ok(buffer.byteLength < 34 * 1024 * 1024);
  const buckets = new BucketTable(buffer, 1);
  const verdict = new RateVerdict();
  const limit = rateLimit(10, 60_000, 10);
  const hotLimit = rateLimit(100, 1000, 50);
  let touched = 0;
  let now = 1e12;
  let hot = 0;
  for (let i = 0; i < keys; i++) {
    // 50,000 new keys a second, each busy for six seconds: 300,000 at once.
    now += SECOND / 50_000;
    if (i === keys / 4) touched = process.memoryUsage.rss();
    buckets.take(1, `198.51.100.${i}`, limit, now, 1, verdict);
    assert.ok(verdict.allowed, 'nobody who came once is refused while there is room');
    buckets.take(2, 'hot', hotLimit, now, 1, verdict);
    if (verdict.allowed) hot++;
  }
  const elapsed = (now - 1e12) / SECOND;
  assert.ok(Math.abs(hot - (50 + 100 * elapsed)) <= 1, `${hot} in ${elapsed} s`);
  assert.equal(buckets.counts().contended, 0);
  // Then all of the table is in use, and the heap has the size that garbage wants.
  const grown = process.memoryUsage.rss() - touched;
  assert.ok(grown < 64 * 1024 * 1024, `${grown} bytes more`);
});
