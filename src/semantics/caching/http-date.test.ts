import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHttpDate, parseHttpDate } from './http-date.ts';

const NOW = Date.UTC(2026, 5, 1);
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);

test('the three forms (RFC 9110, 5.6.7)', () => {
  for (const text of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    // RFC 9111, 4.2: without regard to case.
    'SUN, 06 nov 1994 08:49:37 gmt',
    // The day of the week is not checked against the date.
    'Mon, 06 Nov 1994 08:49:37 GMT',
  ]) {
    assert.equal(parseHttpDate(text, NOW), EXAMPLE, text);
  }
  assert.equal(parseHttpDate('Thu Aug 18 02:01:18 2050', NOW), Date.UTC(2050, 7, 18, 2, 1, 18));
  assert.equal(parseHttpDate('Thu, 31 Dec 2099 23:59:60 GMT', NOW), Date.UTC(2100, 0, 1), 'a leap second');
});

test('what is no date', () => {
  for (const text of [
    '',
    '0',
    '-1',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 1994 08:49:37 +0000',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun 06 Nov 1994 08:49:37 GMT',
    'Sun, 06  Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 94 08:49:37 GMT',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 8:49:37 GMT',
    'Sun, 06-Nov-1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    ' Sun, 06 Nov 1994 08:49:37 GMT',
  ]) {
    assert.ok(Number.isNaN(parseHttpDate(text, NOW)), text);
  }
});

test('years of two digits are at most 50 years ahead', () => {
  const year = (digits: string, now: number) =>
    new Date(parseHttpDate(`Monday, 01-Mar-${digits} 00:00:00 GMT`, now)).getUTCFullYear();
  assert.equal(year('94', NOW), 1994);
  assert.equal(year('26', NOW), 2026);
  assert.equal(year('76', NOW), 2076);
  assert.equal(year('77', NOW), 1977);
  assert.equal(year('05', Date.UTC(2096, 0, 1)), 2105);
});

test('what is written is read back', () => {
  const time = fc.integer({ min: 0, max: 4_102_444_800 }).map((second) => second * 1000);
  fc.assert(fc.property(time, (value) => assert.equal(parseHttpDate(formatHttpDate(value), NOW), value)));
  assert.equal(formatHttpDate(EXAMPLE + 999), 'Sun, 06 Nov 1994 08:49:37 GMT');
});

test('agrees with Date on what both read', () => {
  const text = fc
    .tuple(
      fc.integer({ min: 0, max: 33 }),
      fc.constantFrom('Jan', 'Feb', 'Apr', 'Dec'),
      fc.integer({ min: 1970, max: 2100 }),
    )
    .map(([day, month, year]) => `Mon, ${String(day).padStart(2, '0')} ${month} ${year} 01:02:03 GMT`);
  fc.assert(
    fc.property(text, (value) => {
      const time = parseHttpDate(value, NOW);
      if (!Number.isNaN(time)) assert.equal(time, Date.parse(value));
    }),
  );
});
