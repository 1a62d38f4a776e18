import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { UsageTask } from '../../test/fixtures/usage-worker.ts';
import { UsageVerdict, UsageWindow } from '../plan/usage.ts';
import { SharedUsage } from './shared-usage.ts';
import { createUsage, fullStamp, UsageTable } from './usage.ts';
import { UsageMemory } from './usage-segments.ts';

const WORKER = new URL('../../test/fixtures/usage-worker.ts', import.meta.url);
const HOUR = 3_600_000;
const NOON = Date.parse('2026-05-01T12:30:00Z');

const day = (): UsageWindow => new UsageWindow({ kind: 'calendar', unit: 'day', timeZone: 'UTC', offset: 0 });
const rollingDay = (): UsageWindow => new UsageWindow({ kind: 'rolling', length: 24 * HOUR });

/** A worker whose clock the test sets. */
class Bench {
  now = NOON;
  readonly memory: UsageMemory;
  readonly usage: SharedUsage;
  readonly verdict = new UsageVerdict();

  constructor(slots = 64) {
    this.memory = new UsageMemory([1, 2], { calendar: slots, rolling: slots });
    this.usage = new SharedUsage(this.memory.segments, 1, () => this.now);
  }

  take(window: UsageWindow, subject = 'consumer:acme', limit = 10, cost = 1): UsageVerdict {
    this.usage.take(window, subject, 7, limit, cost, this.verdict);
    return this.verdict;
  }

  /** How many of these attempts are granted. */
  burst(window: UsageWindow, attempts: number, limit = 10, subject = 'consumer:acme'): number {
    let granted = 0;
    for (let i = 0; i < attempts; i++) if (this.take(window, subject, limit).allowed) granted++;
    return granted;
  }
}

async function race(task: Omit<UsageTask, 'worker' | 'segments'>, workers: number): Promise<number[]> {
  const { segments } = new UsageMemory([3, 4], { calendar: 256, rolling: 256 });
  const granted = await Promise.all(
    Array.from({ length: workers }, async (_, index) => {
      const thread = new Worker(WORKER, { workerData: { ...task, segments, worker: index + 1 } satisfies UsageTask });
      const [result] = (await once(thread, 'message')) as [number[]];
      return result;
    }),
  );
  return Array.from({ length: task.subjects }, (_, subject) =>
    granted.reduce((sum, each) => sum + (each[subject] ?? 0), 0),
  );
}

describe('a quota', () => {
  it('is granted to the last request, and anew with the next period', () => {
    const bench = new Bench();
    const window = day();
    assert.equal(bench.burst(window, 15), 10);
    assert.deepEqual([bench.verdict.used, bench.verdict.retryAt], [10, Date.parse('2026-05-02T00:00:00Z')]);
    bench.now += 12 * HOUR;
    assert.equal(bench.burst(window, 15), 10);
  });

  it('counts what a request costs, and takes back what was not had', () => {
    const bench = new Bench();
    const window = day();
    assert.deepEqual([bench.take(window, 'a', 10, 7).allowed, bench.take(window, 'a', 10, 4).allowed], [true, false]);
    bench.usage.giveBack(window, 'a', 2);
    assert.equal(bench.take(window, 'a', 10, 4).allowed, true);
    assert.equal(bench.verdict.used, 9);
    bench.usage.giveBack(window, 'a', 50);
    assert.equal(bench.take(window, 'a', 10, 0).used, 0);
  });

  it('survives a clock that is set back over the beginning of a period', () => {
    const bench = new Bench();
    const window = day();
    bench.now = Date.parse('2026-05-02T00:00:01Z');
    assert.equal(bench.burst(window, 4), 4);
    bench.now -= 2000;
    assert.equal(bench.burst(window, 20), 10);
    bench.now += 2000;
    assert.equal(bench.burst(window, 20), 6);
  });

  it('is exact over workers that all want it', async () => {
    const task = { subjects: 3, attempts: 3000, limit: 1234, rolling: false };
    assert.deepEqual(await race(task, 4), [1234, 1234, 1234]);
    assert.deepEqual(await race({ ...task, rolling: true }, 4), [1234, 1234, 1234]);
  });
});

