import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatDuration,
  formatPercent,
  formatRate,
  formatSize,
  type Parsed,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
  patterns,
} from './units.ts';

function value<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) assert.fail(`${parsed.message}: ${parsed.remedy}`);
  return parsed.value;
}

function remedy(parsed: Parsed<unknown>): string {
  if (parsed.ok) assert.fail(`was accepted as ${JSON.stringify(parsed.value)}`);
  return parsed.remedy;
}

test('durations are milliseconds', () => {
  assert.equal(value(parseDuration('250ms')), 250);
  assert.equal(value(parseDuration('5s')), 5000);
  assert.equal(value(parseDuration('1.5s')), 1500);
  assert.equal(value(parseDuration('10m')), 600_000);
  assert.equal(value(parseDuration('1h30m')), 5_400_000);
  assert.equal(value(parseDuration('1d')), 86_400_000);
  assert.equal(value(parseDuration('0')), 0);
});

test('a wrong duration says what to write', () => {
  assert.equal(remedy(parseDuration('5')), 'Write `5s` or `5ms`.');
  assert.equal(remedy(parseDuration('5 s')), 'Write `5s`.');
  assert.equal(remedy(parseDuration('10min')), 'Write `10m`.');
  assert.equal(remedy(parseDuration('10S')), 'Write `10s`.');
  assert.match(remedy(parseDuration('30m1h')), /1h30m/);
  assert.match(remedy(parseDuration('5w')), /`d`/);
  for (const text of ['', '-1s', '1e3s', 's', 'soon', '0.2ms', '5s ', '99999999999999d']) remedy(parseDuration(text));
});

test('sizes are bytes', () => {
  assert.equal(value(parseSize('64KiB')), 65_536);
  assert.equal(value(parseSize('64KB')), 64_000);
  assert.equal(value(parseSize('1.5MiB')), 1_572_864);
  assert.equal(value(parseSize('2GB')), 2_000_000_000);
  assert.equal(value(parseSize('512B')), 512);
  assert.equal(remedy(parseSize('64kib')), 'Write `64KiB`.');
  assert.equal(remedy(parseSize('64k')), 'Write `64KiB`.');
  assert.equal(remedy(parseSize('1024')), 'Write `1024B`, `1024KiB` or `1024MiB`.');
});

test('percentages are fractions', () => {
  assert.equal(value(parsePercent('20%')), 0.2);
  assert.equal(value(parsePercent('0.5%')), 0.005);
  assert.equal(remedy(parsePercent('0.2')), 'Write `20%`.');
  assert.equal(remedy(parsePercent('20')), 'Write `20%`.');
  remedy(parsePercent('101%'));
});

test('rates keep the calendar month a word', () => {
  assert.deepEqual(value(parseRate('300/min')), { limit: 300, per: 60_000 });
  assert.deepEqual(value(parseRate('300/min by address')), { limit: 300, per: 60_000, by: 'address' });
  assert.deepEqual(value(parseRate('5000000/month')), { limit: 5_000_000, per: 'month' });
  assert.equal(remedy(parseRate('300 per minute by address')), 'Write `300/min by address`.');
  assert.equal(remedy(parseRate('300/minutes')), 'Write `300/min`.');
  assert.equal(remedy(parseRate('300')), 'Say per what: `300/s`, `300/min`.');
});

test('what a formatter writes, its parser reads', () => {
  fc.assert(
    fc.property(fc.nat(1e12), (amount) => {
      assert.equal(value(parseDuration(formatDuration(amount))), amount);
      assert.equal(value(parseSize(formatSize(amount))), amount);
    }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10_000 }),
      (n) => value(parsePercent(formatPercent(n / 10_000))) === n / 10_000,
    ),
  );
  const period = fc.constantFrom(1000, 60_000, 3_600_000, 86_400_000, 'month' as const);
  fc.assert(
    fc.property(fc.nat(), period, fc.constantFrom('address', 'identity', '{header.x-tenant}'), (limit, per, by) => {
      assert.deepEqual(value(parseRate(formatRate({ limit, per, by }))), { limit, per, by });
    }),
  );
});

test('a parser accepts only what its pattern accepts, and never throws', () => {
  const fragment = fc.constantFrom(
    '0',
    '1',
    '25',
    '.',
    ' ',
    's',
    'ms',
    'm',
    'h',
    'min',
    'KiB',
    'kb',
    '%',
    '/',
    'by',
    'x',
    '-',
    '\n',
  );
  const text = fc.oneof(
    fc.array(fragment, { maxLength: 6 }).map((parts) => parts.join('')),
    fc.string(),
  );
  const parsers = { duration: parseDuration, size: parseSize, percent: parsePercent, rate: parseRate };
  fc.assert(
    fc.property(text, fc.constantFrom('duration', 'size', 'percent', 'rate'), (input, kind) => {
      const parsed = parsers[kind](input);
      if (parsed.ok) assert.match(input, new RegExp(patterns[kind]));
      else assert.ok(parsed.remedy.endsWith('.'));
    }),
    { numRuns: 2000 },
  );
});
