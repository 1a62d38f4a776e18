import { fieldName } from '../../base/headers.ts';
import type { Exchange } from '../../plan/exchange.ts';
import type { CompileEnv, Fact } from '../../plan/policy.ts';
import { subscriberOf } from '../../semantics/cidr.ts';
import type { KeyPart, KeyWord } from './options.ts';

/** Undefined: the request has none, and its address stands in. */
type Reader = (exchange: Exchange) => string | undefined;

interface CompiledPart {
  /** As in the configuration, for explanations. */
  readonly words: string;
  readonly reads: readonly Fact[];
  readonly read: Reader;
}

const wordReaders: Readonly<Record<KeyWord, Reader>> = {
  address: (exchange) => subscriberOf(exchange.clientAddress),
  // Two entries of `auth` may know different callers by the same id.
  identity: ({ identity }) => (identity === null ? undefined : `${identity.method}\n${identity.id}`),
  consumer: ({ identity }) => identity?.consumer ?? undefined,
  key: ({ identity }) => {
    const key = identity?.claims.key;
    return typeof key === 'string' ? key : undefined;
  },
  route: ({ route }) => `${route.gateway}\n${route.name}`,
  gateway: ({ route }) => route.gateway,
};
const IDENTITY_WORDS: ReadonlySet<KeyPart> = new Set<KeyWord>(['identity', 'consumer', 'key']);

/** Who shares a bucket: requests for which it makes the same text. */
export class LimitKey {
  readonly reads: readonly Fact[];
  readonly #parts: readonly CompiledPart[];
  readonly #only: Reader | null;

  constructor(by: readonly KeyPart[], env: Pick<CompileEnv, 'template'>, path: readonly (string | number)[]) {
    this.#parts = by.map((part, index) => compilePart(part, env, by.length === 1 ? path : [...path, index]));
    this.#only = this.#parts.length === 1 ? (this.#parts[0] as CompiledPart).read : null;
    this.reads = [...new Set(this.#parts.flatMap(({ reads }) => reads))];
  }

  of(exchange: Exchange): string {
    if (this.#only !== null) return this.#only(exchange) ?? standIn(exchange);
    let key = '';
    const parts = this.#parts;
    for (let i = 0; i < parts.length; i++) {
      const value = (parts[i] as CompiledPart).read(exchange) ?? standIn(exchange);
      // With its length, so that no value can be read as the end of one and the beginning of the next.
      key += `${value.length} ${value}`;
    }
    return key;
  }

  /** For an explanation; `isCallerKnown`: what depends on who calls is known. */
  describe(exchange: Exchange, isCallerKnown: boolean): string {
    return this.#parts
      .map(({ words, reads, read }) => {
        if (!isCallerKnown && reads.includes('identity')) return `${words} (of whoever calls)`;
        const value = read(exchange);
        if (value === undefined) return `${words} (none, so by address ${subscriberOf(exchange.clientAddress)})`;
        return `${words} ${value.replace('\n', ' ')}`;
      })
      .join(' and ');
  }
}

/** No value begins like this: the address of somebody without a tenant is no tenant of that name. */
function standIn(exchange: Exchange): string {
  return `\0${subscriberOf(exchange.clientAddress)}`;
}

function compilePart(
  part: KeyPart,
  env: Pick<CompileEnv, 'template'>,
  path: readonly (string | number)[],
): CompiledPart {
  if (typeof part === 'string') {
    return { words: part, reads: IDENTITY_WORDS.has(part) ? ['identity'] : [], read: wordReaders[part] };
  }
  if ('header' in part) {
    const field = fieldName(part.header);
    return { words: `header ${part.header}`, reads: [], read: ({ headers }) => headers.getAll(field) };
  }
  const template = env.template(part.template, 'text', path);
  return { words: part.template, reads: template.reads, read: (exchange) => template.render(exchange) };
}
