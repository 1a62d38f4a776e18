/**
 * Days, weeks and months by the clock on the wall of some place, for quotas that begin anew with them. A wall clock is
 * given as the milliseconds that it would be in UTC.
 */
export const calendarUnits = ['hour', 'day', 'week', 'month'] as const;
export type CalendarUnit = (typeof calendarUnits)[number];

const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** 1 January 1970 was a Thursday; weeks begin on Mondays (ISO 8601). */
const MONDAY = 3;
/** No place changes its clock twice within two days of these. */
const AROUND = DAY;
/** Changes fall on whole seconds. */
const SECOND = 1000;

/** Instants and wall clocks of one place. */
export class WallClock {
  readonly #format: Intl.DateTimeFormat | null;

  /** An IANA name. Throws a `RangeError` for what is none. */
  constructor(timeZone: string) {
    this.#format =
      timeZone === 'UTC'
        ? null
        : new Intl.DateTimeFormat('en-US', {
            timeZone,
            calendar: 'gregory',
            numberingSystem: 'latn',
            hourCycle: 'h23',
            year: 'numeric',
            month: 'numeric',
            day: 'numeric',
            hour: 'numeric',
            minute: 'numeric',
            second: 'numeric',
          });
  }

  /** What the clock shows at an instant. */
  at(instant: number): number {
    if (this.#format === null) return instant;
    const field = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    for (const { type, value } of this.#format.formatToParts(instant)) {
      if (type in field) field[type as keyof typeof field] = Number(value);
    }
    const { year, month, day, hour, minute, second } = field;
    const fraction = ((instant % SECOND) + SECOND) % SECOND;
    return Date.UTC(year, month - 1, day, hour, minute, second) + fraction;
  }

  /** The first instant at which the clock shows this time or, where it skips it, a later one. */
  firstInstant(shown: number): number {
    const before = this.#distance(shown - AROUND);
    const after = this.#distance(shown + AROUND);
    if (before === after) return shown - before;
    // Shown before the change, after it, both times, or never.
    const early = shown - Math.max(before, after);
    const late = shown - Math.min(before, after);
    if (this.at(early) === shown) return early;
    if (this.at(late) === shown) return late;
    return this.#change(shown - AROUND, shown + AROUND, before);
  }

  /** How far the clock is ahead of UTC. */
  #distance(instant: number): number {
    return this.at(instant) - instant;
  }

  #change(from: number, to: number, before: number): number {
    let low = Math.floor(from / SECOND);
    let high = Math.ceil(to / SECOND);
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#distance(middle * SECOND) === before) low = middle;
      else high = middle;
    }
    return high * SECOND;
  }
}

/** Number of the unit that a wall clock is in; hours and days since 1970, weeks since its first, months since the year 0. */
export function unitNumber(unit: CalendarUnit, shown: number): number {
  switch (unit) {
    case 'hour':
      return Math.floor(shown / HOUR);
    case 'day':
      return Math.floor(shown / DAY);
    case 'week':
      return Math.floor((Math.floor(shown / DAY) + MONDAY) / 7);
    case 'month': {
      const date = new Date(shown);
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    }
  }
}

/** What the clock shows as that unit begins. */
export function unitStart(unit: CalendarUnit, number: number): number {
  switch (unit) {
    case 'hour':
      return number * HOUR;
    case 'day':
      return number * DAY;
    case 'week':
      return (number * 7 - MONDAY) * DAY;
    case 'month':
      return Date.UTC(Math.floor(number / 12), number % 12);
  }
}

/** By how much a unit may begin later, so that every one has its own time: less than the shortest one. */
export const mostOffset: Readonly<Record<CalendarUnit, number>> = {
  hour: HOUR - 1,
  day: DAY - 1,
  week: 7 * DAY - 1,
  month: 28 * DAY - 1,
};
