import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import { duration, headerName, listOf, orTrue } from '../plan/fields.ts';
import { nameProblem } from '../plan/header-edits.ts';
import { type CompileEnv, definePolicy } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { openKeyRing } from './signing/key-ring.ts';
import { MAX_TTL_MS } from './signing/key-schedule.ts';
import {
  ACTIVE,
  type ActiveKey,
  PUBLIC_KEYS_FEED,
  type PublicKey,
  SIGNING_KEY_FEED,
  signingAlgorithms,
} from './signing/signing-key.ts';
import { TokenSigner } from './signing/token-signer.ts';

/** Claims that are the gateway's to say. */
const OWN_CLAIMS: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  ...['scope', 'roles', 'groups', 'consumer', 'plan', 'method'],
]);

const options = z.strictObject({
  issuer: z.string().min(1).default('sluice').describe('The claim `iss`.'),
  audience: listOf(z.string().min(1)).optional().describe('The claim `aud`: the services that it is for.'),
  ttl: duration({ min: 1000, max: MAX_TTL_MS })
    .prefault('60s')
    .describe('How long a token is good. One that is handed out has at least half of it left.'),
  header: headerName()
    .superRefine((name, context) => {
      const problem = nameProblem(name, 'request');
      if (problem === null) return;
      context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
    })
    .prefault('x-identity-token')
    .describe('The field that carries it; what clients send under this name is removed on every route.'),
  scheme: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
    .meta({ expects: 'a scheme such as `Bearer`' })
    .optional()
    .describe('A word before the token; `Bearer` in the field `authorization`.'),
  claims: listOf(
    z.string().superRefine((name, context) => {
      if (!OWN_CLAIMS.has(name)) return;
      const remedy = 'Leave it out.';
      context.addIssue({ code: 'custom', message: `\`${name}\` is the gateway’s own`, params: { remedy } });
    }),
  )
    .default([])
    .describe('Claims of the caller’s credential that are passed on as they are.'),
  algorithm: z.enum(signingAlgorithms).default('ES256').describe('How tokens are signed.'),
});

type Options = z.output<typeof options>;

export const identityToken = definePolicy({
  name: 'identityToken',
  summary:
    'Tells the service who calls in a short-lived JWT that the gateway signs; `respond: jwks` publishes the keys to verify it.',
  schema: orTrue(options),
  examples: [
    { title: 'In `x-identity-token`', options: true },
    {
      title: 'As a bearer token for one service',
      options: { issuer: 'https://shop.example', audience: 'orders', header: 'authorization', claims: 'email' },
    },
  ],
  identityFields: ({ header }) => [header],
  compile(given, env) {
    const field = fieldName(given.header);
    const scheme = given.scheme ?? (field.lower === 'authorization' ? 'Bearer' : null);
    const tokens = new IdentityTokens(given, scheme === null ? '' : `${scheme} `, env);
    return {
      reads: ['identity'],
      request: {
        phase: 'rewrite',
        run({ identity, headers }: Exchange) {
          // A route that lets anonymous callers pass must not let them say who they are.
          if (identity === null) {
            headers.remove(field);
            return undefined;
          }
          const token = tokens.of(identity);
          if (token === null) return Reply.refuse(errors.identityUnavailable);
          headers.set(field, token);
          return undefined;
        },
      },
    };
  },
  supervise({ algorithm }, env) {
    const signing = env.feed<ActiveKey>(SIGNING_KEY_FEED);
    const published = env.feed<PublicKey>(PUBLIC_KEYS_FEED);
    const { ring, close } = openKeyRing(algorithm, env);
    const subscription = ring.subscribe((state) => {
      const { kid, privateKey } = state.active;
      // Before anything is signed with it.
      published.replace(state.published);
      signing.replace([[ACTIVE, { kid, algorithm, privateKey }]]);
    });
    env.report(() => {
      const { state } = ring;
      if (state === null) return { algorithm, active: null, published: [] };
      return { algorithm, active: state.active.kid, published: [...state.published.keys()] };
    });
    return {
      settled: ring.settled,
      close: () => {
        subscription.close();
        close();
      },
    };
  },
});

interface Signed {
  readonly text: string;
  /** Milliseconds since the epoch at which another one is made. */
  readonly until: number;
}

class IdentityTokens {
  readonly #options: Options;
  readonly #prefix: string;
  readonly #signer: TokenSigner;
  readonly #audience: string | readonly string[] | undefined;
  /** A signature takes 20 µs and more; callers who are remembered come with the same object again. */
  readonly #signed = new WeakMap<Identity, Signed>();

  constructor(given: Options, prefix: string, env: CompileEnv) {
    this.#options = given;
    this.#prefix = prefix;
    this.#signer = new TokenSigner(env.feed<ActiveKey>(SIGNING_KEY_FEED));
    this.#audience = given.audience?.length === 1 ? given.audience[0] : given.audience;
  }

  /** Null: there is no key yet. */
  of(identity: Identity): string | null {
    const now = Date.now();
    const known = this.#signed.get(identity);
    // Also false when the clock was set back.
    if (known !== undefined && now < known.until && known.until - now <= this.#options.ttl) return known.text;
    const token = this.#signer.sign(this.#claims(identity, now));
    if (token === null) return null;
    const text = this.#prefix + token;
    this.#signed.set(identity, { text, until: now + this.#options.ttl / 2 });
    return text;
  }

  #claims(
    { id, method, consumer, plan, scopes, roles, groups, claims }: Identity,
    now: number,
  ): object & Record<string, unknown> {
    const { issuer, ttl, claims: chosen } = this.#options;
    const issuedAt = Math.floor(now / 1000);
    const made: Record<string, unknown> = {};
    for (const name of chosen) if (Object.hasOwn(claims, name)) made[name] = claims[name];
    // Members that are undefined are left out of JSON.
    return Object.assign(made, {
      iss: issuer,
      sub: id,
      aud: this.#audience,
      iat: issuedAt,
      exp: issuedAt + Math.ceil(ttl / 1000),
      jti: randomUUID(),
      // RFC 8693, 4.2
      scope: scopes.length === 0 ? undefined : scopes.join(' '),
      roles: roles.length === 0 ? undefined : roles,
      groups: groups.length === 0 ? undefined : groups,
      consumer: consumer ?? undefined,
      plan: plan ?? undefined,
      method,
    });
  }
}
