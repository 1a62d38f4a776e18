import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CircuitCounts, type CircuitRules, hasRecovered, openTime, tripsOn } from './circuit.ts';

const rules: CircuitRules = {
  errorRate: 0.5,
  slowRate: null,
  minimumCalls: 20,
  window: 10_000,
  consecutiveFailures: 0,
  openFor: 5_000,
  maxOpenFor: 60_000,
  probes: 3,
};

const counts = (changes: Partial<CircuitCounts>): CircuitCounts => ({
  calls: 0,
  failures: 0,
  slow: 0,
  consecutive: 0,
  ...changes,
});

describe('what opens a circuit breaker', () => {
  test('a share of failures, from the minimum of calls on', () => {
    assert.equal(tripsOn(rules, counts({ calls: 19, failures: 19 })), null);
    assert.equal(tripsOn(rules, counts({ calls: 20, failures: 9 })), null);
    assert.equal(tripsOn(rules, counts({ calls: 20, failures: 10 })), 'errorRate');
  });

  test('a share of slow calls', () => {
    const slow = { ...rules, errorRate: null, slowRate: 0.25 };
    assert.equal(tripsOn(slow, counts({ calls: 20, slow: 4, failures: 20 })), null);
    assert.equal(tripsOn(slow, counts({ calls: 20, slow: 5 })), 'slowRate');
  });

  test('failures in a row, however few calls there were', () => {
    const row = { ...rules, consecutiveFailures: 3 };
    assert.equal(tripsOn(row, counts({ calls: 3, failures: 3, consecutive: 2 })), null);
    assert.equal(tripsOn(row, counts({ calls: 3, failures: 3, consecutive: 3 })), 'consecutiveFailures');
  });

  test('more failures never keep it closed', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.nat(200), (calls, failures, more) => {
        const some = Math.min(failures, calls);
        const worse = Math.min(some + more, calls);
        if (tripsOn(rules, counts({ calls, failures: some })) === null) return;
        assert.notEqual(tripsOn(rules, counts({ calls, failures: worse })), null);
      }),
    );
  });
});

test('it stays open twice as long each time, to a maximum, until it has recovered', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 100].map((repeats) => openTime(rules, repeats)),
    [5_000, 10_000, 20_000, 40_000, 60_000, 60_000],
  );
  assert.equal(hasRecovered(rules, 0, 0), true);
  assert.equal(hasRecovered(rules, 1, 9_999), false);
  assert.equal(hasRecovered(rules, 1, 10_000), true);
  assert.equal(hasRecovered(rules, 3, 10_000), false);
  assert.equal(hasRecovered(rules, 3, 20_000), true);
});
