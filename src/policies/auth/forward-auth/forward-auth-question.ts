import { type FieldName, fieldName, HeaderBlock } from '../../../base/headers.ts';
import { LookAlikes } from '../../../base/look-alikes.ts';
import type { Exchange } from '../../../plan/exchange.ts';
import { cookieField, splitCookies } from '../../../semantics/cookie.ts';
import { concealCookies } from '../credential-place.ts';
import { verdictKey } from '../verdict-cache.ts';
import type { ForwardAuthOptions, RequestFact } from './forward-auth-options.ts';

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
  /** Credentials that no answer takes the place of, and those that one does, however they are spelled. */
  readonly #concealed: LookAlikes;
  readonly #replaced: LookAlikes;
  /** Single cookies among the credentials that no answer takes the place of. */
  readonly #concealedCookies: ReadonlySet<string> | null;

  constructor(options: ForwardAuthOptions) {
    const { credentials, headers, cookies, cache, copy } = options;
    this.#credentials = credentials.map(fieldName);
    this.#fields = [...new Set([...credentials, ...headers])].map(fieldName);
    this.#cookies = cookies === undefined ? null : new Set(cookies);
    this.#facts = cache?.key ?? [];
    const concealed = credentials.filter((name) => !copy.includes(name));
    const areSomeCookies = this.#cookies !== null && concealed.includes(cookie.lower);
    this.#concealedCookies = areSomeCookies ? this.#cookies : null;
    this.#concealed = new LookAlikes(areSomeCookies ? concealed.filter((name) => name !== cookie.lower) : concealed);
    this.#replaced = new LookAlikes(credentials.filter((name) => copy.includes(name)));
  }

  hasCredential({ headers }: Exchange): boolean {
    for (let i = 0; i < this.#credentials.length; i++) {
      if (this.#valueOf(headers, this.#credentials[i] as FieldName) !== undefined) return true;
    }
    return false;
  }

  /** Two credentials in one place: the service might take one, and the service behind the gateway the other. */
  isAmbiguous({ headers }: Exchange): boolean {
    for (let i = 0; i < this.#credentials.length; i++) {
      const name = this.#credentials[i] as FieldName;
      // RFC 9113, 8.2.3: cookies may stand in several fields.
      if (name !== cookie && headers.occurrences(name) > 1) return true;
    }
    return false;
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
    headers.removeCovered(this.#replaced);
  }

  conceal({ headers }: Exchange): void {
    headers.removeCovered(this.#concealed);
    if (this.#concealedCookies !== null) concealCookies(headers, this.#concealedCookies);
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
