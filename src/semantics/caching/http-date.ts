/**
 * HTTP-date in its three forms (RFC 9110, 5.6.7). Caches match it case-insensitively and take no zone but GMT
 * (RFC 9111, 4.2). A wrong day of the week changes nothing about the instant and is let pass.
 */
const PREFERRED =
  /^(?:mon|tue|wed|thu|fri|sat|sun), (\d\d) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) (\d{4}) (\d\d):(\d\d):(\d\d) gmt$/i;
const RFC_850 =
  /^(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday), (\d\d)-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-(\d\d) (\d\d):(\d\d):(\d\d) gmt$/i;
const ASCTIME =
  /^(?:mon|tue|wed|thu|fri|sat|sun) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i;

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';

/** Milliseconds since the epoch; NaN: it is no HTTP-date. `now`: for years of two digits. */
export function parseHttpDate(text: string, now: number): number {
  let match = PREFERRED.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match;
    return instant(year, month, day, hour, minute, second);
  }
  match = RFC_850.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match;
    return instant(String(fullYear(Number(year), now)), month, day, hour, minute, second);
  }
  match = ASCTIME.exec(text);
  if (match === null) return Number.NaN;
  const [, month, day, hour, minute, second, year] = match;
  return instant(year, month, day, hour, minute, second);
}

/** The preferred form; fractions of a second are cut off. */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

/** More than 50 years ahead means the past with the same digits (RFC 9110, 5.6.7). */
function fullYear(digits: number, now: number): number {
  const present = new Date(now).getUTCFullYear();
  const year = present - (present % 100) + digits;
  if (year > present + 50) return year - 100;
  return year + 100 <= present + 50 ? year + 100 : year;
}

function instant(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): number {
  const [d, h, m, s] = [Number(day), Number(hour), Number(minute), Number(second)];
  // 60 is a leap second.
  if (h > 23 || m > 59 || s > 60) return Number.NaN;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), MONTHS.indexOf((month as string).toLowerCase()) / 3, d);
  // 31 February would be a day of March.
  if (date.getUTCDate() !== d) return Number.NaN;
  return date.setUTCHours(h, m, s);
}
