import { type FieldName, fieldName, HeaderBlock, prepareName } from '../../base/headers.ts';
import { LookAlikes } from '../../base/look-alikes.ts';
import { UpstreamCall } from '../../plan/call.ts';
import type { CompileEnv } from '../../plan/policy.ts';
import type { StoredPolicy } from '../../semantics/caching/policy.ts';
import { reducedCodings, reducedLanguages } from '../../semantics/caching/preferences.ts';
import { makeConditional, makeUnconditional } from '../../semantics/caching/validation.ts';
import type { VaryRules } from '../../semantics/caching/vary.ts';
import { cookieField, splitCookies } from '../../semantics/cookie.ts';
import { clientStatements } from '../../semantics/forwarded.ts';
import type { CacheOptions } from './options.ts';

const acceptEncoding = fieldName('accept-encoding');
const acceptLanguage = fieldName('accept-language');
const cacheControl = fieldName('cache-control');
const cookie = fieldName('cookie');
const pragma = fieldName('pragma');

/** What HTTP itself needs, what the gateway says of itself and the client, and what only operators look at. */
const NEEDED = [
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cookie',
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-request-id',
  'traceparent',
  'tracestate',
];

/**
 * Fields by which some services let a request be another one than it seems: with a path, host or method of the client's
 * choice the response would be stored for others under a URL that it is not of. Requests with one of them go past the
 * cache.
 */
const TURNS = [
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-override-url',
  'x-rewrite-url',
  'x-forwarded-uri',
  'x-forwarded-path',
  'x-forwarded-method',
  'x-host',
].map(fieldName);
/** The same, and what the gateway says of clients, which some services believe in any spelling. */
const believed = new Set([...TURNS, ...clientStatements].map(({ lower }) => lower));
const believedAlike = new LookAlikes([...believed]);

/** The requests that the cache makes: the client's own, with what is not in the key made alike. */
export class ServiceRequest {
  readonly #rules: VaryRules;
  readonly #cookies: ReadonlySet<string> | null;
  /** Null: all may pass. */
  readonly #passing: ReadonlySet<string> | null;
  readonly #keyed: readonly FieldName[];
  readonly #keyedAlike: LookAlikes | null;

  constructor(options: CacheOptions, rules: VaryRules, env: Pick<CompileEnv, 'credentials' | 'identityFields'>) {
    this.#rules = rules;
    const { key, cookies, headers } = options;
    this.#cookies = cookies === 'remove' ? new Set(key.cookies) : null;
    this.#keyed = key.headers.map(fieldName);
    this.#keyedAlike = key.headers.length === 0 ? null : new LookAlikes(key.headers);
    this.#passing =
      headers === 'forward'
        ? null
        : new Set([...NEEDED, ...key.headers, ...env.credentials.headers, ...env.identityFields]);
  }

  /** Somebody may have a say in what others would get for the same key. */
  isTurned({ headers }: UpstreamCall): boolean {
    if (this.#passing !== null) return false;
    for (let i = 0; i < TURNS.length; i++) if (headers.has(TURNS[i] as FieldName)) return true;
    return false;
  }

  /** `validates`: what is stored, and may still be good. */
  of(call: UpstreamCall, target: string, isForClient: boolean, validates: StoredPolicy | null): UpstreamCall {
    const headers = this.fields(call.headers);
    if (validates === null) makeUnconditional(headers);
    else makeConditional(headers, validates);
    const made = new UpstreamCall('GET', target, call.authority, headers, null, isForClient ? call.exchange : null);
    made.isForOthers = true;
    if (isForClient) {
      made.deadline = call.deadline;
    } else {
      // What the client wants of caches is not what the refresh is for.
      headers.remove(cacheControl);
      headers.remove(pragma);
    }
    return made;
  }

  /** Of a request that the cache makes, conditions aside. */
  fields(received: HeaderBlock): HeaderBlock {
    let headers = received.clone();
    const passing = this.#passing;
    if (passing !== null) {
      headers = new HeaderBlock();
      received.forEach((name, value) => {
        if (passing.has(name)) headers.add(fieldName(name), value);
      });
    }
    removeOtherSpellings(headers);
    if (this.#keyedAlike !== null) this.#keepOneSpelling(headers, this.#keyedAlike);
    this.#reduceCookies(headers);
    this.#reducePreferences(headers);
    return headers;
  }

  /** A service may take another spelling for the field that is in the key. */
  #keepOneSpelling(headers: HeaderBlock, alike: LookAlikes): void {
    const values = this.#keyed.map((name) => headers.getAll(name));
    headers.removeCovered(alike);
    for (const [index, value] of values.entries()) {
      if (value !== undefined) headers.set(this.#keyed[index] as FieldName, value);
    }
  }

  #reduceCookies(headers: HeaderBlock): void {
    if (this.#cookies === null) return;
    const cookies = cookieField(headers);
    if (cookies === undefined) return;
    const { chosen } = splitCookies(cookies, this.#cookies);
    headers.remove(cookie);
    if (chosen !== '') headers.add(cookie, chosen);
  }

  /** To what variants are told apart by, so that no other coding or language can come back. */
  #reducePreferences(headers: HeaderBlock): void {
    const { codings, languages } = this.#rules;
    const encodings = codings === null ? undefined : headers.getAll(acceptEncoding);
    if (codings !== null && encodings !== undefined) {
      const reduced = reducedCodings(encodings, codings);
      const taken = reduced.replace(/,?!identity$/, '');
      const refused = taken === reduced ? '' : 'identity;q=0';
      headers.set(acceptEncoding, [taken, refused].filter((text) => text !== '').join(', ') || 'identity');
    }
    const wanted = languages === null ? undefined : headers.getAll(acceptLanguage);
    if (languages === null || wanted === undefined) return;
    const language = reducedLanguages(wanted, languages);
    if (language === '') headers.remove(acceptLanguage);
    else headers.set(acceptLanguage, language);
  }
}

function removeOtherSpellings(headers: HeaderBlock): void {
  let others: string[] | null = null;
  headers.forEach((name) => {
    if (!believedAlike.covers(name, 0, name.length) || believed.has(name)) return;
    others ??= [];
    others.push(name);
  });
  for (const name of (others as string[] | null) ?? []) headers.remove(prepareName(name));
}
