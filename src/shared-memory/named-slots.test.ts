import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createNamedSlotShares,
  createNamedSlots,
  type NamedSlotSegments,
  NamedSlots,
  reclaimNamedSlots,
} from './named-slots.ts';

function segments(shared: SharedArrayBuffer, owner: number): NamedSlotSegments {
  return { shared, shares: createNamedSlotShares(shared), owner };
}

describe('named slots', () => {
  it('are the same record for the same name in every worker', () => {
    const shared = createNamedSlots(8, [1, 2]);
    const [one, other] = [new NamedSlots(segments(shared, 1)), new NamedSlots(segments(shared, 2))];
    const mine = one.acquire('orders http://10.0.0.1');
    mine.words[10] = 42;
    mine.floats[20] = 1.5;
    const theirs = other.acquire('orders http://10.0.0.1');
    assert.equal(theirs.words[10], 42);
    assert.equal(theirs.floats[20], 1.5);
    assert.notEqual(other.acquire('orders http://10.0.0.2').words[10], 42);
  });

  it('keep their state while nobody holds them', () => {
    const slots = new NamedSlots(segments(createNamedSlots(4, [1, 2]), 1));
    const before = slots.acquire('a');
    before.words[5] = 7;
    slots.release(before);
    assert.deepEqual(slots.names(), []);
    slots.acquire('b');
    assert.equal(slots.acquire('a').words[5], 7);
    assert.deepEqual(slots.names(), ['a', 'b']);
  });

  it('give a place that nobody holds to another name, clean', () => {
    const slots = new NamedSlots(segments(createNamedSlots(2, [1, 2]), 1));
    const before = slots.acquire('a');
    before.words[5] = 7;
    slots.acquire('b');
    slots.release(before);
    const after = slots.acquire('c');
    assert.equal(after.words[5], 0);
    assert.deepEqual(slots.names(), ['c', 'b']);
  });

  it('are found only while somebody holds them', () => {
    const shared = createNamedSlots(4, [1, 2]);
    const [one, other] = [new NamedSlots(segments(shared, 1)), new NamedSlots(segments(shared, 2))];
    assert.equal(other.find('a'), null);
    const held = one.acquire('a');
    held.words[5] = 7;
    const found = other.find('a');
    assert.equal(found?.words[5], 7);
    one.release(held);
    assert.deepEqual(other.names(), ['a']);
    if (found !== null) other.release(found);
    assert.equal(one.find('a'), null);
    assert.deepEqual(one.names(), []);
  });

  it('count for one worker alone where there is no place', () => {
    const slots = new NamedSlots(segments(createNamedSlots(1, [1, 2]), 1));
    slots.acquire('a');
    const extra = slots.acquire('b');
    extra.add(0, 3);
    assert.equal(extra.gauge(0), 3);
    assert.equal(slots.unshared, 1);
    slots.release(extra);
  });

  it('take back what a lost worker held: its part of gauges, its places, the lock', () => {
    const shared = createNamedSlots(4, [1, 2]);
    const lost = segments(shared, 1);
    const [one, other] = [new NamedSlots(lost), new NamedSlots(segments(shared, 2))];
    one.acquire('a').add(1, 5);
    const kept = other.acquire('a');
    kept.add(1, 2);
    assert.equal(kept.gauge(1), 7);
    // Ended in the middle of `acquire`.
    new Int32Array(shared)[2] = 1;
    reclaimNamedSlots(lost);
    assert.equal(kept.gauge(1), 2);
    other.release(kept);
    assert.deepEqual(other.names(), []);
    assert.equal(other.acquire('a').gauge(1), 2);
  });
});
