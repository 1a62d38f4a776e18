/**
 * The small notations of the configuration: `250ms`, `64KiB`, `20%`, `300/min by address`. Pure parsers: a value, or
 * words for the reader who got it wrong.
 */
export type Parsed<T> = { ok: true; value: T } | { ok: false; message: string; remedy: string };

/** A calendar month has no length in milliseconds, so it stays a word. */
export type RatePeriod = number | 'month';

export interface Rate {
  limit: number;
  per: RatePeriod;
  /** What is counted apart, as written after `by`: `address`, `identity`, a template. */
  by?: string;
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
} as const;
const PERIODS = { s: 1000, min: 60_000, h: 3_600_000, day: 86_400_000, month: 'month' } as const;

/** Other spellings that people try, and what they mean here. */
const DURATION_ALIASES: Record<string, keyof typeof MILLISECONDS> = {
  msec: 'ms',
  millis: 'ms',
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  min: 'm',
  mins: 'm',
  minute: 'm',
  minutes: 'm',
  hr: 'h',
  hour: 'h',
  hours: 'h',
  day: 'd',
  days: 'd',
};
const PERIOD_ALIASES: Record<string, keyof typeof PERIODS> = {
  sec: 's',
  second: 's',
  m: 'min',
  minute: 'min',
  hr: 'h',
  hour: 'h',
  d: 'day',
  mo: 'month',
};

/** The same notations for JSON Schema; kept beside the parsers, and held equal to them by the tests. */
export const patterns = {
  duration: '^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$',
  size: '^(0|\\d+(\\.\\d+)?(B|KB|MB|GB|KiB|MiB|GiB))$',
  percent: '^\\d+(\\.\\d+)?%$',
  rate: '^\\d+/(s|min|h|day|month)( by \\S+)?$',
} as const;

const SHAPE = {
  duration: new RegExp(patterns.duration),
  size: /^(\d+(?:\.\d+)?)(B|[KMG]i?B)$/,
  percent: /^(\d+(?:\.\d+)?)%$/,
  rate: /^(\d+)\/(s|min|h|day|month)(?: by (\S+))?$/,
};

function refuse(message: string, remedy: string): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}

function accept<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

/** Milliseconds, whole. `1h30m` adds up; its units go from large to small. */
export function parseDuration(text: string): Parsed<number> {
  if (text === '0') return accept(0);
  if (!SHAPE.duration.test(text)) {
    const near = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
    const message = 'this is not a duration';
    if (near === null) return refuse(message, 'Write a number and a unit: `250ms`, `5s`, `10m`, `1h`, `1d`.');
    const [, amount, unit = ''] = near;
    if (unit === '') return refuse('a duration needs a unit', `Write \`${amount}s\` or \`${amount}ms\`.`);
    const known = unit in MILLISECONDS ? unit : (DURATION_ALIASES[unit.toLowerCase()] ?? caseless(unit, MILLISECONDS));
    if (known !== undefined) return refuse(message, `Write \`${amount}${known}\`.`);
    return refuse(`\`${unit}\` is not a unit of time`, 'Use `ms`, `s`, `m`, `h` or `d`.');
  }
  let total = 0;
  let previous = Number.POSITIVE_INFINITY;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const each = MILLISECONDS[unit as keyof typeof MILLISECONDS];
    if (each >= previous) {
      return refuse('the units of a duration go from large to small', 'Write for instance `1h30m`.');
    }
    previous = each;
    total += Number(amount) * each;
  }
  const rounded = Math.round(total);
  if (rounded > Number.MAX_SAFE_INTEGER) return refuse('this duration is too long', 'Write a shorter one.');
  if (rounded === 0 && total > 0) return refuse('a duration has no part below `1ms`', 'Write `0` or `1ms`.');
  return accept(rounded);
}

