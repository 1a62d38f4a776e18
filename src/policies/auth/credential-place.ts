import { type FieldName, fieldName, type HeaderBlock } from '../../base/headers.ts';
import { LookAlikes } from '../../base/look-alikes.ts';
import type { Exchange } from '../../plan/exchange.ts';
import { HEADER_NAME } from '../../plan/fields.ts';
import { cookieField, cookieValue, hasSeveralCookies, splitCookies } from '../../semantics/cookie.ts';
import { toWire } from '../../semantics/percent.ts';
import { hasSeveralParameters, queryValue, withoutParameter } from '../../semantics/query.ts';

const cookie = fieldName('cookie');
/** `authorization` has nothing that `_` could stand for. */
const ONE_SPELLING = /^[0-9A-Za-z]+$/;

/** Where clients put a credential: one of these, or several. */
export interface Places {
  readonly header?: string | undefined;
  /** The word before the credential in that header; `false`: none. */
  readonly scheme?: string | false | undefined;
  readonly cookie?: string | undefined;
  readonly query?: string | undefined;
}

/** Where one entry looks for its credential. */
export class CredentialPlace {
  /** See `Identifier.place`: the first of the places, in the order header, cookie, query. */
  readonly name: string;
  readonly #header: FieldName | null;
  /** The header in every spelling that the service may take for it; null: it has but one. */
  readonly #spellings: LookAlikes | null;
  /** In lower case; null: the whole value is the credential. */
  readonly #scheme: string | null;
  readonly #cookie: string | null;
  readonly #cookies: ReadonlySet<string>;
  readonly #query: string | null;

  constructor({ header, scheme = false, cookie: cookieName, query }: Places) {
    this.#header = header === undefined ? null : fieldName(header);
    this.#spellings = header === undefined || ONE_SPELLING.test(header) ? null : new LookAlikes([header]);
    this.#scheme = scheme === false ? null : scheme.toLowerCase();
    this.#cookie = cookieName ?? null;
    this.#cookies = new Set(cookieName === undefined ? [] : [cookieName]);
    this.#query = query === undefined ? null : toWire(query);
    if (header !== undefined) this.name = `${this.#scheme ?? 'header'} ${header}`;
    else this.name = cookieName === undefined ? `query ${query}` : `cookie ${cookieName}`;
  }

  /**
   * Undefined: there is none. Null: there are several, of which the service might take another one (RFC 6750, 2). An
   * empty one in a header was meant to be one; an empty cookie or parameter is how callers say that they have none.
   */
  find(exchange: Exchange): string | null | undefined {
    let found = this.#header === null ? undefined : this.#inHeader(exchange.headers, this.#header);
    if (this.#cookie !== null && found !== null) found = one(found, inCookie(exchange.headers, this.#cookie));
    if (this.#query !== null && found !== null) found = one(found, inQuery(exchange.query, this.#query));
    return found;
  }

  /** Takes the credential out of what the service will see, and leaves those of other kinds where they are. */
  conceal(exchange: Exchange): void {
    const { headers } = exchange;
    if (this.#header !== null && (this.#scheme === null || isThere(headers, this.#header, this.#scheme))) {
      if (this.#spellings === null) headers.remove(this.#header);
      else headers.removeCovered(this.#spellings);
    }
    if (this.#cookie !== null) concealCookies(headers, this.#cookies);
    if (this.#query !== null) exchange.query = withoutParameter(exchange.query, this.#query);
  }

  #inHeader(headers: HeaderBlock, name: FieldName): string | null | undefined {
    const value = headers.get(name);
    if (value === undefined) return undefined;
    // RFC 9110, 5.3: neither may there be two, nor do readers agree on which of them counts.
    if (headers.occurrences(name) > 1) return null;
    return this.#scheme === null ? value : afterScheme(value, this.#scheme);
  }
}

/** One credential of that scheme, or several that somebody may take for one. */
function isThere(headers: HeaderBlock, name: FieldName, scheme: string): boolean {
  const value = headers.get(name);
  return value !== undefined && (afterScheme(value, scheme) !== undefined || headers.occurrences(name) > 1);
}

/** Takes cookies of these names out of what the service will see. */
export function concealCookies(headers: HeaderBlock, names: ReadonlySet<string>): void {
  const field = cookieField(headers);
  if (field === undefined) return;
  const { chosen, rest } = splitCookies(field, names);
  if (chosen === '') return;
  headers.remove(cookie);
  if (rest !== '') headers.add(cookie, rest);
}

function inCookie(headers: HeaderBlock, name: string): string | null | undefined {
  const field = cookieField(headers);
  const value = field === undefined ? undefined : cookieValue(field, name);
  if (field === undefined || value === undefined) return undefined;
  if (hasSeveralCookies(field, name)) return null;
  return value === '' ? undefined : value;
}

function inQuery(query: string, name: string): string | null | undefined {
  const value = query === '' ? undefined : queryValue(query, name);
  if (value === undefined) return undefined;
  if (hasSeveralParameters(query, name)) return null;
  return value === '' ? undefined : value;
}

/** The same credential at two places is one. */
function one(found: string | undefined, other: string | null | undefined): string | null | undefined {
  return other === undefined || other === found ? found : found === undefined ? other : null;
}

/**
 * RFC 9110, 11.1 and 11.4: a scheme is compared without regard to case, and spaces follow it. Undefined: it is another
 * one. What follows it in any other way comes out as it is, to be refused: the service might read it as meant.
 */
function afterScheme(value: string, scheme: string): string | undefined {
  const { length } = scheme;
  for (let i = 0; i < length; i++) {
    const character = value.charCodeAt(i);
    const lower = character >= 65 && character <= 90 ? character | 0x20 : character;
    if (lower !== scheme.charCodeAt(i)) return undefined;
  }
  if (value.length > length && value.charCodeAt(length) !== 0x20 && HEADER_NAME.test(value.charAt(length)))
    return undefined;
  let start = length;
  while (value.charCodeAt(start) === 0x20) start++;
  return value.slice(start);
}
