import { type FieldName, fieldName, type HeaderBlock } from '../../../base/headers.ts';
import type { Identity } from '../../../plan/exchange.ts';
import type { IdentifierEnv } from '../../../plan/identifier.ts';
import { type ServiceAnswer, ServiceError } from '../../../plan/service.ts';
import { fromWire } from '../../../semantics/percent.ts';
import { identityOf } from '../identity.ts';
import type { Verdict } from '../verdict-cache.ts';
import { freshFor } from './answer-freshness.ts';
import type { ForwardAuthOptions } from './forward-auth-options.ts';

/** The service knows who it is. */
export interface Admission {
  readonly kind: 'admission';
  readonly identity: Identity;
  /** For the service behind the gateway. */
  readonly copied: readonly (readonly [FieldName, string])[];
  /** Set-Cookie for the client, such as those of a session that goes on; null: none. */
  readonly cookies: readonly string[] | null;
}

/** The service says no, or how to become somebody. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly status: number;
  /** For the client. */
  readonly passed: readonly (readonly [FieldName, string])[];
  /** Null: a problem of the gateway's own says it. */
  readonly body: Buffer | null;
}

export type Outcome = Admission | Refusal;

/** Characters; a name of a caller ends up in logs, keys and header fields. */
const MAX_ID = 1_024;
/** Bytes of an outcome that is remembered: an answer in thousands would be the memory of a worker. */
const MAX_REMEMBERED = 8_192;
const redirects = new Set([301, 302, 303, 307, 308]);

const location = fieldName('location');
const setCookie = fieldName('set-cookie');
const contentType = fieldName('content-type');
const cacheControl = fieldName('cache-control');

/** Reads answers of the service; what is neither yes nor no is a failure, and nobody comes in by it. */
export class ForwardAuthReader {
  readonly #options: ForwardAuthOptions;
  readonly #env: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>;
  readonly #copy: readonly FieldName[];
  readonly #pass: ReadonlyMap<string, FieldName>;

  constructor(options: ForwardAuthOptions, env: Pick<IdentifierEnv, 'entry' | 'consumers' | 'defaultPlan'>) {
    this.#options = options;
    this.#env = env;
    this.#copy = options.copy.map(fieldName);
    this.#pass = new Map(options.passHeaders.map((name) => [name, fieldName(name)]));
  }

  read(answer: ServiceAnswer): Verdict<Outcome> {
    const { status } = answer;
    if (status >= 200 && status < 300) return this.#admission(answer);
    if (status === 401 || status === 403) return this.#refusal(answer, []);
    if (this.#options.passRedirects && redirects.has(status)) {
      const to = answer.headers.get(location);
      if (to === undefined) throw unusable(`${status} without a location`);
      return this.#refusal(answer, [[location, to]]);
    }
    throw unusable(String(status));
  }

  #admission({ status, headers }: ServiceAnswer): Verdict<Outcome> {
    const { identity: names, cache } = this.#options;
    const id = onlyValue(headers, names.id) ?? names.unnamed;
    if (id === undefined) throw unusable(`${status} without \`${names.id}\``);
    const identity = identityOf(
      {
        id,
        consumer: names.consumer === undefined ? null : (onlyValue(headers, names.consumer) ?? null),
        scopes: list(headers, names.scopes, /[\s,]+/),
        roles: list(headers, names.roles, /,/),
        groups: list(headers, names.groups, /,/),
      },
      this.#env,
    );
    const copied: (readonly [FieldName, string])[] = [];
    let length = 0;
    for (const name of this.#copy) {
      const value = headers.getAll(name);
      if (value === undefined) continue;
      copied.push([name, value]);
      length += value.length;
    }
    const cookies = this.#pass.has(setCookie.lower) ? cookiesIn(headers) : null;
    const isKept = cache !== undefined && cookies === null && length <= MAX_REMEMBERED;
    const value: Admission = { kind: 'admission', identity, copied, cookies };
    return { value, isGood: true, ttl: isKept ? freshFor(headers, cache.ttl) : 0 };
  }

  #refusal({ status, headers, body }: ServiceAnswer, own: readonly (readonly [FieldName, string])[]): Verdict<Outcome> {
    const { passBody, cache } = this.#options;
    const passed: (readonly [FieldName, string])[] = [...own];
    let length = body.length;
    headers.forEach((name, value) => {
      const field = this.#pass.get(name);
      if (field === undefined || own.some(([given]) => given === field)) return;
      passed.push([field, value]);
      length += value.length;
    });
    const isBodyPassed = passBody && body.length > 0;
    if (isBodyPassed) {
      const type = headers.get(contentType);
      if (type !== undefined && !this.#pass.has(contentType.lower)) passed.push([contentType, type]);
    }
    // Who may not come in today, or is sent to log in, is not to be told so again from some cache.
    if (!this.#pass.has(cacheControl.lower)) passed.push([cacheControl, 'no-store']);
    // A cookie is for the one who asked, and so is the state that a login begins with.
    const isPersonal = own.length > 0 || headers.has(setCookie);
    const isKept = cache !== undefined && !isPersonal && length <= MAX_REMEMBERED;
    const value: Refusal = { kind: 'refusal', status, passed, body: isBodyPassed ? body : null };
    return { value, isGood: false, ttl: isKept ? freshFor(headers, cache.refusals) : 0 };
  }
}

function unusable(what: string): ServiceError {
  return new ServiceError('malformed', `the service answered ${what}`);
}

function cookiesIn(headers: HeaderBlock): string[] | null {
  if (!headers.has(setCookie)) return null;
  const cookies: string[] = [];
  headers.forEach((name, value) => {
    if (name === setCookie.lower) cookies.push(value);
  });
  return cookies;
}

function onlyValue(headers: HeaderBlock, name: string): string | undefined {
  const field = fieldName(name);
  const value = headers.get(field);
  if (value === undefined || value === '') return undefined;
  if (headers.occurrences(field) > 1) throw unusable(`with \`${name}\` more than once`);
  if (value.length > MAX_ID) throw unusable(`with a \`${name}\` of ${value.length} characters`);
  return decoded(value, name);
}

function list(headers: HeaderBlock, name: string | undefined, separator: RegExp): string[] {
  const value = name === undefined ? undefined : headers.getAll(fieldName(name));
  if (name === undefined || value === undefined) return [];
  const items = decoded(value, name).split(separator);
  return [...new Set(items.map((item) => item.trim()).filter((item) => item !== ''))];
}

/** Names in anything but UTF-8 would all be read as the same replacement characters, and so as one another. */
function decoded(value: string, name: string): string {
  const text = fromWire(value);
  if (text.includes('\uFFFD')) throw unusable(`with a \`${name}\` that is not UTF-8`);
  return text;
}