/** Bytes, whole. `KB` is 1000, `KiB` is 1024. */
export function parseSize(text: string): Parsed<number> {
  if (text === '0') return accept(0);
  const match = SHAPE.size.exec(text);
  if (match === null) {
    const near = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
    const message = 'this is not a size';
    if (near === null) return refuse(message, 'Write a number and a unit: `512B`, `64KiB`, `10MiB`.');
    const [, amount, unit = ''] = near;
    if (unit === '')
      return refuse('a size needs a unit', `Write \`${amount}B\`, \`${amount}KiB\` or \`${amount}MiB\`.`);
    const letter = /^([kmg])$/i.exec(unit)?.[1]?.toUpperCase();
    const known = letter === undefined ? caseless(unit, BYTES) : `${letter}iB`;
    if (known !== undefined) return refuse(message, `Write \`${amount}${known}\`.`);
    return refuse(`\`${unit}\` is not a unit of size`, 'Use `B`, `KiB`, `MiB`, `GiB` (or `KB`, `MB`, `GB`).');
  }
  const bytes = Math.round(Number(match[1]) * BYTES[match[2] as keyof typeof BYTES]);
  if (bytes > Number.MAX_SAFE_INTEGER) return refuse('this size is too large', 'Write a smaller one.');
  return accept(bytes);
}

/** A fraction of one: `20%` is 0.2. */
export function parsePercent(text: string): Parsed<number> {
  const match = SHAPE.percent.exec(text);
  if (match === null) {
    const amount = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim())?.[1];
    return refuse(
      'this is not a percentage',
      amount === undefined ? 'Write for instance `20%`.' : sharePercent(text, amount),
    );
  }
  const value = Number(match[1]);
  if (value > 100) return refuse('a percentage is at most `100%`', 'Write `0%` to `100%`.');
  return accept(Number((value / 100).toPrecision(15)));
}

/** `300/min`, or with what is counted apart: `300/min by address`. */
export function parseRate(text: string): Parsed<Rate> {
  const match = SHAPE.rate.exec(text);
  if (match === null) return refuse('this is not a rate', rateRemedy(text));
  const [, amount, period, by] = match;
  const limit = Number(amount);
  if (limit > Number.MAX_SAFE_INTEGER) return refuse('this rate is too high', 'Write a lower one.');
  const rate: Rate = { limit, per: PERIODS[period as keyof typeof PERIODS] };
  if (by !== undefined) rate.by = by;
  return accept(rate);
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0';
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (milliseconds % MILLISECONDS[unit] === 0) return `${milliseconds / MILLISECONDS[unit]}${unit}`;
  }
  return `${milliseconds}ms`;
}

export function formatSize(bytes: number): string {
  if (bytes === 0) return '0';
  for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
    if (bytes % BYTES[unit] === 0) return `${bytes / BYTES[unit]}${unit}`;
  }
  return `${bytes}B`;
}

export function formatPercent(fraction: number): string {
  return `${Number((fraction * 100).toPrecision(12))}%`;
}

export function formatRate(rate: Rate): string {
  const unit = (Object.keys(PERIODS) as (keyof typeof PERIODS)[]).find((name) => PERIODS[name] === rate.per);
  const period = unit ?? (typeof rate.per === 'number' ? formatDuration(rate.per) : rate.per);
  return `${rate.limit}/${period}${rate.by === undefined ? '' : ` by ${rate.by}`}`;
}

function rateRemedy(text: string): string {
  const near = /^(\d+)\s*(?:\/|per)\s*([A-Za-z]+)\s*(?:by\s*(\S+))?$/.exec(text.trim());
  const by = near?.[3] === undefined ? '' : ` by ${near[3]}`;
  const unit = near?.[2]?.toLowerCase() ?? '';
  const known = unit in PERIODS ? unit : (PERIOD_ALIASES[unit] ?? PERIOD_ALIASES[unit.replace(/s$/, '')]);
  if (near !== null && known !== undefined) return `Write \`${near[1]}/${known}${by}\`.`;
  if (near !== null) return 'A rate is counted per `s`, `min`, `h`, `day` or `month`.';
  const bare = /^\d+$/.exec(text.trim())?.[0];
  if (bare !== undefined) return `Say per what: \`${bare}/s\`, \`${bare}/min\`.`;
  return 'Write for instance `10/s`, `300/min` or `300/min by address`.';
}

function sharePercent(text: string, amount: string): string {
  const value = Number(amount);
  if (text.includes('%') || value > 1) return `Write \`${amount}%\`.`;
  return `Write \`${Number((value * 100).toPrecision(12))}%\`.`;
}

function caseless<T extends string>(unit: string, units: Record<T, number>): T | undefined {
  return (Object.keys(units) as T[]).find((name) => name.toLowerCase() === unit.toLowerCase());
}
