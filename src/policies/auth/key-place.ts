import { type FieldName, fieldName } from '../../base/headers.ts';
import type { Exchange } from '../../plan/exchange.ts';
import { queryValue, withoutParameter } from '../../semantics/query.ts';

/** Where clients put their key. */
export interface KeyPlace {
  /** See `Identifier.place`. */
  readonly name: string;
  /** Undefined: there is none. Empty when there are several, of which the service might pick another one than we do. */
  read(exchange: Exchange): string | undefined;
  conceal(exchange: Exchange): void;
}

export class HeaderPlace implements KeyPlace {
  readonly name: string;
  readonly #field: FieldName;

  constructor(header: string) {
    this.name = `header ${header}`;
    this.#field = fieldName(header);
  }

  read({ headers }: Exchange): string | undefined {
    const value = headers.get(this.#field);
    return value === undefined || headers.occurrences(this.#field) === 1 ? value : '';
  }

  conceal({ headers }: Exchange): void {
    headers.remove(this.#field);
  }
}

/** `Authorization: <scheme> <key>` (RFC 9110, 11.4); other schemes are other credentials. */
export class AuthorizationPlace implements KeyPlace {
  readonly name: string;
  readonly #field = fieldName('authorization');
  readonly #shape: RegExp;

  constructor(scheme: string) {
    this.name = `${scheme.toLowerCase()} authorization`;
    this.#shape = new RegExp(`^${RegExp.escape(scheme)}(?: +(.*))?$`, 'i');
  }

  read({ headers }: Exchange): string | undefined {
    const value = headers.get(this.#field);
    if (value === undefined) return undefined;
    if (headers.occurrences(this.#field) > 1) return '';
    const match = this.#shape.exec(value);
    return match === null ? undefined : (match[1] ?? '');
  }

  conceal(exchange: Exchange): void {
    if (this.read(exchange) !== undefined) exchange.headers.remove(this.#field);
  }
}

export class QueryPlace implements KeyPlace {
  readonly name: string;
  readonly #parameter: string;

  constructor(parameter: string) {
    this.name = `query ${parameter}`;
    this.#parameter = parameter;
  }

  read({ query }: Exchange): string | undefined {
    const value = query === '' ? undefined : queryValue(query, this.#parameter);
    return value === undefined || isOnlyOne(query, this.#parameter) ? value : '';
  }

  conceal(exchange: Exchange): void {
    exchange.query = withoutParameter(exchange.query, this.#parameter);
  }
}

/** Any second spelling of the name counts, escapes included. */
function isOnlyOne(query: string, parameter: string): boolean {
  const pairs = query.split('&');
  let count = 0;
  for (const pair of pairs) if (queryValue(pair, parameter) !== undefined) count += 1;
  return count === 1;
}
