import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { charge, isRested, NANOSECONDS, type RateLimit, RateVerdict, rateLimit, take } from './rate.ts';

const SECOND = 1000 * NANOSECONDS;
const START = 1e15;

/** A key of its own: state and clock. */
class Key {
  readonly limit: RateLimit;
  readonly verdict = new RateVerdict();
  state = 0;
  now = START;

  constructor(limit: RateLimit) {
    this.limit = limit;
  }

  take(cost = 1): boolean {
    take(this.limit, this.state, this.now, cost, this.verdict);
    this.state = this.verdict.state;
    return this.verdict.allowed;
  }
}

describe('gcra', () => {
  test('a rested key has its burst, then what it earns', () => {
    const key = new Key(rateLimit(10, 1000, 3));
    assert.deepEqual([key.take(), key.take(), key.take(), key.take()], [true, true, true, false]);
    assert.equal(key.verdict.retryAfter, 100);
    key.now += SECOND / 10;
    assert.deepEqual([key.take(), key.take()], [true, false]);
    key.now += 100 * SECOND;
    assert.deepEqual([key.take(), key.take(), key.take(), key.take()], [true, true, true, false]);
  });

  test('says what is left, and when all of it is back', () => {
    const key = new Key(rateLimit(60, 60_000, 60));
    key.take();
    assert.equal(key.verdict.remaining, 59);
    assert.equal(key.verdict.resetAfter, 1000);
    key.take(59);
    assert.equal(key.verdict.remaining, 0);
    assert.equal(key.verdict.resetAfter, 60_000);
  });

  test('a look takes nothing, and neither does a refusal', () => {
    const key = new Key(rateLimit(10, 1000, 1));
    key.take(0);
    assert.equal(key.verdict.remaining, 1);
    assert.ok(key.take());
    const { state } = key;
    assert.ok(!key.take());
    assert.equal(key.state, state);
  });

  test('what costs more than the burst never passes', () => {
    const key = new Key(rateLimit(10, 1000, 5));
    assert.ok(!key.take(6));
    assert.ok(key.take(5));
  });

  test('says when one more will be there', () => {
    const key = new Key(rateLimit(10, 1000, 5));
    key.take(0);
    assert.equal(key.verdict.nextAfter, 0);
    key.take();
    assert.equal(key.verdict.nextAfter, 100);
    key.now += SECOND / 40;
    key.take(0);
    assert.deepEqual([key.verdict.remaining, key.verdict.nextAfter], [4, 75]);
  });

  test('a charge takes what is not there, to a debt of one bucket', () => {
    const key = new Key(rateLimit(10, 1000, 5));
    key.state = charge(key.limit, key.state, key.now, 8);
    assert.ok(!key.take());
    assert.deepEqual([key.verdict.remaining, key.verdict.nextAfter, key.verdict.retryAfter], [0, 400, 400]);
    key.state = charge(key.limit, key.state, key.now, 1_000_000);
    assert.ok(!key.take());
    assert.equal(key.verdict.retryAfter, 600);
  });

  test('is rested when its bucket is full', () => {
    const key = new Key(rateLimit(10, 1000, 5));
    assert.ok(isRested(0, 0, START));
    key.take();
    assert.ok(!isRested(key.state, 0, key.now));
    assert.ok(isRested(key.state, 0, key.now + SECOND / 10));
  });

  test('nothing is lost in rounding at 100,000 a second', () => {
    const key = new Key(rateLimit(100_000, 1000, 10));
    let accepted = 0;
    for (let i = 0; i < 1_000_000; i++) {
      key.now += 1000;
      if (key.take()) accepted++;
    }
    assert.ok(Math.abs(accepted - (10 + 100_000)) <= 1, `${accepted}`);
  });
});

describe('sliding window', () => {
  test('a clock that is a little behind does not begin a window anew', () => {
    const key = new Key(rateLimit(2, 1000, 2, 'sliding-window'));
    key.now = Math.ceil(START / SECOND) * SECOND;
    assert.ok(key.take());
    key.now -= 500;
    assert.ok(!isRested(key.state, key.limit.period, key.now));
    assert.deepEqual([key.take(), key.take()], [true, false]);
    assert.equal(key.verdict.remaining, 0);
  });

  test('a charge takes what is not there, to a debt of one limit', () => {
    const key = new Key(rateLimit(10, 1000, 10, 'sliding-window'));
    key.now = Math.ceil(START / SECOND) * SECOND;
    key.state = charge(key.limit, key.state, key.now, 15);
    assert.ok(!key.take());
    key.now += SECOND * 1.3;
    assert.ok(!key.take());
    key.now += SECOND * 0.2;
    assert.ok(key.take());
    key.state = charge(key.limit, key.state, key.now, 1_000_000);
    key.now += SECOND * 0.9;
    assert.ok(!key.take());
    key.now += SECOND * 0.2;
    assert.ok(key.take());
  });

  test('gives its limit in a window, and slides over the border', () => {
    const key = new Key(rateLimit(10, 1000, 10, 'sliding-window'));
    key.now = Math.ceil(START / SECOND) * SECOND;
    for (let i = 0; i < 10; i++) assert.ok(key.take());
    assert.ok(!key.take());
    key.now += SECOND * 1.5;
    for (let i = 0; i < 5; i++) assert.ok(key.take(), String(i));
    assert.ok(!key.take());
    key.now += SECOND * 2;
    assert.ok(isRested(key.state, key.limit.period, key.now));
    for (let i = 0; i < 10; i++) assert.ok(key.take());
  });
});

