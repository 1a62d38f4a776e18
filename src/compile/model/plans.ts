import { z } from 'zod';
import { formatDuration, formatRate, type Rate } from '../../base/units.ts';
import { count, duration, listOf, percent, rate } from '../../plan/fields.ts';
import { type PlanRules, planSubjects, type QuotaRules } from '../../plan/plans.ts';
import { type CalendarUnit, calendarUnits, mostOffset } from '../../semantics/calendar.ts';
import { quotaPeriodName } from '../../semantics/quota.ts';

/** The part of the document that says what callers on a plan may use. */

export type PlanValue = Omit<PlanRules, 'name'>;

/** A count takes 37 bits in shared memory. */
const MOST = 100_000_000_000;
/** A rolling period is counted in 24 parts, each of which has to last. */
const SHORTEST_ROLLING_MS = 10_000;
const LONGEST_ROLLING_MS = 366 * 86_400_000;
/** The bucket of a rate, in nanoseconds in 53 bits. */
const LONGEST_FILL_MS = 366 * 86_400_000;
const DEFAULT_WARNING = 0.8;

const QUOTA = /^(\d{1,15})\/(h|hour|day|week|month|(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)$/;
const UNITS: Readonly<Record<string, CalendarUnit>> = {
  h: 'hour',
  hour: 'hour',
  day: 'day',
  week: 'week',
  month: 'month',
};
const UNIT_LENGTHS: Readonly<Record<CalendarUnit, number>> = {
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
  month: 30 * 86_400_000,
};

type Context = z.core.$RefinementCtx;

function fault(context: Context, message: string, remedy: string, path: string[] = []): never {
  context.addIssue({ code: 'custom', message, path, params: { remedy } });
  return z.NEVER;
}

/** A number, and a unit of the calendar or a length in milliseconds. */
interface Amount {
  readonly limit: number;
  readonly per: CalendarUnit | number;
}

const amount = z
  .string()
  .meta({
    expects: 'a quota such as `10000/day`',
    pattern: QUOTA.source,
    examples: ['10000/day', '5000000/month', '1000/h', '50000/week'],
  })
  .transform((text, context): Amount => {
    const match = QUOTA.exec(text);
    if (match === null) {
      const remedy = 'Write a number and a period: `1000/h`, `10000/day`, `50000/week`, `5000000/month`.';
      return fault(context, 'this is not a quota', remedy);
    }
    const [, digits, period = ''] = match;
    const limit = Number(digits);
    if (limit < 1 || limit > MOST) return fault(context, `a quota is from 1 to ${MOST}`, 'Write another number.');
    const unit = UNITS[period];
    if (unit !== undefined) return { limit, per: unit };
    const length = duration().safeParse(period);
    return length.success ? { limit, per: length.data } : fault(context, 'this is not a duration', 'Write `30d`.');
  });

const short = amount.transform(({ limit, per }, context): QuotaRules => {
  if (typeof per !== 'number') return { limit, period: { kind: 'calendar', unit: per, timeZone: 'UTC', offset: 0 } };
  const remedy = `Count per ${calendarUnits.join(', ')}, or write \`{ limit: ${limit}/${formatDuration(per)}, rolling: true }\`.`;
  return fault(context, 'the calendar has no such period', remedy);
});

const long = z
  .strictObject({
    limit: amount.describe('How many, in which period.'),
    timeZone: z
      .string()
      .meta({ examples: ['Europe/Berlin'] })
      .refine(isTimeZone, {
        message: 'there is no such time zone',
        params: { remedy: 'Write one such as `Europe/Berlin`.' },
      })
      .optional()
      .describe('By whose clock periods begin; `UTC` when left out.'),
    offset: duration()
      .optional()
      .describe('How much later than the hour, day, week (Monday) or month they begin, by that clock.'),
    rolling: z
      .boolean()
      .default(false)
      .describe('What was used in the last hour, day, 7 days, 30 days or other duration, at any time.'),
  })
  .transform(({ limit: { limit, per }, timeZone, offset, rolling }, context): QuotaRules => {
    if (rolling) {
      const set = timeZone !== undefined ? 'timeZone' : offset !== undefined ? 'offset' : null;
      if (set !== null) return fault(context, 'a rolling period has no beginning', `Remove \`${set}\`.`, [set]);
      const length = typeof per === 'number' ? per : UNIT_LENGTHS[per];
      if (length >= SHORTEST_ROLLING_MS && length <= LONGEST_ROLLING_MS)
        return { limit, period: { kind: 'rolling', length } };
      const remedy = `Write \`${formatDuration(SHORTEST_ROLLING_MS)}\` to \`${formatDuration(LONGEST_ROLLING_MS)}\`.`;
      return fault(context, 'this is no time for a rolling period', remedy, ['limit']);
    }
    if (typeof per === 'number') {
      return fault(context, 'the calendar has no such period', 'Add `rolling: true`, or count per `day`.', ['limit']);
    }
    if (offset !== undefined && offset > mostOffset[per]) {
      const remedy = 'Write less than the shortest of them lasts.';
      return fault(context, `a ${per} cannot begin so much later`, remedy, ['offset']);
    }
    return { limit, period: { kind: 'calendar', unit: per, timeZone: timeZone ?? 'UTC', offset: offset ?? 0 } };
  });

const quotas = listOf(z.union([short, long])).superRefine((list, context) => {
  const seen = new Set<string>();
  for (const { period } of list) {
    const name = quotaPeriodName(period);
    if (seen.has(name)) {
      const params = { remedy: 'Keep the lower one.' };
      context.addIssue({ code: 'custom', message: `two quotas count per ${name}`, params });
    }
    seen.add(name);
  }
});

const plan = z
  .strictObject({
    rate: rate().optional().describe('How often, evenly: 429 `rate_limited` past that.'),
    burst: count(1)
      .optional()
      .describe('How many a rested caller may make at once. The number of `rate` when left out.'),
    quota: quotas
      .optional()
      .describe('How many in a period: 429 `quota_exceeded` past that. A list means all of them.'),
    by: z
      .enum(planSubjects)
      .default('caller')
      .describe('Whose requests are counted together: the consumer’s or, where there is none, the identity’s.'),
    warnAt: z
      .union([z.literal(false), percent()])
      .optional()
      .describe('From which part of a quota on responses carry `x-quota-warning`; `80%` when left out.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .transform(({ rate: given, burst, quota = [], by, warnAt = DEFAULT_WARNING, report }, context): PlanValue => {
    if (given === undefined && burst !== undefined) {
      return fault(context, 'there is no rate that this could be the burst of', 'Add `rate`.', ['burst']);
    }
    const limited = given === undefined ? null : rateOf(given, burst, context);
    return { by, rate: limited, quotas: quota, warnAt: warnAt === false ? null : warnAt, report };
  });

function rateOf(given: Rate, burst: number | undefined, context: Context): PlanValue['rate'] {
  const { limit, per, by } = given;
  if (by !== undefined)
    return fault(context, 'a plan says `by` for all of it', `Write \`by: ${by}\` beside it.`, ['rate']);
  if (per === 'month') return fault(context, 'this is a quota', `Write \`quota: ${formatRate(given)}\`.`, ['rate']);
  if (limit < 1) return fault(context, 'a rate lets one request pass at least', 'Write `1` or more.', ['rate']);
  const room = burst ?? limit;
  if ((room * per) / limit > LONGEST_FILL_MS) {
    const remedy = `Write \`${Math.floor((LONGEST_FILL_MS * limit) / per)}\` or less.`;
    const message = `this would take longer than ${formatDuration(LONGEST_FILL_MS)} to fill`;
    return fault(context, message, remedy, ['burst']);
  }
  return { limit, period: per, burst: room };
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** As it stands in `RateLimit` fields and in metrics. */
const planName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a plan is named with letters, digits, `.`, `_` and `-`, up to 64 of them');

export const plansSchema = z.record(planName, plan);
