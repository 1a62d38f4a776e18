import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiringMap } from './expiring-map.ts';

test('what is over is not there any more', () => {
  const map = new ExpiringMap<string>(10);
  map.set('a', 'one', 100);
  assert.equal(map.get('a', 99), 'one');
  assert.equal(map.get('a', 100), undefined);
  assert.equal(map.size, 0);
});

test('it never holds more than it may, and the oldest makes room', () => {
  const map = new ExpiringMap<number>(3);
  for (const [index, key] of ['a', 'b', 'c', 'a', 'd'].entries()) map.set(key, index, 100);
  assert.equal(map.size, 3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key, 0)),
    [3, undefined, 2, 4],
  );
});