const limits = fc
  .record({
    limit: fc.integer({ min: 1, max: 5_000 }),
    period: fc.constantFrom(1000, 60_000, 3_600_000),
    burst: fc.integer({ min: 1, max: 500 }),
    algorithm: fc.constantFrom('gcra' as const, 'sliding-window' as const),
  })
  .map(({ limit, period, burst, algorithm }) => rateLimit(limit, period, burst, algorithm));
const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 2, noNaN: true }), fc.integer({ min: 1, max: 3 })), {
  maxLength: 200,
});

describe('whatever comes when', () => {
  test('a bucket never gives more than its burst and what was earned since', () => {
    fc.assert(
      fc.property(limits, steps, (limit, pauses) => {
        fc.pre(limit.algorithm === 'gcra');
        const key = new Key(limit);
        const taken: { at: number; cost: number }[] = [];
        for (const [pause, cost] of pauses) {
          key.now += Math.round(pause * limit.interval);
          if (key.take(cost)) taken.push({ at: key.now, cost });
        }
        for (let from = 0; from < taken.length; from++) {
          let sum = 0;
          for (let to = from; to < taken.length; to++) {
            sum += taken[to]?.cost ?? 0;
            const elapsed = (taken[to]?.at ?? 0) - (taken[from]?.at ?? 0);
            assert.ok(sum <= limit.burst + elapsed / limit.interval + 1e-3);
          }
        }
      }),
    );
  });

  test('whoever waits as long as told passes, and a moment earlier does not', () => {
    fc.assert(
      fc.property(limits, steps, (limit, pauses) => {
        const key = new Key(limit);
        for (const [pause, cost] of pauses) {
          key.now += Math.round(pause * limit.interval);
          if (cost > Math.min(limit.burst, limit.limit) || key.take(cost)) continue;
          const wait = key.verdict.retryAfter * NANOSECONDS;
          assert.ok(wait > 0);
          const { state, now } = key;
          if (wait > 10) {
            key.now = now + wait - Math.max(5, wait * 1e-4);
            assert.ok(!key.take(cost), 'too early');
          }
          key.state = state;
          key.now = now + wait + Math.max(5, wait * 1e-6);
          assert.ok(key.take(cost), 'on time');
        }
      }),
    );
  });

  test('what is given back can be taken again, and no more than that', () => {
    fc.assert(
      fc.property(limits, steps, (limit, pauses) => {
        const key = new Key(limit);
        const other = new Key(limit);
        for (const [pause, cost] of pauses) {
          key.now += Math.round(pause * limit.interval);
          other.now = key.now;
          if (key.take(cost)) key.state = charge(limit, key.state, key.now, -cost);
          assert.equal(key.take(cost), other.take(cost));
          assert.equal(key.verdict.remaining, other.verdict.remaining);
        }
      }),
    );
  });

  test('one more is there when told, and not before', () => {
    fc.assert(
      fc.property(limits, steps, (limit, pauses) => {
        const key = new Key(limit);
        for (const [pause, cost] of pauses) {
          key.now += Math.round(pause * limit.interval);
          key.take(cost);
          const { remaining, nextAfter } = key.verdict;
          if (nextAfter === 0) continue;
          const { state, now } = key;
          const wait = nextAfter * NANOSECONDS;
          key.now = now + wait + Math.max(5, wait * 1e-6);
          key.take(0);
          assert.ok(key.verdict.remaining > remaining, 'on time');
          if (wait > 10) {
            key.now = now + wait - Math.max(5, wait * 1e-4);
            key.state = state;
            key.take(0);
            assert.ok(key.verdict.remaining <= remaining, 'too early');
          }
          key.now = now;
          key.state = state;
        }
      }),
    );
  });

  test('forgetting a rested key changes nothing', () => {
    fc.assert(
      fc.property(limits, steps, (limit, pauses) => {
        const kept = new Key(limit);
        const forgotten = new Key(limit);
        const period = limit.algorithm === 'gcra' ? 0 : limit.period;
        for (const [pause, cost] of pauses) {
          kept.now += Math.round(pause * limit.interval * 3);
          forgotten.now = kept.now;
          if (isRested(forgotten.state, period, forgotten.now)) forgotten.state = 0;
          assert.equal(forgotten.take(cost), kept.take(cost));
          assert.equal(forgotten.verdict.remaining, kept.verdict.remaining);
        }
      }),
    );
  });
});
