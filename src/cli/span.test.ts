import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSpan } from './span.ts';

for (const [milliseconds, expected] of [
  [-5_000, '0s'],
  [0, '0s'],
  [499, '0s'],
  [500, '1s'],
  [59_999, '1m'],
  [90_000, '1m30s'],
  [7_200_000, '2h'],
  [7_265_000, '2h1m'],
  [183_600_000, '2d3h'],
] as const) {
  test(`${milliseconds} ms is ${expected}`, () => assert.equal(formatSpan(milliseconds), expected));
}
