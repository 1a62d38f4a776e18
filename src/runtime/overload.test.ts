import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Priority } from '../plan/priority.ts';
import { HIGHEST, nextLevel, shareOf } from '../semantics/shedding.ts';
import { OverloadMonitor, type Strength } from './overload.ts';

const thresholds = { loopDelay: 50, heap: 0.85 };
const well: Strength = { loopDelay: 1, heapShare: 0.2 };

function monitor() {
  const seen = { level: 0, shed: [0, 0, 0] };
  let chance = 0.5;
  const made = new OverloadMonitor(
    {
      shed: (priority) => {
        seen.shed[priority] = (seen.shed[priority] ?? 0) + 1;
      },
      overloadLevel: (level) => {
        seen.level = level;
      },
    },
    () => chance,
  );
  const observe = (strength: Partial<Strength>, times: number): void => {
    for (let i = 0; i < times; i++) made.observe({ ...well, ...strength });
  };
  const setChance = (next: number): void => {
    chance = next;
  };
  return { made, seen, observe, setChance };
}

const sheds = (overload: { sheds(priority: Priority): boolean }): boolean[] =>
  [0, 1, 2].map((each) => overload.sheds(each as Priority));

describe('a worker with too much to do', () => {
  test('turns the lowest class away first, then the next, and the highest never', () => {
    const { made, seen, observe } = monitor();
    const overload = made.watch(thresholds);
    assert.deepEqual(sheds(overload), [false, false, false]);
    observe({ loopDelay: 120 }, 6);
    assert.deepEqual(sheds(overload), [false, false, true]);
    assert.ok(seen.level > 0.5 && seen.level < 1.5);
    observe({ loopDelay: 120 }, 50);
    assert.deepEqual(sheds(overload), [false, true, true]);
    assert.equal(seen.level, HIGHEST);
    made.close();
  });

  test('turns a growing share away, and less and less when it is well again', () => {
    const { made, seen, observe, setChance } = monitor();
    const overload = made.watch(thresholds);
    observe({ loopDelay: 60 }, 4);
    const level = seen.level;
    assert.ok(level > 0 && level < 0.5);
    setChance(level - 0.01);
    assert.equal(overload.sheds(2), true);
    setChance(level + 0.01);
    assert.equal(overload.sheds(2), false);
    observe({}, 3);
    assert.ok(seen.level > 0, 'not at once');
    observe({}, 20);
    assert.equal(seen.level, 0);
    made.close();
  });

  test('between well and too much nothing changes', () => {
    const { made, seen, observe } = monitor();
    made.watch(thresholds);
    observe({ loopDelay: 200 }, 3);
    observe({ loopDelay: 35 }, 10);
    const { level } = seen;
    observe({ loopDelay: 35 }, 50);
    assert.equal(seen.level, level);
    made.close();
  });

  test('one late beat is no overload, a full heap is', () => {
    const { made, seen, observe } = monitor();
    made.watch(thresholds);
    observe({ loopDelay: 90 }, 1);
    assert.equal(seen.level, 0);
    observe({ heapShare: 0.9 }, 5);
    assert.ok(seen.level > 0.5);
    observe({ heapShare: 0.8 }, 20);
    assert.ok(seen.level > 0.5, 'not yet well');
    observe({ heapShare: 0.5 }, 50);
    assert.equal(seen.level, 0);
    made.close();
  });

  test('goes on over reloads, for equal thresholds', () => {
    const { made } = monitor();
    assert.equal(made.watch(thresholds), made.watch({ ...thresholds }));
    assert.notEqual(made.watch(thresholds), made.watch({ ...thresholds, heap: 0.9 }));
    made.close();
  });

  test('counts whom it turns away, and spreads their return', () => {
    const { made, seen, setChance } = monitor();
    const overload = made.watch(thresholds);
    const times = [0, 0.5, 0.999].map((chance) => {
      setChance(chance);
      return overload.shed(2);
    });
    assert.deepEqual(times, [1, 2, 3]);
    assert.deepEqual(seen.shed, [0, 0, 3]);
    made.close();
  });
});

test('levels stay within their bounds, and a lower class is never better off than a higher one', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), (pressures) => {
      let level = 0;
      for (const pressure of pressures) {
        level = nextLevel(level, pressure);
        assert.ok(level >= 0 && level <= HIGHEST);
        assert.ok(shareOf(level, 0) >= shareOf(level, 1) && shareOf(level, 1) >= shareOf(level, 2));
        assert.equal(shareOf(level, 2), 0, 'the highest class');
      }
    }),
  );
});
