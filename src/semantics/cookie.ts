import { fieldName, type HeaderBlock } from '../base/headers.ts';

/** Single cookies of a Cookie field (RFC 6265, 5.4). */

const cookie = fieldName('cookie');

/** One Cookie field, as there should be, or the pairs of several (RFC 9113, 8.2.3). */
export function cookieField(headers: HeaderBlock): string | undefined {
  if (headers.occurrences(cookie) <= 1) return headers.get(cookie);
  let all = '';
  headers.forEach((name, value) => {
    if (name === cookie.lower) all += all === '' ? value : `; ${value}`;
  });
  return all;
}

/** Value of the first cookie of that name, without the quotes some servers put. */
export function cookieValue(field: string, name: string): string | undefined {
  const start = findCookie(field, name, 0);
  if (start < 0) return undefined;
  const value = field.slice(start + name.length + 1, pairEnd(field, start)).trimEnd();
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/** Whether more than one has that name: readers differ in which of them they take. */
export function hasSeveralCookies(field: string, name: string): boolean {
  const first = findCookie(field, name, 0);
  return first >= 0 && findCookie(field, name, pairEnd(field, first) + 1) >= 0;
}

export interface SplitCookies {
  /** As a Cookie field has them; empty: there are none. */
  readonly chosen: string;
  readonly rest: string;
}

/** The cookies of these names, and the others, each in their order and as they were sent. */
export function splitCookies(field: string, names: ReadonlySet<string>): SplitCookies {
  let chosen = '';
  let rest = '';
  for (let start = 0; start < field.length; ) {
    const end = pairEnd(field, start);
    const pair = field.slice(start, end).trim();
    start = end + 1;
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals >= 0 && names.has(pair.slice(0, equals))) chosen += chosen === '' ? pair : `; ${pair}`;
    else rest += rest === '' ? pair : `; ${pair}`;
  }
  return { chosen, rest };
}

/** Where the first cookie of that name from there on begins, or -1. `from` is at the beginning of a pair. */
function findCookie(field: string, name: string, from: number): number {
  let start = from;
  while (start < field.length) {
    while (field.charCodeAt(start) === 32) start++;
    const end = pairEnd(field, start);
    const equals = start + name.length;
    if (equals < end && field.charCodeAt(equals) === 61 && field.startsWith(name, start)) return start;
    start = end + 1;
  }
  return -1;
}

function pairEnd(field: string, start: number): number {
  const semicolon = field.indexOf(';', start);
  return semicolon < 0 ? field.length : semicolon;
}
