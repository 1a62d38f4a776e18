import { type FieldName, fieldName } from '../../base/headers.ts';
import type { UpstreamCall } from '../../plan/call.ts';
import type { CompileEnv, Fact } from '../../plan/policy.ts';
import type { Template } from '../../plan/template.ts';
import { cookieField, splitCookies } from '../../semantics/cookie.ts';
import type { CacheOptions } from './options.ts';
import { type QueryPart, queryPart } from './query-part.ts';

/** Longer URLs are not worth the memory, and a way to fill it. */
const MAX_TARGET = 4096;
const MAX_PARTS = 4096;

/**
 * What responses are told apart by. The URL comes first, as operators know it, so that keys can be purged by how they
 * begin; then the gateway. Both make the *primary* key, which is the same for all that could be asked of that URL:
 * whoever changes the resource removes it, and with it every variant.
 */
export class CacheKey {
  readonly reads: readonly Fact[];
  readonly #query: QueryPart | null;
  readonly #headers: readonly FieldName[];
  readonly #cookies: ReadonlySet<string>;
  readonly #identity: boolean;
  readonly #consumer: boolean;
  readonly #also: readonly Template[];
  readonly #isConditional: boolean;
  /** Nothing of the above, as on most routes. */
  readonly #hasParts: boolean;

  constructor({ key }: CacheOptions, isConditional: boolean, env: Pick<CompileEnv, 'template'>) {
    this.#query = queryPart(key.query);
    this.#headers = key.headers.map(fieldName);
    this.#cookies = new Set(key.cookies);
    this.#identity = key.identity;
    this.#consumer = key.consumer;
    this.#also = key.also.map((text, index) => env.template(text, 'text', ['key', 'also', index]));
    this.#isConditional = isConditional;
    this.#hasParts =
      isConditional || key.identity || key.consumer || key.headers.length + key.cookies.length + key.also.length > 0;
    const asks: Fact[] = key.identity || key.consumer ? ['identity'] : [];
    this.reads = [...new Set([...asks, ...this.#also.flatMap(({ reads }) => reads)])];
  }

  /** Path and query as far as they count: what the service is asked for. */
  target(target: string): string {
    const query = this.#query;
    if (query === null) return target;
    const mark = target.indexOf('?');
    if (mark < 0) return target;
    const kept = query(target.slice(mark + 1));
    return kept === '' ? target.slice(0, mark) : `${target.slice(0, mark)}?${kept}`;
  }

  /** Empty: it is not cached. */
  primary(call: UpstreamCall, target: string): string {
    if (target.length > MAX_TARGET) return '';
    const { exchange } = call;
    const scheme = exchange === null ? 'http' : exchange.scheme;
    return primaryKey(scheme, call.authority, target, exchange === null ? '' : exchange.route.gateway);
  }

  /** Everything else that the route wants told apart; null: something of it is missing or too long. */
  parts(call: UpstreamCall): string | null {
    const { exchange } = call;
    // A request that was rewritten is not the only one for its target, and another one may go elsewhere.
    const isAlone = !this.#isConditional && (exchange === null || exchange.upstreamTarget === null);
    if (!this.#hasParts && isAlone) return '';
    let text = isAlone ? '' : part('route', exchange === null ? '' : exchange.route.name);
    for (let i = 0; i < this.#headers.length; i++) {
      const field = this.#headers[i] as FieldName;
      text += part(field.lower, call.headers.getAll(field));
    }
    if (this.#cookies.size > 0) {
      const cookies = cookieField(call.headers);
      text += part('cookies', cookies === undefined ? undefined : inOrder(splitCookies(cookies, this.#cookies).chosen));
    }
    const identity = exchange === null ? null : exchange.identity;
    // Two entries of `auth` may know different callers by the same id.
    if (this.#identity) text += part('identity', identity === null ? undefined : `${identity.method} ${identity.id}`);
    if (this.#consumer) text += part('consumer', identity?.consumer ?? undefined);
    for (let i = 0; i < this.#also.length; i++) {
      const template = this.#also[i] as Template;
      text += part(template.source, exchange === null ? undefined : template.render(exchange));
    }
    return text.length > MAX_PARTS ? null : text;
  }
}

/** The host in its one spelling: it was validated as an authority. */
export function primaryKey(scheme: string, authority: string, target: string, gateway: string): string {
  return `${scheme}://${authority.toLowerCase()}${target}\n${gateway}`;
}

/**
 * By name. Several of one name stay as they were sent, and nothing about a value is made alike: services differ in which
 * of them they take, and in what they take it for.
 */
function inOrder(cookies: string): string {
  if (!cookies.includes(';')) return cookies;
  const nameOf = (pair: string): string => pair.slice(0, pair.indexOf('='));
  const pairs = cookies.split('; ');
  return pairs
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : nameOf(one) > nameOf(other) ? 1 : 0))
    .join('; ');
}

/** With its length, so that no value can be read as the end of one and the beginning of the next. */
function part(name: string, value: string | undefined): string {
  return value === undefined ? `${name}\n` : `${name} ${value.length} ${value}\n`;
}