describe('a rolling quota', () => {
  it('gets back what was used when its part of the period is out', () => {
    const bench = new Bench();
    const window = rollingDay();
    assert.equal(bench.burst(window, 6), 6);
    bench.now += 2 * HOUR;
    assert.equal(bench.burst(window, 6), 4);
    assert.equal(new Date(bench.verdict.retryAt).toISOString(), '2026-05-02T13:00:00.000Z');
    bench.now = Date.parse('2026-05-02T12:59:59Z');
    assert.equal(bench.burst(window, 1), 0);
    bench.now += 1000;
    assert.equal(bench.burst(window, 10), 6);
  });

  it('never grants more than the limit in any period, whatever the times', () => {
    const steps = fc.array(
      fc.record({ pause: fc.integer({ min: 0, max: 6 * HOUR }), wanted: fc.integer({ min: 1, max: 6 }) }),
      {
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const bench = new Bench();
        const window = rollingDay();
        const granted: number[] = [];
        for (const { pause, wanted } of taken) {
          bench.now += pause;
          for (let i = 0; i < wanted; i++) if (bench.take(window).allowed) granted.push(bench.now);
        }
        for (const end of granted) {
          const within = granted.filter((time) => time > end - 24 * HOUR && time <= end);
          assert.ok(within.length <= 10);
        }
        // And it is not withheld for more than a part longer than that.
        bench.now += 25 * HOUR;
        assert.equal(bench.burst(window, 12), 10);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the table', () => {
  it('counts like a map, whatever comes in whatever order', () => {
    const action = fc.record({
      subject: fc.integer({ min: 0, max: 5 }),
      cost: fc.integer({ min: -3, max: 5 }),
      pause: fc.constantFrom(0, 0, 0, 5 * HOUR),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), (actions) => {
        const bench = new Bench();
        const window = day();
        const model = new Map<string, number>();
        for (const { subject, cost, pause } of actions) {
          bench.now += pause;
          const key = `${subject} ${Math.floor(bench.now / (24 * HOUR))}`;
          const used = model.get(key) ?? 0;
          const { allowed } = bench.take(window, `identity:a:${subject}`, 9, cost);
          assert.equal(allowed, cost <= 0 || used + cost <= 9);
          if (allowed) model.set(key, Math.max(0, used + cost));
          assert.equal(bench.verdict.used, model.get(key) ?? 0);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('tells what changed, once, until it is kept', () => {
    const bench = new Bench();
    const [table] = bench.memory.tables as [UsageTable];
    const window = day();
    bench.take(window, 'consumer:ä');
    const [slot, ...none] = [...table.changed()] as [number];
    assert.deepEqual(none, []);
    const read = table.read(slot);
    assert.deepEqual([read?.subject, read?.window, read?.plan], ['consumer:ä', window.id, 7]);
    assert.deepEqual([...table.changed()], []);
    table.settle(slot, false);
    assert.deepEqual([...table.changed()], [slot]);
    // What comes while it is being kept is another change.
    bench.take(window, 'consumer:ä');
    table.settle(slot, true);
    assert.deepEqual([...table.changed()], [slot]);
    table.settle(slot, true);
    assert.deepEqual([...table.changed()], []);
  });

  it('gives slots of periods that are over to others, then those of whoever used least, but none that is not kept', () => {
    const table = new UsageTable(createUsage(16, 2, [5, 6]), 1);
    const take = (subject: string, now: number, cost = 1): boolean => {
      const before = table.counts().uncounted;
      table.take(9, subject, 0, Math.floor(now / HOUR), 1, (Math.floor(now / HOUR) + 1) * HOUR, now, 100, cost);
      return table.counts().uncounted === before;
    };
    const keep = (): void => {
      for (const slot of [...table.changed()]) table.settle(slot, true);
    };
    for (let i = 0; i < 16; i++) assert.ok(take(`early ${i}`, NOON));
    assert.equal(take('too many', NOON), false);
    keep();
    for (let i = 0; i < 16; i++) assert.ok(take(`late ${i}`, NOON + 2 * HOUR, i + 1));
    assert.equal(table.counts().evicted, 0);
    keep();
    assert.ok(take('one more', NOON + 2 * HOUR, 50));
    assert.equal(table.counts().evicted, 1);
    assert.deepEqual([table.find(9, 'late 0'), table.find(9, 'early 3')], [null, null]);
    assert.ok(table.find(9, 'late 15') !== null);
  });

  it('is not held up by a thread that ended in the middle of giving a slot away', () => {
    const buffer = createUsage(16, 2, [5, 6]);
    const header = new Int32Array(buffer, 0, 16);
    header[2] = 3;
    const table = new UsageTable(buffer, 1);
    table.release(4);
    assert.equal(header[2], 3);
    table.release(3);
    assert.equal(table.take(9, 'a', 0, 1, 1, NOON, NOON, 5, 1).used, 1);
    assert.equal(table.counts().uncounted, 0);
  });

  it('forgets what nobody could date any more', () => {
    const bench = new Bench();
    const [table] = bench.memory.tables as [UsageTable];
    bench.take(day());
    const slot = table.find(day().id, 'consumer:acme') ?? -1;
    table.sweep(NOON);
    assert.ok(table.read(slot)?.words.some(({ count }) => count > 0));
    table.sweep(NOON + 24 * HOUR);
    assert.ok(table.read(slot)?.words.every(({ count }) => count === 0));
  });

  it('finds the whole stamp', () => {
    for (const current of [20_000, 65_536, 495_000]) {
      for (const behind of [-1, 0, 1, 25])
        assert.equal(fullStamp((current - behind) % 65_536, current), current - behind);
    }
  });
});
