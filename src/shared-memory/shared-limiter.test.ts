import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { limitId } from '../plan/limiter.ts';
import { RateVerdict, rateLimit } from '../semantics/rate.ts';
import { LimitNames } from './limit-names.ts';
import { LimitMemory } from './limit-segments.ts';
import { LIMIT_SERIES, OTHER_LIMITS, WorkerCell } from './metrics.ts';
import { MetricsView } from './metrics-view.ts';
import { clockSince, SharedLimitCounts, SharedLimiter } from './shared-limiter.ts';

describe('the limiter of a process', () => {
  test('workers share buckets, and what one gives back another can take', () => {
    const memory = new LimitMemory(64, [1, 2]);
    let now = 1e12;
    const [one, other] = [1, 2].map((worker) => new SharedLimiter(memory.segments, worker, () => now)) as [
      SharedLimiter,
      SharedLimiter,
    ];
    const verdict = new RateVerdict();
    const rate = rateLimit(2, 60_000, 2);
    const use = { id: limitId('defaults', 'a', rate), name: 'a', rate };
    const takes = (limiter: SharedLimiter): boolean => {
      limiter.take(use, 'key', 1, verdict);
      return verdict.allowed;
    };
    assert.deepEqual([takes(one), takes(other), takes(one)], [true, true, false]);
    one.charge(use, 'key', -1);
    assert.deepEqual([takes(other), takes(one)], [true, false]);
    other.charge(use, 'key', 1);
    now += 30_000 * 1e6;
    assert.ok(!takes(one), 'a debt is paid first');
    now += 30_000 * 1e6;
    assert.ok(takes(one));
  });

  test('the clock is the same in every thread', async () => {
    const origin = process.hrtime.bigint() - 5_000_000_000n;
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.module).then(({ clockSince }) => {
        const now = clockSince(workerData.origin);
        const truth = Number(process.hrtime.bigint() - workerData.origin);
        parentPort.postMessage(now() - truth);
      });`;
    const module = new URL('./shared-limiter.ts', import.meta.url).href;
    // A thread that starts later counts from later.
    await sleep(20);
    const worker = new Worker(script, { eval: true, workerData: { module, origin } });
    const [difference] = (await once(worker, 'message')) as [number];
    const here = clockSince(origin)() - Number(process.hrtime.bigint() - origin);
    for (const each of [difference, here]) assert.ok(Math.abs(each) < 5e6, `${each} ns apart`);
  });

  test('decisions are counted by name, over all workers', () => {
    const memory = new LimitMemory(64, [1, 2]);
    const cells = [new WorkerCell(), new WorkerCell()];
    for (const cell of cells) {
      const counts = new SharedLimitCounts(memory.segments, cell);
      const flood = counts.seriesOf('defaults', 'flood');
      counts.count(flood, 'allowed');
      counts.count(flood, 'limited');
      counts.count(counts.seriesOf('gateway web', 'flood'), 'reported');
      counts.seriesOf('gateway web', 'idle');
    }
    const { limits, slots, overflowed } = memory.read(new MetricsView(cells.map(({ buffer }) => buffer)));
    assert.deepEqual(
      limits.toSorted((one, two) => (one.scope < two.scope ? -1 : 1)),
      [
        { scope: 'defaults', limit: 'flood', allowed: 2, limited: 2, reported: 0 },
        { scope: 'gateway web', limit: 'flood', allowed: 0, limited: 0, reported: 2 },
      ],
    );
    assert.deepEqual([slots, overflowed], [64, 0]);
  });
});

describe('names of limits', () => {
  test('have one series each, the same for everybody, and past the last one there is one for all', () => {
    const names = new LimitNames();
    const others = new LimitNames(names.buffer);
    const seen = new Set<number>();
    for (let i = 0; i < OTHER_LIMITS; i++) {
      const series = names.seriesOf(`route web /${i}`, 'a');
      assert.equal(others.seriesOf(`route web /${i}`, 'a'), series);
      seen.add(series);
    }
    assert.equal(seen.size, OTHER_LIMITS);
    assert.ok(!seen.has(OTHER_LIMITS));
    assert.equal(names.seriesOf('route web /more', 'a'), OTHER_LIMITS);
    assert.equal(others.read().length, LIMIT_SERIES);
  });

  test('are cut where they are too long, but never the name itself', () => {
    const names = new LimitNames();
    const series = names.seriesOf(`route web /${'é\n'.repeat(300)}`, 'caller');
    const [read] = names.read();
    assert.equal(read?.series, series);
    assert.equal(read?.limit, 'caller');
    assert.ok(read?.scope.startsWith('route web /éé') || read?.scope.startsWith('route web /é\n'));
  });
});
