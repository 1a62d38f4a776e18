import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoff, retryAfter } from './backoff.ts';

test('the bound doubles to the maximum, and any part of it is as likely', () => {
  const rules = { base: 25, max: 250 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 1_000].map((repetition) => backoff(rules, repetition, 1)),
    [25, 50, 100, 200, 250, 250],
  );
  assert.equal(backoff(rules, 3, 0), 0);
  assert.equal(backoff(rules, 3, 0.5), 50);
  fc.assert(
    fc.property(
      fc.nat(60_000),
      fc.nat(60_000),
      fc.integer({ min: 1, max: 10 }),
      fc.float({ min: 0, max: 1, noNaN: true }),
      (base, max, repetition, random) => {
        const wait = backoff({ base, max }, repetition, random);
        assert.ok(wait >= 0 && wait <= max);
      },
    ),
  );
});

test('Retry-After says seconds or a date', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const cases: [text: string, milliseconds: number | null][] = [
    ['0', 0],
    ['2', 2_000],
    ['Sun, 01 Mar 2026 12:00:07 GMT', 7_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['', null],
    ['-1', null],
    ['1.5', null],
    ['soon', null],
    ['2026-03-01T12:00:07Z', null],
    ['9999999999', null],
  ];
  for (const [text, milliseconds] of cases) assert.equal(retryAfter(text, now), milliseconds, text);
});
