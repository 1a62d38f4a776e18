import assert from 'node:assert/strict';
import { after, before, beforeEach, mock, suite, test } from 'node:test';

/** The wheel on a clock of our own: `timers.ts` takes hold of the clock when it is loaded. */
let clock = 1_000_003;
let timers: typeof import('./timers.ts');

const TICK = 50;

function pass(milliseconds: number): void {
  for (let passed = 0; passed < milliseconds; passed += TICK) {
    clock += TICK;
    mock.timers.tick(TICK);
  }
}

/** The process slept: much time, one tick. */
function sleep(milliseconds: number): void {
  clock += milliseconds;
  mock.timers.tick(TICK);
}

suite('timer wheel', { concurrency: false }, () => {
  let fired: [name: string, after: number][];
  let begun = 0;

  function deadline(name: string, then: () => void = () => undefined): import('./timers.ts').Deadline {
    class Recorded extends timers.Deadline {
      expired(): void {
        fired.push([name, clock - begun]);
        then();
      }
    }
    return new Recorded();
  }

  before(async () => {
    mock.method(performance, 'now', () => clock);
    mock.timers.enable({ apis: ['setInterval'] });
    timers = await import('./timers.ts');
  });

  after(() => {
    mock.timers.reset();
    mock.restoreAll();
  });

  beforeEach(() => {
    // Past every slot, so that no test meets what another left.
    pass(520 * TICK);
    fired = [];
    begun = clock;
  });

  for (const limit of [0, 1, 49, 50, 51, 1_000, 25_550, 25_600, 26_000, 80_000]) {
    test(`${limit} ms fire once, never early, less than three ticks late`, () => {
      deadline('a').start(limit);
      pass(limit + 4 * TICK);
      assert.equal(fired.length, 1);
      const [, waited] = fired[0] as [string, number];
      assert.ok(waited >= limit && waited < limit + 3 * TICK, `${waited}`);
      pass(600 * TICK);
      assert.equal(fired.length, 1);
    });
  }

  test('a cleared limit does not fire', () => {
    const limit = deadline('a');
    limit.start(500);
    pass(200);
    limit.clear();
    pass(2_000);
    assert.deepEqual(fired, []);
  });

  test('a limit that is moved on fires at its new time', () => {
    const limit = deadline('a');
    limit.start(500);
    for (let i = 0; i < 10; i++) {
      pass(400);
      limit.start(500);
    }
    assert.deepEqual(fired, []);
    pass(600);
    assert.equal(fired.length, 1);
  });

  test('a limit that is moved forward fires at its new time and only then', () => {
    const limit = deadline('a');
    limit.start(10_000);
    limit.start(100);
    pass(200);
    assert.equal(fired.length, 1);
    pass(12_000);
    assert.equal(fired.length, 1);
  });

  test('a limit that was moved forward, fired and starts again keeps its time', () => {
    const limit = deadline('a');
    limit.start(10_000);
    limit.start(100);
    pass(200);
    // Its first slot comes round while it waits for a later one.
    limit.start(10_000);
    pass(9_900);
    assert.equal(fired.length, 1);
    pass(300);
    assert.equal(fired.length, 2);
    pass(30_000);
    assert.equal(fired.length, 2);
  });

  test('cleared and set again before its slot comes', () => {
    const limit = deadline('a');
    limit.start(500);
    limit.clear();
    limit.start(300);
    pass(450);
    assert.equal(fired.length, 1);
  });

  test('an expired limit may set itself and others again', () => {
    const other = deadline('other');
    const limit = deadline('limit', () => {
      if (fired.length > 3) return;
      limit.start(100);
      other.start(0);
    });
    limit.start(100);
    pass(2_000);
    assert.deepEqual(
      fired.map(([name]) => name),
      ['limit', 'other', 'limit', 'other', 'limit', 'other'].slice(0, fired.length),
    );
    assert.ok(fired.length >= 4);
  });

  test('after a long sleep everything that is due fires once', () => {
    const limits = [100, 5_000, 24_000, 60_000].map((each) => [each, deadline(String(each))] as const);
    for (const [each, limit] of limits) limit.start(each);
    sleep(100_000);
    assert.deepEqual(
      fired.map(([name]) => Number(name)).sort((a, b) => a - b),
      [100, 5_000, 24_000, 60_000],
    );
    pass(1_000);
    assert.equal(fired.length, 4);
  });

  test('many limits in one slot, some of them moved', () => {
    const limits = Array.from({ length: 1_000 }, (_, i) => deadline(String(i)));
    for (const limit of limits) limit.start(1_000);
    pass(500);
    for (const [i, limit] of limits.entries()) {
      if (i % 3 === 0) limit.clear();
      if (i % 3 === 1) limit.start(2_000);
    }
    pass(700);
    assert.equal(fired.length, 333);
    assert.ok(fired.every(([name]) => Number(name) % 3 === 2));
    pass(1_500);
    assert.equal(fired.length, 666);
  });
});
