import { type FieldName, fieldName } from '../../base/headers.ts';
import type { UpstreamCall } from '../../plan/call.ts';
import type { CompileEnv, Placement } from '../../plan/policy.ts';
import { cookieField, splitCookies } from '../../semantics/cookie.ts';
import { queryValue } from '../../semantics/query.ts';
import type { CacheOptions } from './options.ts';

const cookie = fieldName('cookie');

/** What `check` knows of how a route tells its service who calls, beside the usual header fields. */
export interface Telling {
  /** A handler knows the caller, and so does a target or an answer that is made of who calls. */
  readonly always: boolean;
  /** Header fields that are filled with what the caller presented. */
  readonly fields: readonly string[];
  /** Header fields that go by another name. */
  readonly renamed: readonly (readonly [from: string, to: string])[];
}

/** Fields and templates that a route fills from its caller or from what the caller presented. */
const FROM_CALLER = /\{(?:identity\.|cookie\.|header\.(?:authorization|cookie)\})/i;

interface RequestSetting {
  readonly path?: unknown;
  readonly query?: unknown;
  readonly headers?: { readonly [change: string]: Readonly<Record<string, unknown>> | undefined };
}

export function tellingOf({ target, setting }: Placement): Telling {
  const { path, query, headers = {} } = (setting('request') as RequestSetting | undefined) ?? {};
  const filled = Object.entries({ ...headers.add, ...headers.set });
  return {
    always: target !== 'upstream' || FROM_CALLER.test(JSON.stringify([path ?? null, query ?? null])),
    fields: filled.filter(([, value]) => FROM_CALLER.test(JSON.stringify(value))).map(([name]) => name.toLowerCase()),
    renamed: Object.entries(headers.rename ?? {}).map(([from, to]) => [from.toLowerCase(), String(to).toLowerCase()]),
  };
}

/**
 * Whether a call tells the service who calls. What comes of it is for that caller, unless the key tells callers apart,
 * the route says `shared`, or the response itself says that it is for everybody.
 */
export class Told {
  readonly #isShared: boolean;
  readonly #always: boolean;
  readonly #byIdentity: boolean;
  readonly #byConsumer: boolean;
  readonly #fields: readonly FieldName[];
  readonly #parameters: readonly string[];
  readonly #cookies: ReadonlySet<string> | null;

  constructor(options: CacheOptions, telling: Telling, env: Pick<CompileEnv, 'credentials' | 'identityFields'>) {
    const { key, shared, cookies } = options;
    this.#isShared = shared;
    this.#always = telling.always;
    this.#byIdentity = key.identity;
    this.#byConsumer = key.consumer;
    const names = ['authorization', 'proxy-authorization', ...env.credentials.headers, ...env.identityFields];
    const renamed = telling.renamed.filter(([from]) => from === 'cookie' || names.includes(from)).map(([, to]) => to);
    names.push(...telling.fields, ...renamed);
    const keyed = new Set([...key.headers, 'cookie']);
    this.#fields = [...new Set(names)].filter((name) => !keyed.has(name)).map(fieldName);
    this.#parameters = env.credentials.parameters;
    this.#cookies = cookies === 'careful' ? new Set(key.cookies) : null;
  }

  /** `target`: as the service is asked for it. */
  isTold(call: UpstreamCall, target: string): boolean {
    if (this.#isShared) return false;
    const { headers, exchange } = call;
    const identity = exchange === null ? null : exchange.identity;
    if (identity !== null) {
      if (this.#byIdentity || (this.#byConsumer && identity.consumer !== null)) return false;
      if (this.#always) return true;
    }
    for (let i = 0; i < this.#fields.length; i++) if (headers.has(this.#fields[i] as FieldName)) return true;
    if (this.#parameters.length === 0) return false;
    const query = target.slice(target.indexOf('?') + 1);
    return query !== target && this.#parameters.some((name) => queryValue(query, name) !== undefined);
  }

  /** It carries cookies that are not in the key, and whose meaning nobody knows. */
  hasCookies({ headers }: UpstreamCall): boolean {
    if (this.#cookies === null || !headers.has(cookie)) return false;
    return this.#cookies.size === 0 || splitCookies(cookieField(headers) ?? '', this.#cookies).rest !== '';
  }
}
