import { type FieldName, fieldName, HeaderBlock } from '../../base/headers.ts';
import type { Exchange } from '../../plan/exchange.ts';
import { cookieField, splitCookies } from '../../semantics/cookie.ts';
import type { ForwardAuthOptions, RequestFact } from './forward-auth-options.ts';
import { verdictKey } from './verdict-cache.ts';

const authorization = fieldName('authorization');
const cookie = fieldName('cookie');
const forwardedMethod = fieldName('x-forwarded-method');
const forwardedProto = fieldName('x-forwarded-proto');
const forwardedHost = fieldName('x-forwarded-host');
const forwardedUri = fieldName('x-forwarded-uri');
const forwardedFor = fieldName('x-forwarded-for');

/** What the service is told about a request, and what of it the services behind the gateway are not to see. */
export class ForwardAuthQuestion {
  readonly #credentials: readonly FieldName[];
  readonly #fields: readonly FieldName[];
  readonly #cookies: ReadonlySet<string> | null;
  readonly #facts: readonly RequestFact[];
  /** Credentials that no answer takes the place of, and those that one does. */
  readonly #concealed: readonly FieldName[];
  readonly #replaced: readonly FieldName[];

  constructor(options: ForwardAuthOptions) {
    const { credentials, headers, cookies, cache, copy } = options;
    this.#credentials = credentials.map(fieldName);
    this.#fields = [...new Set([...credentials, ...headers])].map(fieldName);
    this.#cookies = cookies === undefined ? null : new Set(cookies);
    this.#facts = cache?.key ?? [];
    this.#concealed = credentials.filter((name) => !copy.includes(name)).map(fieldName);
    this.#replaced = credentials.filter((name) => copy.includes(name)).map(fieldName);
  }

  hasCredential({ headers }: Exchange): boolean {
    for (let i = 0; i < this.#credentials.length; i++) {
      if (this.#valueOf(headers, this.#credentials[i] as FieldName) !== undefined) return true;
    }
    return false;
  }

  /** Two credentials in one place: the service might take one, and the service behind the gateway the other. */
  isAmbiguous({ headers }: Exchange): boolean {
    return this.#credentials.includes(authorization) && headers.occurrences(authorization) > 1;
  }

  headers(exchange: Exchange): HeaderBlock {
    const { method, scheme, host, path, query, clientAddress } = exchange;
    const block = new HeaderBlock();
    for (let i = 0; i < this.#fields.length; i++) {
      const name = this.#fields[i] as FieldName;
      const value = this.#valueOf(exchange.headers, name);
      if (value !== undefined) block.add(name, value);
    }
    block.add(forwardedMethod, method);
    block.add(forwardedProto, scheme);
    block.add(forwardedHost, host);
    block.add(forwardedUri, query === '' ? path : `${path}?${query}`);
    if (clientAddress !== '') block.add(forwardedFor, clientAddress);
    return block;
  }

  /** Of everything that the answer may depend on, as far as the configuration says that it does. */
  key(exchange: Exchange): string {
    const parts: (string | undefined)[] = [];
    for (let i = 0; i < this.#fields.length; i++) {
      parts.push(this.#valueOf(exchange.headers, this.#fields[i] as FieldName));
    }
    for (let i = 0; i < this.#facts.length; i++) parts.push(factOf(exchange, this.#facts[i] as RequestFact));
    return verdictKey(parts);
  }

  /** Takes out the credential that the answer takes the place of, whether or not it says one. */
  removeReplaced({ headers }: Exchange): void {
    for (let i = 0; i < this.#replaced.length; i++) headers.remove(this.#replaced[i] as FieldName);
  }

  conceal({ headers }: Exchange): void {
    for (let i = 0; i < this.#concealed.length; i++) {
      const name = this.#concealed[i] as FieldName;
      if (name !== cookie || this.#cookies === null) {
        headers.remove(name);
        continue;
      }
      const field = cookieField(headers);
      if (field === undefined) continue;
      const { chosen, rest } = splitCookies(field, this.#cookies);
      if (chosen === '') continue;
      headers.remove(cookie);
      if (rest !== '') headers.add(cookie, rest);
    }
  }

  #valueOf(headers: HeaderBlock, name: FieldName): string | undefined {
    if (name !== cookie) return headers.getAll(name);
    const field = cookieField(headers);
    if (field === undefined || this.#cookies === null) return field;
    const { chosen } = splitCookies(field, this.#cookies);
    return chosen === '' ? undefined : chosen;
  }
}

function factOf(exchange: Exchange, fact: RequestFact): string {
  return fact === 'address' ? exchange.clientAddress : exchange[fact];
}
