import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareHitRatios } from '../../bench/harness/hit-ratio.ts';
import { Dice } from '../../test/support/dice.ts';

const trace = { memory: 2 * 1024 ** 2, objects: 30_000, requests: 90_000, exponent: 0.9 };

test('more is found than in an LRU of the same size', () => {
  const alike = compareHitRatios({ ...trace, label: '', size: () => 1_024 }, new Dice(1));
  assert.ok(alike.store - alike.leastRecentlyUsed > 0.06, JSON.stringify(alike));
  assert.ok(alike.used > 0.9);
  const mixed = compareHitRatios(
    { ...trace, label: '', size: (object) => 300 + ((object * 7_919) % 40) ** 2 },
    new Dice(1),
  );
  assert.ok(mixed.store - mixed.leastRecentlyUsed > 0.05, JSON.stringify(mixed));
});
