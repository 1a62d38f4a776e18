import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { calendarUnits, DAY, mostOffset, WallClock } from './calendar.ts';
import { QuotaClock, type QuotaPeriod, quotaPeriodName } from './quota.ts';

const at = (text: string): number => Date.parse(text);
const iso = (instant: number): string => new Date(instant).toISOString();

function period(unit: (typeof calendarUnits)[number], timeZone = 'UTC', offset = 0): QuotaPeriod {
  return { kind: 'calendar', unit, timeZone, offset };
}

function around(given: QuotaPeriod, now: string): [start: string, end: string] {
  const clock = new QuotaClock(given);
  clock.moveTo(at(now));
  return [iso(clock.start), iso(clock.end)];
}

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Australia/Lord_Howe', // half an hour of summer time
  'Pacific/Apia', // left out a whole day in 2011
  'Africa/Cairo', // changes at midnight
];

describe('a period of the calendar', () => {
  it('begins with the unit, in UTC', () => {
    const now = '2028-02-29T13:45:00.000Z';
    assert.deepEqual(around(period('hour'), now), ['2028-02-29T13:00:00.000Z', '2028-02-29T14:00:00.000Z']);
    assert.deepEqual(around(period('day'), now), ['2028-02-29T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
    assert.deepEqual(around(period('week'), now), ['2028-02-28T00:00:00.000Z', '2028-03-06T00:00:00.000Z']);
    assert.deepEqual(around(period('month'), now), ['2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z']);
    assert.deepEqual(around(period('month'), '2027-12-31T23:59:59.999Z')[1], '2028-01-01T00:00:00.000Z');
  });

  it('follows the clock of its zone: days of 23 and 25 hours', () => {
    const day = period('day', 'Europe/Berlin');
    assert.deepEqual(around(day, '2026-03-29T12:00:00Z'), ['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z']);
    assert.deepEqual(around(day, '2026-10-25T12:00:00Z'), ['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z']);
    const month = period('month', 'Europe/Berlin');
    assert.deepEqual(around(month, '2026-03-31T22:30:00Z'), ['2026-03-31T22:00:00.000Z', '2026-04-30T22:00:00.000Z']);
  });

  it('counts an hour that the clock shows twice as one, and one that it skips not at all', () => {
    const hour = period('hour', 'Europe/Berlin');
    assert.deepEqual(around(hour, '2026-10-25T00:30:00Z'), ['2026-10-25T00:00:00.000Z', '2026-10-25T02:00:00.000Z']);
    assert.deepEqual(around(hour, '2026-03-29T01:30:00Z'), ['2026-03-29T01:00:00.000Z', '2026-03-29T02:00:00.000Z']);
  });

  it('begins where the clock goes on when it skips midnight', () => {
    // At midnight of 25 April 2025 clocks in Cairo went on to one.
    const day = period('day', 'Africa/Cairo');
    assert.deepEqual(around(day, '2025-04-25T10:00:00Z'), ['2025-04-24T22:00:00.000Z', '2025-04-25T21:00:00.000Z']);
  });

  it('begins later by its offset, as the clock shows it', () => {
    const day = period('day', 'Europe/Berlin', 6 * 3_600_000);
    assert.deepEqual(around(day, '2026-03-29T03:59:59Z')[1], '2026-03-29T04:00:00.000Z');
    assert.deepEqual(around(day, '2026-03-29T04:00:00Z'), ['2026-03-29T04:00:00.000Z', '2026-03-30T04:00:00.000Z']);
    const billing = period('month', 'UTC', 14 * DAY);
    assert.deepEqual(around(billing, '2026-03-14T23:00:00Z'), ['2026-02-15T00:00:00.000Z', '2026-03-15T00:00:00.000Z']);
  });

  it('covers every instant once, wherever, and at whatever offset', () => {
    const instants = fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') });
    fc.assert(
      fc.property(
        instants,
        fc.constantFrom(...zones),
        fc.constantFrom(...calendarUnits),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (now, zone, unit, share) => {
          const offset = Math.floor((mostOffset[unit] * share) / 60_000) * 60_000;
          const clock = new QuotaClock(period(unit, zone, offset));
          clock.moveTo(now);
          const { stamp, start, end } = clock;
          assert.ok(start <= now && now < end, `${iso(start)} ${iso(now)} ${iso(end)}`);
          assert.equal(clock.leavesAt(stamp), end);
          // The instants beside its bounds are in the periods beside it, or in those after ones that have no time at all.
          clock.moveTo(end);
          assert.ok(clock.start === end && clock.stamp > stamp);
          clock.moveTo(start - 1);
          assert.ok(clock.end === start && clock.stamp < stamp);
          clock.moveTo(start);
          assert.deepEqual([clock.stamp, clock.start, clock.end], [stamp, start, end]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has the clock that the zone has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
        fc.constantFrom(...zones),
        (instant, zone) => {
          const wall = new WallClock(zone);
          const shown = wall.at(instant);
          const first = wall.firstInstant(shown);
          assert.equal(wall.at(first), shown);
          assert.ok(first <= instant);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a rolling period', () => {
  it('is left behind part by part', () => {
    const clock = new QuotaClock({ kind: 'rolling', length: DAY });
    clock.moveTo(at('2026-05-01T12:34:00Z'));
    assert.deepEqual([iso(clock.start), iso(clock.end)], ['2026-05-01T12:00:00.000Z', '2026-05-01T13:00:00.000Z']);
    assert.equal(iso(clock.leavesAt(clock.stamp)), '2026-05-02T13:00:00.000Z');
    assert.equal(clock.span, 25);
  });
});

it('periods that are the same have the same name', () => {
  const names = [
    period('day'),
    period('day', 'Europe/Berlin'),
    period('day', 'UTC', 6 * 3_600_000),
    { kind: 'rolling', length: 30 * DAY } as const,
  ].map(quotaPeriodName);
  assert.deepEqual(names, ['day', 'day Europe/Berlin', 'day +6h', 'rolling 30d']);
});
