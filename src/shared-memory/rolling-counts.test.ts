import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RollingCounts, rollingWords } from './rolling-counts.ts';

const WINDOW = 1_000;
const PART = 100;
const START = 5_000_000;

function memory(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(rollingWords(2) * 4));
}

describe('counts over a rolling window', () => {
  test('are those of the present part and the nine before it, for every worker alike', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ worker: fc.nat(2), counter: fc.nat(1), wait: fc.nat(400), count: fc.nat(3) }), {
          maxLength: 60,
        }),
        (steps) => {
          const words = memory();
          const workers = [0, 1, 2].map(() => new RollingCounts(words, 0, 2, WINDOW));
          const seen: { at: number; counter: number; count: number }[] = [];
          let now = START;
          for (const { worker, counter, wait, count } of steps) {
            now += wait;
            const counts = workers[worker] as RollingCounts;
            counts.advance(now);
            if (count > 0) counts.add(counter, count);
            seen.push({ at: now, counter, count });
            const from = (Math.floor(now / PART) - 9) * PART;
            for (const reader of workers) {
              for (const each of [0, 1]) {
                const expected = seen
                  .filter((event) => event.counter === each && event.at >= from)
                  .reduce((sum, event) => sum + event.count, 0);
                assert.equal(reader.sum(each, now), expected);
              }
            }
          }
        },
      ),
    );
  });

  test('are known to a worker whose clock is behind by a tick', () => {
    const words = memory();
    const [ahead, behind] = [new RollingCounts(words, 0, 2, WINDOW), new RollingCounts(words, 0, 2, WINDOW)];
    for (let at = START; at < START + WINDOW; at += PART) {
      behind.advance(at);
      behind.add(0, 1);
    }
    const end = START + WINDOW;
    ahead.advance(end);
    assert.equal(behind.sum(0, end - 50), 9);
    assert.equal(ahead.sum(0, end), 9);
  });

  test('a reset forgets what was counted, and counts on', () => {
    const counts = new RollingCounts(memory(), 0, 2, WINDOW);
    counts.advance(START);
    counts.add(0, 7);
    counts.reset(START + 250);
    assert.equal(counts.sum(0, START + 250), 0);
    counts.add(0, 2);
    assert.equal(counts.sum(0, START + 900), 2);
    assert.equal(counts.sum(0, START + 1_400), 0);
  });

  test('another length of the window begins anew with what is counted from then on', () => {
    const words = memory();
    const before = new RollingCounts(words, 0, 2, WINDOW);
    before.advance(START);
    before.add(0, 5);
    const after = new RollingCounts(words, 0, 2, 60_000);
    after.advance(START + 10);
    after.add(0, 1);
    assert.equal(after.sum(0, START + 10), 1);
  });

  test('counters wrap around', () => {
    const counts = new RollingCounts(memory(), 0, 2, WINDOW);
    counts.advance(START);
    counts.add(0, 0x7fffffff);
    counts.reset(START);
    counts.add(0, 3);
    assert.equal(counts.sum(0, START), 3);
  });

  test('what was taken and given back is no count below zero', () => {
    const counts = new RollingCounts(memory(), 0, 2, WINDOW);
    counts.advance(START);
    counts.add(1, 1);
    counts.advance(START + PART * 12);
    counts.add(1, -1);
    assert.equal(counts.sum(1, START + PART * 12), 0);
  });
});
