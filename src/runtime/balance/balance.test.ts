import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  candidates,
  plainCall,
  quantile,
  seeded,
  simulate,
  spreadBy,
  type TestCandidate,
} from '../../../test/support/balance-simulation.ts';
import type { Balancer } from './balancer.ts';
import { balancerFor } from './balancer-for.ts';

function balancer(method: 'round-robin' | 'least-request' | 'ewma', endpoints: readonly TestCandidate[]) {
  const made = balancerFor<TestCandidate>(spreadBy(method), null, seeded(3));
  made.update(endpoints);
  return made;
}

function shares(made: Balancer<TestCandidate>, endpoints: readonly TestCandidate[], times = 20_000, now = 0): number[] {
  const counts = endpoints.map(() => 0);
  for (let i = 0; i < times; i++) {
    const { index } = made.choose(plainCall, now);
    counts[index] = (counts[index] as number) + 1;
  }
  return counts.map((count) => Math.round((count / times) * 100) / 100);
}

describe('round-robin', () => {
  it('gives each its weight, evenly spread', () => {
    const made = balancer('round-robin', candidates(3, [5, 1, 2]));
    const order = Array.from({ length: 16 }, () => made.choose(plainCall, 0).index);
    assert.deepEqual(order, [0, 2, 0, 0, 1, 0, 2, 0, 0, 2, 0, 0, 1, 0, 2, 0]);
  });

  it('goes on where it was when endpoints come and go', () => {
    const endpoints = candidates(3);
    const made = balancer('round-robin', endpoints);
    const first = [made.choose(plainCall, 0).index, made.choose(plainCall, 0).index];
    made.update(endpoints.slice());
    assert.deepEqual([...first, made.choose(plainCall, 0).index].sort(), [0, 1, 2]);
  });
});

describe('least-request', () => {
  it('gives each its weight while nothing is under way', () => {
    const endpoints = candidates(3, [1, 2, 1]);
    assert.deepEqual(shares(balancer('least-request', endpoints), endpoints), [0.25, 0.5, 0.25]);
  });

  it('avoids the one with the most under way, and never sees it as the better of two', () => {
    const endpoints = candidates(3);
    for (let i = 0; i < 10; i++) endpoints[1]?.record.enter();
    assert.equal(shares(balancer('least-request', endpoints), endpoints)[1], 0);
  });

  it('counts what is under way in relation to the weight', () => {
    const endpoints = candidates(2, [1, 4]);
    for (let i = 0; i < 2; i++) endpoints[0]?.record.enter();
    for (let i = 0; i < 7; i++) endpoints[1]?.record.enter();
    assert.deepEqual(shares(balancer('least-request', endpoints), endpoints), [0, 1]);
    for (let i = 0; i < 2; i++) endpoints[1]?.record.enter();
    assert.deepEqual(shares(balancer('least-request', endpoints), endpoints), [1, 0]);
  });

  it('lets one that has just come grow, though it has nothing under way', () => {
    const endpoints = candidates(4);
    for (const { record } of endpoints.slice(1)) record.enter();
    const young = endpoints[0] as TestCandidate;
    young.growth = 0.1;
    young.weight = 0.1;
    const [share = 1] = shares(balancer('least-request', endpoints), endpoints);
    assert.ok(share > 0.01 && share < 0.1, `${share}`);
  });
});

describe('ewma', () => {
  it('goes where a call waits less', () => {
    const endpoints = candidates(3);
    for (const [index, milliseconds] of [10, 10, 100].entries())
      endpoints[index]?.record.observe(milliseconds, 0, 1_000);
    assert.equal(shares(balancer('ewma', endpoints), endpoints)[2], 0);
    // Ten times as many at the others make up for ten times the latency.
    for (let i = 0; i < 12; i++) for (const { record } of endpoints.slice(0, 2)) record.enter();
    assert.ok((shares(balancer('ewma', endpoints), endpoints)[2] as number) > 0.6);
  });

  it('compares what is under way where nothing is known of the latency', () => {
    const endpoints = candidates(2);
    endpoints[0]?.record.observe(1_000, 0, 1_000);
    endpoints[0]?.record.enter();
    assert.deepEqual(shares(balancer('ewma', endpoints), endpoints), [0, 1]);
    endpoints[1]?.record.enter();
    const [half = 0] = shares(balancer('ewma', endpoints), endpoints);
    assert.ok(Math.abs(half - 0.5) < 0.02, `${half}`);
  });
});

describe('one endpoint of five that is ten times slower', () => {
  // Each works on eight calls at once; the load is half of what they can do together, twice what the slow one can.
  const queueing = { times: [10, 10, 10, 10, 100], slots: 8, calls: 1_600, seconds: 8 };
  for (const method of ['least-request', 'ewma'] as const) {
    for (const seed of [1, 2, 3]) {
      it(`is no reason for ${method} to be slow (chance ${seed})`, () => {
        const before = quantile(simulate('round-robin', queueing, seed), 0.99);
        const after = quantile(simulate(method, queueing, seed), 0.99);
        assert.ok(after <= 0.5 * before, `${after} against ${before}`);
      });
    }
  }

  it('is hardly asked with ewma, even where it takes any number of calls', () => {
    const slow = { times: [10, 10, 10, 10, 100], slots: 1_000, calls: 1_600, seconds: 15 };
    const [before, after] = [simulate('round-robin', slow), simulate('ewma', slow)];
    assert.ok(quantile(after, 0.99) <= 0.5 * quantile(before, 0.99));
    assert.ok((after.counts[4] as number) / after.latencies.length < 0.01);
  });
});
