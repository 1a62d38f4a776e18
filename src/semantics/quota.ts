import { formatDuration } from '../base/units.ts';
import { type CalendarUnit, unitNumber, unitStart, WallClock } from './calendar.ts';

/** Over which time a quota counts, as plain data: a unit of the calendar, or what has passed last. */
export type QuotaPeriod =
  | {
      readonly kind: 'calendar';
      readonly unit: CalendarUnit;
      /** IANA name of the zone by whose clock the unit begins. */
      readonly timeZone: string;
      /** Milliseconds by that clock from the beginning of the unit to that of the period. */
      readonly offset: number;
    }
  /** `length` in milliseconds. */
  | { readonly kind: 'rolling'; readonly length: number };

/** A rolling period is counted in so many parts, and a part counts until the last moment of it is out. */
const PARTS = 24;

/** Equal periods have equal names, now and after a restart. */
export function quotaPeriodName(period: QuotaPeriod): string {
  if (period.kind === 'rolling') return `rolling ${formatDuration(period.length)}`;
  const { unit, timeZone, offset } = period;
  return `${unit}${timeZone === 'UTC' ? '' : ` ${timeZone}`}${offset === 0 ? '' : ` +${formatDuration(offset)}`}`;
}

/** Seconds that a quota is for, as `RateLimit-Policy` tells them; a month counts as 30 days. */
export function quotaSeconds(period: QuotaPeriod): number {
  if (period.kind === 'rolling') return period.length / 1000;
  return { hour: 3600, day: 86_400, week: 604_800, month: 2_592_000 }[period.unit];
}

/** Where in its periods the time is. Computed anew only when a period is over: the hot path compares two numbers. */
export class QuotaClock {
  /** Counts that are summed: this one and those before. */
  readonly span: number;
  /** Number of the period, or of the part of a rolling one. */
  stamp = 0;
  /** Milliseconds since the epoch: from `start` until just before `end`. */
  start = 0;
  end = 0;
  readonly #period: QuotaPeriod;
  readonly #wall: WallClock | null;

  constructor(period: QuotaPeriod) {
    this.#period = period;
    this.#wall = period.kind === 'calendar' ? new WallClock(period.timeZone) : null;
    this.span = period.kind === 'calendar' ? 1 : PARTS + 1;
  }

  /** Clocks are set back at times, so it may have gone backwards. */
  moveTo(now: number): void {
    if (now >= this.start && now < this.end) return;
    const { stamp, start, end } = this.#at(now);
    this.stamp = stamp;
    this.start = start;
    this.end = end;
  }

  /** When what was counted under that stamp counts no more. */
  leavesAt(stamp: number): number {
    return stamp + this.span === this.stamp + 1 ? this.end : this.#start(stamp + this.span);
  }

  #at(now: number): { stamp: number; start: number; end: number } {
    let stamp = this.#guess(now);
    let start = this.#start(stamp);
    // Around a change of the clock the guess is off by one: what it shows goes backwards, or jumps.
    while (start > now) start = this.#start(--stamp);
    let end = this.#start(stamp + 1);
    while (end <= now) {
      start = end;
      stamp++;
      end = this.#start(stamp + 1);
    }
    return { stamp, start, end };
  }

  #guess(now: number): number {
    const period = this.#period;
    if (period.kind === 'rolling') return Math.floor((now * PARTS) / period.length);
    const { unit, offset } = period;
    return unitNumber(unit, (this.#wall as WallClock).at(now) - offset);
  }

  #start(stamp: number): number {
    const period = this.#period;
    if (period.kind === 'rolling') return (stamp * period.length) / PARTS;
    const { unit, offset } = period;
    return (this.#wall as WallClock).firstInstant(unitStart(unit, stamp) + offset);
  }
}
