import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import type { ResponseHead } from '../plan/call.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import { listOf } from '../plan/fields.ts';
import type { Authentication, Identifier } from '../plan/identifier.ts';
import { definePolicy, type Maybe, type RequestHook } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';

const options = z.union([
  listOf(z.string().min(1)),
  z.strictObject({
    methods: listOf(z.string().min(1)).describe('Entries of `auth`; any of them will do.'),
    optional: z
      .boolean()
      .default(false)
      .describe('Let callers without a credential pass; a wrong credential never passes.'),
  }),
]);

const wwwAuthenticate = fieldName('www-authenticate');

export const auth = definePolicy({
  name: 'auth',
  summary:
    'Entries of `auth` by which a caller may identify; a list means either. `public`: nobody has to. A credential that is presented must be right, whatever else would do.',
  schema: options,
  examples: [
    { title: 'One way in', options: 'customer' },
    { title: 'Either of two', options: ['customer', 'partner'] },
    { title: 'Anonymous callers too', options: { methods: 'customer', optional: true } },
  ],
  compile(given, env) {
    const { methods, optional } = Array.isArray(given) ? { methods: given, optional: false } : given;
    if (methods.includes('public')) return null;
    const found = methods.map((entry) => env.identifier(entry)).filter((each) => each !== null);
    const request = new Identify(byPlace(found), optional);
    const responding = found.flatMap(({ entry, respond }) => (respond === undefined ? [] : [{ entry, respond }]));
    if (responding.length === 0) return { writes: ['identity'], request };
    return {
      writes: ['identity'],
      request,
      response: { run: (exchange, head) => respondFor(responding, exchange, head) },
    };
  },
});

/** The entry that vouched for the caller may have something to tell it. */
function respondFor(
  identifiers: readonly Required<Pick<Identifier, 'entry' | 'respond'>>[],
  exchange: Exchange,
  head: ResponseHead,
): undefined {
  const method = exchange.identity?.method;
  if (method === undefined) return;
  for (let i = 0; i < identifiers.length; i++) {
    const { entry, respond } = identifiers[i] as (typeof identifiers)[number];
    if (entry === method) respond(exchange, head);
  }
}

/** Entries that look at the same place stand together, in the order in which their places are first named. */
function byPlace(identifiers: readonly Identifier[]): Identifier[] {
  const places = [...new Set(identifiers.map(({ place }) => place))];
  return places.flatMap((place) => identifiers.filter((identifier) => identifier.place === place));
}

class Identify implements RequestHook, Authentication {
  readonly phase = 'identify';
  readonly #identifiers: readonly Identifier[];
  readonly #optional: boolean;

  constructor(identifiers: readonly Identifier[], optional: boolean) {
    this.#identifiers = identifiers;
    this.#optional = optional;
  }

  run(exchange: Exchange): Maybe<Reply | undefined> {
    exchange.authentication = this;
    return this.#from(0, exchange, null, null);
  }

  /**
   * Goes on at the entry `index`, having found `identity` at an earlier place, and `refusal` at this place so far. Every
   * place is looked at, because a wrong credential is refused even where another one would do.
   */
  #from(index: number, exchange: Exchange, identity: Identity | null, refusal: Reply | null): Maybe<Reply | undefined> {
    const identifiers = this.#identifiers;
    let found = identity;
    let refused = refusal;
    for (let i = index; i < identifiers.length; i++) {
      const identifier = identifiers[i] as Identifier;
      if (i > 0 && refused !== null && identifier.place !== (identifiers[i - 1] as Identifier).place) {
        return this.#refuse(exchange, refused);
      }
      const answer = identifier.identify(exchange);
      if (answer === undefined) continue;
      if (answer instanceof Promise) return this.#later(answer, i, exchange, found, refused);
      if (answer instanceof Reply) {
        refused = heavier(refused, answer);
      } else {
        found ??= answer;
        refused = null;
        i = this.#endOfPlace(i);
      }
    }
    return refused === null ? this.#settle(exchange, found) : this.#refuse(exchange, refused);
  }

  async #later(
    answer: Promise<Identity | Reply | undefined>,
    index: number,
    exchange: Exchange,
    identity: Identity | null,
    refusal: Reply | null,
  ): Promise<Reply | undefined> {
    const result = await answer;
    if (result === undefined) return this.#from(index + 1, exchange, identity, refusal);
    if (result instanceof Reply) return this.#from(index + 1, exchange, identity, heavier(refusal, result));
    return this.#from(this.#endOfPlace(index) + 1, exchange, identity ?? result, null);
  }

  /** The last entry that looks at the same place. */
  #endOfPlace(index: number): number {
    const identifiers = this.#identifiers;
    const { place } = identifiers[index] as Identifier;
    let end = index;
    while (end + 1 < identifiers.length && (identifiers[end + 1] as Identifier).place === place) end++;
    return end;
  }

  #settle(exchange: Exchange, identity: Identity | null): Reply | undefined {
    if (identity === null && !this.#optional) return this.invite(exchange);
    exchange.identity = identity;
    this.#conceal(exchange);
    return undefined;
  }

  /** What was wrong may be nearly right, and this exchange will be logged. */
  #refuse(exchange: Exchange, refusal: Reply): Reply {
    this.#conceal(exchange);
    return refusal;
  }

  /** Last comes who vouched: what it gives the service instead is not for another one to take away. */
  #conceal(exchange: Exchange): void {
    const method = exchange.identity?.method;
    let vouched: Identifier | null = null;
    for (let i = 0; i < this.#identifiers.length; i++) {
      const identifier = this.#identifiers[i] as Identifier;
      if (identifier.entry === method) vouched = identifier;
      else identifier.conceal?.(exchange);
    }
    vouched?.conceal?.(exchange);
  }

  invite(exchange: Exchange): Reply {
    const headers = new HeaderBlock();
    for (const { invite, challenge } of this.#identifiers) {
      const invitation = invite?.(exchange);
      if (invitation !== undefined) return invitation;
      if (challenge !== null) headers.add(wwwAuthenticate, challenge);
    }
    return Reply.refuse(errors.credentialMissing, null, headers);
  }

  challengeOf(entry: string): string | null {
    return this.#identifiers.find((identifier) => identifier.entry === entry)?.challenge ?? null;
  }
}

/** That a credential cannot be judged now says more than that one of its possible issuers does not know it. */
function heavier(one: Reply | null, other: Reply): Reply {
  return one === null || other.status > one.status ? other : one;
}
