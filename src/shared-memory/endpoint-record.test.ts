import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestStates } from '../../test/support/states.ts';
import { EndpointRecord, endpointKey, readEndpoint, WindowCount } from './endpoint-record.ts';

const KEY = endpointKey('orders', 'http://10.0.0.1:80');

function record(states = new TestStates()): EndpointRecord {
  return new EndpointRecord(states.worker().acquire(KEY));
}

describe('the load of an endpoint', () => {
  it('is counted over all workers, and without those that were lost', () => {
    const states = new TestStates();
    const [lost, kept] = [states.worker(), states.worker()];
    const [one, other] = [new EndpointRecord(lost.acquire(KEY)), new EndpointRecord(kept.acquire(KEY))];
    for (let i = 0; i < 5; i++) one.enter();
    one.connected();
    other.enter();
    assert.equal(other.inFlight, 6);
    assert.equal(other.connections, 1);
    states.lose(lost);
    assert.equal(other.inFlight, 1);
    assert.equal(other.connections, 0);
    other.leave();
    assert.equal(other.inFlight, 0);
  });

  it('is the latency of the slow ones at once, and of the fast ones with time', () => {
    const endpoint = record();
    assert.equal(endpoint.latency(0, 1_000), 0);
    endpoint.observe(10, 0, 1_000);
    assert.equal(endpoint.latency(0, 1_000), 10_000);
    endpoint.observe(100, 0, 1_000);
    assert.equal(endpoint.latency(0, 1_000), 100_000);
    endpoint.observe(10, 0, 1_000);
    assert.equal(endpoint.latency(0, 1_000), 100_000);
    endpoint.observe(10, 1_000, 1_000);
    assert.equal(Math.round(endpoint.latency(1_000, 1_000) / 1_000), 43);
  });

  it('is forgotten while nobody asks', () => {
    const endpoint = record();
    endpoint.observe(100, 0, 1_000);
    assert.ok(endpoint.latency(5_000, 1_000) < 1_000);
  });
});

describe('an ejection', () => {
  it('takes longer with every repetition, up to a bound', () => {
    const endpoint = record();
    let now = 1_000;
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      assert.equal(endpoint.eject(now, 100, 350), true);
      times.push(endpoint.ejectedUntil - now);
      now = endpoint.ejectedUntil + 1;
    }
    assert.deepEqual(times, [100, 200, 300, 350, 350]);
  });

  it('is shorter again after a success, and like the first after a long time', () => {
    const endpoint = record();
    for (const now of [1_000, 2_000, 3_000, 4_000]) endpoint.eject(now, 100, 1_000);
    assert.equal(endpoint.ejectedUntil - 4_000, 400);
    endpoint.endProbation();
    endpoint.endProbation();
    assert.equal(endpoint.isOnProbation, false);
    endpoint.eject(5_000, 100, 1_000);
    assert.equal(endpoint.ejectedUntil - 5_000, 300);
    endpoint.eject(7_000, 100, 1_000);
    assert.equal(endpoint.ejectedUntil - 7_000, 100);
  });

  it('is granted to one of those that want it', () => {
    const states = new TestStates();
    const [one, other] = [record(states), record(states)];
    assert.deepEqual([one.eject(1_000, 100, 1_000), other.eject(1_000, 100, 1_000)], [true, false]);
    assert.equal(other.isEjected(1_050), true);
    assert.equal(other.isEjected(1_100), false);
    assert.equal(other.read(1_040).ejectedFor, 60);
    assert.equal(other.read(1_040).ejections, 1);
  });

  it('that went too far is taken back', () => {
    const endpoint = record();
    endpoint.eject(1_000, 100, 1_000);
    endpoint.takeBack(1_000);
    assert.equal(endpoint.isEjected(1_000), false);
    assert.equal(endpoint.isOnProbation, false);
    assert.equal(endpoint.read(1_000).ejections, 0);
  });
});

describe('windows', () => {
  it('count calls and failures by number, two of them at a time', () => {
    const endpoint = record();
    for (let i = 0; i < 10; i++) endpoint.count(6, i < 3);
    for (let i = 0; i < 4; i++) endpoint.count(7, false);
    assert.deepEqual(seen(endpoint, 6), [10, 3]);
    assert.deepEqual(seen(endpoint, 7), [4, 0]);
    endpoint.count(8, true);
    assert.deepEqual(seen(endpoint, 6), [0, 0]);
    assert.deepEqual(seen(endpoint, 8), [1, 1]);
  });

  it('are judged once', () => {
    const states = new TestStates();
    const [one, other] = [record(states), record(states)];
    assert.deepEqual([one.judge(3), other.judge(3), other.judge(4), one.judge(4)], [true, false, true, false]);
  });
});

describe('what operators see', () => {
  it('is there for endpoints that have a record', () => {
    const states = new TestStates();
    const supervisor = states.worker();
    assert.equal(readEndpoint(supervisor, 'orders', 'http://10.0.0.1:80'), null);
    const endpoint = record(states);
    endpoint.open(0);
    endpoint.enter();
    endpoint.observe(12.5, 0, 1_000);
    endpoint.failed();
    endpoint.failed();
    assert.deepEqual(readEndpoint(supervisor, 'orders', 'http://10.0.0.1:80'), {
      inFlight: 1,
      connections: 0,
      latency: 12.5,
      ejectedFor: 0,
      ejections: 0,
      consecutiveFailures: 2,
      failures: 2,
      calls: 2,
    });
    assert.equal(readEndpoint(supervisor, 'orders', 'http://10.0.0.2:80'), null);
  });
});

function seen(endpoint: EndpointRecord, window: number): [number, number] {
  const sum = new WindowCount();
  endpoint.addWindow(window, sum);
  return [sum.calls, sum.failures];
}
