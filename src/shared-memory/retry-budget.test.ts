import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TestStates } from '../../test/support/states.ts';
import type { RetryBudget } from '../plan/retry-budget.ts';
import { RetryBudgets, readRetryBudgets } from './retry-budget.ts';

let now = 1_000_000;
let retried = 0;

function open(states: TestStates, share: number, minimum: number): RetryBudget {
  const budgets = new RetryBudgets(states.worker(), () => now, { callRetried: () => retried++ });
  return budgets.open({ upstream: 'orders', series: 0, share, minimum });
}

describe('a retry budget', () => {
  test('is one for two workers: together they get their share of all calls', () => {
    const states = new TestStates();
    const [one, other] = [open(states, 0.2, 0), open(states, 0.2, 0)];
    for (let i = 0; i < 50; i++) {
      one.called();
      other.called();
    }
    const taken = [...Array(30)].filter((_, i) => (i % 2 === 0 ? one : other).take('retry')).length;
    assert.equal(taken, 20);
    assert.equal(readRetryBudgets(states.worker())[0]?.denied, 10);
  });

  test('gives a few a second to whoever has few calls', () => {
    const states = new TestStates();
    const budget = open(states, 0.2, 1);
    budget.called();
    const taken = [...Array(20)].filter(() => budget.take('retry')).length;
    assert.equal(taken, 10);
    now += 10_000;
    assert.equal(budget.take('retry'), true);
  });

  test('retries and hedges come out of it alike, and both are counted', () => {
    const states = new TestStates();
    const budget = open(states, 0.5, 0);
    for (let i = 0; i < 4; i++) budget.called();
    retried = 0;
    assert.deepEqual([budget.take('retry'), budget.take('hedge'), budget.take('hedge')], [true, true, false]);
    assert.equal(retried, 2);
    assert.deepEqual(readRetryBudgets(states.worker()), [{ upstream: 'orders', denied: 1, hedges: 1 }]);
  });

  test('is never overdrawn, whatever comes when', () => {
    const share = 0.25;
    fc.assert(
      fc.property(
        fc.array(fc.record({ wait: fc.nat(900), calls: fc.nat(9), asks: fc.nat(9) }), { maxLength: 80 }),
        (steps) => {
          const states = new TestStates();
          const workers = [open(states, share, 0), open(states, share, 0)];
          let calls = 0;
          let given = 0;
          for (const [i, step] of steps.entries()) {
            now += step.wait;
            const budget = workers[i % 2] as RetryBudget;
            for (let j = 0; j < step.calls; j++) budget.called();
            calls += step.calls;
            for (let j = 0; j < step.asks; j++) if (budget.take('retry')) given++;
            assert.ok(given <= share * calls);
          }
          for (const each of workers) each.close();
        },
      ),
    );
  });
});
