import { decodeBytes } from './percent.ts';

/**
 * Single parameters of a query that otherwise stays exactly as it was received. Names and values are wire text; in a
 * query `+` is a space, as forms write it (https://url.spec.whatwg.org/#application/x-www-form-urlencoded).
 */

/** Decoded value of the first parameter of that name; undefined when there is none, empty for a bare name. */
export function queryValue(query: string, name: string): string | undefined {
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    const equals = nameEnd(query, start, end);
    if (isNamed(query, start, equals, name)) return equals === end ? '' : decodeForm(query.slice(equals + 1, end));
    start = end + 1;
  }
  return undefined;
}

/** Whether more than one parameter has that name: readers differ in which of them they take. */
export function hasSeveralParameters(query: string, name: string): boolean {
  let found = false;
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    if (isNamed(query, start, nameEnd(query, start, end), name)) {
      if (found) return true;
      found = true;
    }
    start = end + 1;
  }
  return false;
}

/** The query without any parameter of that name. The very same string when there is none. */
export function withoutParameter(query: string, name: string): string {
  let kept = '';
  let found = false;
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    if (isNamed(query, start, nameEnd(query, start, end), name)) found = true;
    else kept += kept === '' ? query.slice(start, end) : `&${query.slice(start, end)}`;
    start = end + 1;
  }
  return found ? kept : query;
}

/** Adds a parameter, both parts encoded by the caller. */
export function withParameter(query: string, name: string, value: string): string {
  return query === '' ? `${name}=${value}` : `${query}&${name}=${value}`;
}

/** Replaces the values of parameters that `isSecret` names; the very same string when there are none. */
export function maskValues(query: string, isSecret: (name: string) => boolean, mask: string): string {
  let masked = '';
  let copied = 0;
  let start = 0;
  while (start < query.length) {
    const end = pairEnd(query, start);
    const equals = nameEnd(query, start, end);
    if (equals < end && isSecret(decodeForm(query.slice(start, equals)))) {
      masked += query.slice(copied, equals + 1) + mask;
      copied = end;
    }
    start = end + 1;
  }
  return copied === 0 ? query : masked + query.slice(copied);
}

function pairEnd(query: string, start: number): number {
  const end = query.indexOf('&', start);
  return end < 0 ? query.length : end;
}

function nameEnd(query: string, start: number, end: number): number {
  const equals = query.indexOf('=', start);
  return equals < 0 || equals > end ? end : equals;
}

function isNamed(query: string, start: number, end: number, name: string): boolean {
  // An escape only makes a spelling longer.
  if (end - start < name.length) return false;
  for (let i = start; i < end; i++) {
    const code = query.charCodeAt(i);
    if (code === 37 || code === 43) return decodeForm(query.slice(start, end)) === name;
  }
  return end - start === name.length && query.startsWith(name, start);
}

function decodeForm(raw: string): string {
  return decodeBytes(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
}
