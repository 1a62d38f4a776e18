import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AHEAD_MS,
  activeKey,
  isRotationDue,
  JWKS_MAX_AGE_SECONDS,
  KEPT_MS,
  keptKeys,
  MAX_TTL_MS,
  ROTATE_AFTER_MS,
  untilNextChange,
} from './key-schedule.ts';
import type { SigningKey } from './signing-key.ts';

const key = (kid: string, signsFrom: number): SigningKey => ({ kid, signsFrom }) as SigningKey;
const T = 1_800_000_000_000;

test('services have looked before a key signs, and the last token of an old one can be verified', () => {
  assert.ok(AHEAD_MS > JWKS_MAX_AGE_SECONDS * 1000);
  assert.ok(KEPT_MS > MAX_TTL_MS);
});

test('a key signs from its time on; the first one at once', () => {
  const keys = [key('a', T), key('b', T + AHEAD_MS)];
  assert.equal(activeKey([], T), undefined);
  assert.equal(activeKey(keys, T - 1)?.kid, 'a');
  assert.equal(activeKey(keys, T + AHEAD_MS - 1)?.kid, 'a');
  assert.equal(activeKey(keys, T + AHEAD_MS)?.kid, 'b');
});

test('an old key stays until its last token has ended', () => {
  const keys = [key('b', T), key('a', T - ROTATE_AFTER_MS)];
  assert.deepEqual(
    keptKeys(keys, T + KEPT_MS - 1).map(({ kid }) => kid),
    ['a', 'b'],
  );
  assert.deepEqual(
    keptKeys(keys, T + KEPT_MS).map(({ kid }) => kid),
    ['b'],
  );
  assert.deepEqual(
    keptKeys([key('a', 0)], T).map(({ kid }) => kid),
    ['a'],
    'the last one is never dropped',
  );
});

test('rotation is due when there is no key and when the newest has signed long enough', () => {
  assert.equal(isRotationDue([], T), true);
  assert.equal(isRotationDue([key('a', T)], T + ROTATE_AFTER_MS - 1), false);
  assert.equal(isRotationDue([key('a', T)], T + ROTATE_AFTER_MS), true);
});

test('nothing changes before it is looked at again', () => {
  assert.equal(untilNextChange([key('a', T)], T + ROTATE_AFTER_MS - 5), 5);
  assert.equal(untilNextChange([key('a', T), key('b', T + 7)], T), 7);
  assert.equal(untilNextChange([key('a', T - 9), key('b', T)], T + KEPT_MS - 3), 3);
  assert.equal(untilNextChange([key('a', T)], T), 86_400_000, 'a day at most');
});
