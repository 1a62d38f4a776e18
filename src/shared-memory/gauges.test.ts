import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { GaugeThreadData } from '../../test/support/gauge-thread.ts';
import { TestGauges } from '../../test/support/gauges.ts';
import { FULL, GaugeTable, reclaimGauges } from './gauges.ts';

describe('gauges', () => {
  test('a place is there up to the limit, and again once it was given back', () => {
    const table = new TestGauges().worker();
    const family = table.family('route a', false);
    const first = table.enter(family, '', 2);
    const second = table.enter(family, '', 2);
    assert.equal(first, second);
    assert.equal(table.enter(family, '', 2), FULL);
    assert.equal(table.count(first), 2);
    table.leave(first);
    assert.notEqual(table.enter(family, '', 2), FULL);
  });

  test('keys and families count apart, whichever worker asks', () => {
    const gauges = new TestGauges();
    const [one, other] = [gauges.worker(), gauges.worker()];
    const callers = one.family('callers', true);
    one.enter(callers, 'ada', 1);
    assert.equal(other.enter(other.family('callers', true), 'ada', 1), FULL);
    assert.notEqual(other.enter(callers, 'bob', 1), FULL);
    assert.notEqual(other.enter(other.family('others', true), 'ada', 1), FULL);
    assert.notEqual(other.enter(other.family('callers', false), 'ada', 1), FULL);
  });

  test('what a lost worker held is free again', () => {
    const gauges = new TestGauges();
    const lost = gauges.segments();
    const [one, other] = [new GaugeTable(lost), gauges.worker()];
    const family = one.family('route a', false);
    other.enter(family, '', 3);
    one.enter(family, '', 3);
    const slot = one.enter(family, '', 3);
    one.expect(family, '');
    assert.equal(other.enter(family, '', 3), FULL);
    assert.equal(other.waitingElsewhere(slot), 1);
    reclaimGauges(lost);
    assert.equal(other.count(slot), 1);
    assert.equal(other.waitingElsewhere(slot), 0);
    // The successor goes on with the same memory.
    const successor = new GaugeTable(lost);
    assert.equal(successor.enter(family, '', 2), slot);
    assert.equal(successor.enter(family, '', 2), FULL);
  });

  test('whoever sleeps is woken by a place that another worker gives back, or loses', async () => {
    const gauges = new TestGauges();
    const lost = gauges.segments();
    const [holder, sleeper] = [new GaugeTable(lost), gauges.worker()];
    const family = holder.family('upstream a', false);
    const slot = holder.enter(family, '', 2);
    holder.enter(family, '', 2);
    assert.equal(sleeper.expect(family, ''), slot);
    for (const free of [() => holder.leave(slot), () => reclaimGauges(lost)]) {
      const count = sleeper.wakeCount(slot);
      const woken = sleeper.woken(slot, count, 20_000);
      free();
      assert.equal(await woken, 'ok');
      assert.equal(sleeper.woken(slot, count, 0), null, 'a place that came free in between is not missed');
    }
  });

  test('a slot at rest goes to another key, one where somebody waits does not', () => {
    const table = new TestGauges().worker();
    const family = table.family('callers', true);
    const waiting = table.expect(family, 'waits');
    for (let i = 0; i < 200_000; i++) {
      const slot = table.enter(family, `key ${i}`, 1);
      assert.notEqual(slot, FULL);
      assert.notEqual(slot, waiting);
      table.leave(slot);
    }
    assert.equal(table.overflowed, 0);
    assert.equal(table.enter(family, 'waits', 1), waiting);
  });

  test('more keys at once than there are slots: none gets more than its limit, and all is free in the end', () => {
    const table = new TestGauges().worker();
    const family = table.family('callers', true);
    const held: number[] = [];
    for (let i = 0; i < 90_000; i++) {
      const slot = table.enter(family, `key ${i}`, 1);
      if (slot !== FULL) held.push(slot);
    }
    assert.ok(table.overflowed > 0);
    assert.ok(held.length > 50_000 && held.length < 66_000, `${held.length} places`);
    for (let i = 0; i < 90_000; i += 1_000) assert.equal(table.enter(family, `key ${i}`, 1), FULL);
    for (const slot of held) table.leave(slot);
    assert.notEqual(table.enter(family, 'key 0', 1), FULL);
  });

  test('as a map of counters would do it, whatever the order', () => {
    const step = fc.record({ worker: fc.nat(2), key: fc.nat(4), enters: fc.boolean(), lost: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, max) => {
        const gauges = new TestGauges();
        const segments = [gauges.segments(), gauges.segments(), gauges.segments()];
        const tables = segments.map((each) => new GaugeTable(each));
        const held: { worker: number; key: number; slot: number }[] = [];
        for (const { worker, key, enters, lost } of steps) {
          const table = tables[worker] as GaugeTable;
          if (lost === 0) {
            reclaimGauges(segments[worker] as (typeof segments)[number]);
            for (let i = held.length - 1; i >= 0; i--) if (held[i]?.worker === worker) held.splice(i, 1);
          } else if (enters) {
            const inside = held.filter((each) => each.key === key).length;
            const slot = table.enter(table.family('callers', true), String(key), max);
            assert.equal(slot !== FULL, inside < max);
            if (slot !== FULL) held.push({ worker, key, slot });
          } else {
            const at = held.findIndex((each) => each.worker === worker && each.key === key);
            const [left] = at < 0 ? [] : held.splice(at, 1);
            if (left !== undefined) table.leave(left.slot);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('threads that race never get more than the limit, and a lost one leaves nothing behind', async () => {
    const gauges = new TestGauges();
    const keys = 5;
    const inside = new SharedArrayBuffer((keys + 1) * 4);
    const segments = [gauges.segments(), gauges.segments(), gauges.segments()];
    const script = new URL('../../test/support/gauge-thread.ts', import.meta.url);
    const entered = await Promise.all(
      segments.map(async (each, index) => {
        const data: GaugeThreadData = { segments: each, inside, keys, max: 2, rounds: 20_000, keeps: index === 0 };
        const thread = new Worker(script, { workerData: data });
        const [count] = (await once(thread, 'message')) as [number];
        await thread.terminate();
        return count;
      }),
    );
    assert.ok(entered.every((count) => count > 1_000));
    assert.equal(new Int32Array(inside)[keys], 0, 'never too many at once');
    reclaimGauges(segments[0] as (typeof segments)[number]);
    const table = gauges.worker();
    for (let key = 0; key < keys; key++) {
      assert.notEqual(table.enter(table.family('test', true), `key ${key}`, 1), FULL, `key ${key}`);
    }
  });
});
