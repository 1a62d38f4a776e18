import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { WorkerVitals } from '../shared-memory/control.ts';
import { Watchdog } from './watchdog.ts';

class FakeWorker {
  vitals: WorkerVitals = {
    beat: 1,
    state: 'serving',
    heapUsed: 10,
    heapLimit: 100,
    loopDelay: 0,
    loopUse: 0,
    overload: 0,
    active: 0,
  };
  leaving = false;
  age = 60_000;
}

describe('watchdog', () => {
  const HANG_MS = 1_000;
  let now = 0;
  let hung: FakeWorker[] = [];
  let full: FakeWorker[] = [];
  let worker = new FakeWorker();
  let watchdog: Watchdog<FakeWorker>;
  const pass = (milliseconds: number, beating: boolean): void => {
    for (let passed = 0; passed < milliseconds; passed += 250) {
      now += 250;
      if (beating) worker.vitals.beat += 1;
      mock.timers.tick(250);
    }
  };
  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval'] });
    hung = [];
    full = [];
    worker = new FakeWorker();
    const reports = { hung: (each: FakeWorker) => hung.push(each), full: (each: FakeWorker) => full.push(each) };
    watchdog = new Watchdog(new Set([worker]), HANG_MS, reports, () => now);
  });
  afterEach(() => {
    watchdog.close();
    mock.timers.reset();
  });

  it('leaves a worker alone that beats', () => {
    pass(10_000, true);
    assert.deepEqual([hung, full], [[], []]);
  });

  it('reports one that falls silent, once', () => {
    pass(1_000, true);
    pass(HANG_MS, false);
    assert.deepEqual(hung, []);
    pass(5_000, false);
    assert.deepEqual(hung, [worker]);
  });

  it('gives one that has not begun to beat much longer', () => {
    worker.vitals.beat = 0;
    pass(59_000, false);
    assert.deepEqual(hung, []);
    pass(2_000, false);
    assert.deepEqual(hung, [worker]);
  });

  it('blames nobody for a pause of the whole process', () => {
    pass(1_000, true);
    now += 60_000;
    pass(HANG_MS - 250, false);
    assert.deepEqual(hung, []);
    pass(1_000, false);
    assert.deepEqual(hung, [worker]);
  });

  it('reports a heap that stays above its share, not one that was about to be collected', () => {
    worker.vitals.heapUsed = 90;
    pass(500, true);
    worker.vitals.heapUsed = 50;
    pass(500, true);
    assert.deepEqual(full, []);
    worker.vitals.heapUsed = 90;
    pass(1_000, true);
    assert.deepEqual(full, [worker]);
  });

  it('does not replace what would be full again at once, nor what leaves anyway', () => {
    worker.vitals.heapUsed = 90;
    worker.age = 5_000;
    pass(3_000, true);
    worker.age = 60_000;
    worker.leaving = true;
    pass(3_000, true);
    assert.deepEqual(full, []);
  });
});
