import { fieldName, type HeaderBlock } from '../base/headers.ts';

/** Single cookies of a Cookie field (RFC 6265, 5.4). */

const cookie = fieldName('cookie');
const EQUALS = 0x3d;

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
  const start = valueStart(field, name, 0);
  if (start < 0) return undefined;
  const value = trimmed(field.slice(start, pairEnd(field, start)));
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/** Whether more than one has that name: readers differ in which of them they take. */
export function hasSeveralCookies(field: string, name: string): boolean {
  const first = valueStart(field, name, 0);
  return first >= 0 && valueStart(field, name, pairEnd(field, first) + 1) >= 0;
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
    const pair = trimmed(field.slice(start, end));
    start = end + 1;
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals >= 0 && names.has(trimmed(pair.slice(0, equals)))) chosen += chosen === '' ? pair : `; ${pair}`;
    else rest += rest === '' ? pair : `; ${pair}`;
  }
  return { chosen, rest };
}

/**
 * Where the value of the first cookie of that name begins, or -1. `from` is at the beginning of a pair. White space
 * around names and values is no part of them, as RFC 6265, 5.2 has it for Set-Cookie.
 */
function valueStart(field: string, name: string, from: number): number {
  let start = from;
  while (start < field.length) {
    const end = pairEnd(field, start);
    while (isSpace(field.charCodeAt(start))) start++;
    if (field.startsWith(name, start)) {
      let equals = start + name.length;
      while (isSpace(field.charCodeAt(equals))) equals++;
      if (equals < end && field.charCodeAt(equals) === EQUALS) return equals + 1;
    }
    start = end + 1;
  }
  return -1;
}

function pairEnd(field: string, start: number): number {
  const semicolon = field.indexOf(';', start);
  return semicolon < 0 ? field.length : semicolon;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}
