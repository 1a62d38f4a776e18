import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { NANOSECONDS, RateVerdict, rateLimit, take } from '../semantics/rate.ts';
import { BucketTable, bucketBytes, createBuckets } from './buckets.ts';

const SEED = [0x1234567, 0x89abcde] as const;
const START = 1e12;
const SECOND = 1000 * NANOSECONDS;

function table(slots = 1024): BucketTable {
  return new BucketTable(createBuckets(slots, SEED), 1);
}

describe('buckets', () => {
  test('keys and limits are counted apart', () => {
    const buckets = table();
    const verdict = new RateVerdict();
    const limit = rateLimit(1, 60_000, 1);
    const takes = (limitId: number, key: string): boolean => {
      buckets.take(limitId, key, limit, START, 1, verdict);
      return verdict.allowed;
    };
    assert.deepEqual([takes(1, 'a'), takes(1, 'b'), takes(2, 'a'), takes(1, 'a')], [true, true, true, false]);
  });

  test('behave as the algorithm on a state of its own, whatever comes in between', () => {
    const moves = fc.array(
      fc.record({
        key: fc.constantFrom('a', 'b', 'c', '192.0.2.1', '2001:db8::/64'),
        limit: fc.integer({ min: 0, max: 3 }),
        pause: fc.integer({ min: 0, max: 400 }),
        cost: fc.integer({ min: 0, max: 3 }),
      }),
      { maxLength: 300 },
    );
    const limits = [
      rateLimit(5, 1000, 5),
      rateLimit(100, 1000, 3),
      rateLimit(7, 1000, 7, 'sliding-window'),
      rateLimit(2, 3000, 2, 'sliding-window'),
    ];
    fc.assert(
      fc.property(moves, (all) => {
        const buckets = table();
        const model = new Map<string, number>();
        const [verdict, expected] = [new RateVerdict(), new RateVerdict()];
        let now = START;
        for (const { key, limit, pause, cost } of all) {
          now += pause * NANOSECONDS;
          const rule = limits[limit] as (typeof limits)[number];
          buckets.take(limit, key, rule, now, cost, verdict);
          const name = `${limit} ${key}`;
          take(rule, model.get(name) ?? 0, now, cost, expected);
          if (expected.allowed && cost > 0) model.set(name, expected.state);
          assert.equal(verdict.allowed, expected.allowed);
          assert.equal(verdict.remaining, expected.remaining);
          assert.equal(verdict.retryAfter, expected.retryAfter);
        }
      }),
    );
  });

  test('a million keys in little memory: rested ones give way, and none is granted more than its limit', () => {
    const slots = 512;
    const buffer = createBuckets(slots, SEED);
    assert.equal(buffer.byteLength, bucketBytes(slots));
    const buckets = new BucketTable(buffer, 1);
    const verdict = new RateVerdict();
    const limit = rateLimit(10, 1000, 2);
    let hot = 0;
    let now = START;
    const keys = 200_000;
    for (let i = 0; i < keys; i++) {
      now += SECOND / 10_000;
      buckets.take(1, `key ${i}`, limit, now, 1, verdict);
      buckets.take(2, 'hot', limit, now, 1, verdict);
      if (verdict.allowed) hot++;
    }
    const elapsed = (now - START) / SECOND;
    assert.ok(hot <= 2 + 10 * elapsed + 1, `${hot} in ${elapsed} s`);
    assert.ok(hot >= 2 + 10 * elapsed - 2, `${hot} in ${elapsed} s`);
    const { evicted, overflowed } = buckets.counts();
    assert.ok(evicted > 100 && overflowed > 100, 'both ways out were taken');
  });

  test('when every slot is at work, new keys share one bucket of their limit: stricter, never looser', () => {
    const buckets = table(8);
    const verdict = new RateVerdict();
    const limit = rateLimit(1, 3_600_000, 5);
    let allowed = 0;
    for (let i = 0; i < 8; i++) {
      buckets.take(1, `key ${i}`, limit, START, 1, verdict);
      assert.ok(verdict.allowed);
    }
    for (let i = 8; i < 100; i++) {
      buckets.take(1, `key ${i}`, limit, START, 1, verdict);
      if (verdict.allowed) allowed++;
    }
    assert.equal(allowed, 5);
    assert.equal(buckets.counts().overflowed, 92);
    // Another limit has an overflow of its own.
    buckets.take(2, 'other', limit, START, 1, verdict);
    assert.ok(verdict.allowed);
    // A key that has its slot is not concerned.
    buckets.take(1, 'key 0', limit, START, 1, verdict);
    assert.equal(verdict.remaining, 3);
  });

  test('a worker that ends while it gives a slot away leaves nothing locked', () => {
    const buffer = createBuckets(8, SEED);
    const words = new BigInt64Array(buffer, 64, 32);
    const locks = new Int32Array(buffer, buffer.byteLength - 4, 1);
    const verdict = new RateVerdict();
    const limit = rateLimit(1, 60_000, 1);
    const survivor = new BucketTable(buffer, 1);
    locks[0] = 7;
    words[1] = -1n;
    survivor.release(7);
    survivor.take(1, 'a', limit, START, 1, verdict);
    assert.ok(verdict.allowed);
    assert.equal(survivor.counts().contended, 0);
    assert.equal(survivor.counts().overflowed, 0);
  });

  test('exact across threads: keys that all workers want at once, in a table that is too small', async () => {
    const buffer = createBuckets(64, SEED);
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { BucketTable } = await import(workerData.buckets);
        const { RateVerdict, rateLimit } = await import(workerData.rate);
        const table = new BucketTable(workerData.buffer, workerData.owner);
        const verdict = new RateVerdict();
        // So slow that nothing is earned meanwhile: what is granted is the burst, to the last one.
        const limit = rateLimit(1, 1e6, workerData.burst);
        const granted = {};
        Atomics.add(workerData.gate, 0, 1);
        while (Atomics.load(workerData.gate, 0) < workerData.threads) {}
        for (let i = 0; i < workerData.rounds; i++) {
          const key = 'key ' + (i % 16);
          table.take(1, key, limit, ${START}, 1, verdict);
          if (verdict.allowed) granted[key] = (granted[key] ?? 0) + 1;
          // Keys that come and go, so that slots change hands all the time.
          table.take(2, 'guest ' + ((i * 7919) % 4096), workerData.short, ${START} + i * 1000, 1, verdict);
        }
        parentPort.postMessage(granted);
      })();`;
    const threads = 3;
    const burst = 5_000;
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const rounds = 16 * burst;
    const workers = Array.from({ length: threads }, (_, index) => {
      const workerData = {
        buffer,
        gate,
        threads,
        rounds,
        burst,
        owner: index + 1,
        short: rateLimit(1000, 1000, 1),
        buckets: new URL('./buckets.ts', import.meta.url).href,
        rate: new URL('../semantics/rate.ts', import.meta.url).href,
      };
      return new Worker(script, { eval: true, workerData });
    });
    const sums = new Map<string, number>();
    for (const [granted] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
      for (const [key, count] of Object.entries(granted as Record<string, number>)) {
        sums.set(key, (sums.get(key) ?? 0) + count);
      }
    }
    assert.equal(sums.size, 16);
    for (const [key, count] of sums) assert.equal(count, burst, key);
    assert.equal(new BucketTable(buffer, 9).counts().contended, 0);
  });
});
