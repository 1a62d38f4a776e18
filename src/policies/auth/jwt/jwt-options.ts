import { z } from 'zod';
import type { Parsed } from '../../../base/units.ts';
import { count, duration, listOf, secret } from '../../../plan/fields.ts';
import { algorithmNames, algorithms } from '../../../semantics/jwa.ts';
import { keyFromJwk, keyFromPem, keyFromSecret, type VerificationKey } from '../../../semantics/verification-key.ts';
import { bearerFields, checkBearer } from '../bearer.ts';
import { jwksFields } from '../jwks/jwks-options.ts';
import { claimFields } from '../token-claims.ts';

/** What an entry with JSON Web Tokens may say. */

type Path = readonly (string | number)[];
type Refuse = (path: Path, message: string, remedy: string) => void;

const keySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).describe('Public keys (RFC 7517).') });

/** A file is text until somebody reads it. */
function jsonOf(given: unknown): unknown {
  try {
    return typeof given === 'string' ? JSON.parse(given) : given;
  } catch {
    return undefined;
  }
}

const jwks = z
  .union([keySet, z.string()])
  .meta({ expects: 'a JWK Set' })
  .transform((given, context): z.output<typeof keySet> => {
    const parsed = keySet.safeParse(jsonOf(given));
    if (parsed.success) return parsed.data;
    const remedy = 'Give an object with `keys`, or its JSON text, such as `${file:jwks.json}`.';
    context.addIssue({ code: 'custom', message: 'this is not a JWK Set', params: { remedy } });
    return z.NEVER;
  });

const sharedSecret = z.union([
  secret(),
  z.strictObject({ base64: secret().describe('The secret’s bytes in base64 or base64url.') }),
]);

const fields = z.strictObject({
  ...jwksFields,
  issuer: listOf(z.string().min(1))
    .default([])
    .describe(
      'Whose tokens are good (`iss`), to the letter. Their keys are found by discovery (OpenID Connect, RFC 8414) unless they are given in another way.',
    ),
  jwks: jwks.optional().describe('The public keys themselves, as a JWK Set.'),
  publicKey: listOf(z.string().min(1))
    .optional()
    .describe('Public keys or certificates in PEM, such as `${file:issuer.pem}`.'),
  secret: listOf(sharedSecret)
    .optional()
    .describe(
      'Secrets that the issuer signs with as well (HMAC): who can read one can make tokens. Several: to change it.',
    ),
  algorithms: listOf(z.enum(algorithmNames))
    .optional()
    .describe(
      'Which signature algorithms are good. What a key can be used for is decided by its type and its `alg`; this narrows it. Without it, all that the keys allow, and `HS256` for secrets.',
    ),
  audience: listOf(z.string().min(1))
    .default([])
    .describe(
      'Whom tokens have to be for (`aud`): one of these. Without it, tokens made for other services are good too.',
    ),
  clockSkew: duration({ max: 600_000 }).default(30_000).describe('How far the issuer’s clock may be off ours.'),
  maxAge: duration({ min: 1000 })
    .optional()
    .describe('How long tokens are good after their issue (`iat`), whatever they say.'),
  requiredClaims: listOf(z.string().min(1))
    .default(['exp'])
    .describe('Claims that every token must have. Without `exp` in it, tokens that never end are good.'),
  typ: listOf(z.string().min(1))
    .optional()
    .describe('Types that a token must have, such as `at+jwt`. Without it: `JWT`, `at+jwt`, or none said.'),
  ...claimFields,
  ...bearerFields,
  remember: count(0, 1_000_000)
    .default(10_000)
    .describe('How many verified tokens each worker remembers until they expire; `0`: none.'),
});

export type JwtOptions = z.output<typeof fields>;

export const jwtOptions = fields.superRefine((options, context) => {
  const refuse: Refuse = (path, message, remedy) =>
    context.addIssue({ code: 'custom', path: [...path], message, params: { remedy } });
  checkBearer(options, context);
  refuseSources(options, refuse);
  for (const { path, parsed } of configuredKeys(options)) {
    if (!parsed.ok) refuse(path, parsed.message, parsed.remedy);
    else if (![...parsed.value.algorithms].some((name) => isAllowed(options, name))) {
      refuse(path, 'none of `algorithms` is for this key', `It can do ${[...parsed.value.algorithms].join(', ')}.`);
    }
  }
});

function isAllowed({ algorithms: allowed }: JwtOptions, name: string): boolean {
  return allowed === undefined || allowed.includes(name);
}

/** Keys are found by asking the issuers where they are. */
function isDiscovered({ jwksUrl, jwks: inline, publicKey, secret: shared }: JwtOptions): boolean {
  return jwksUrl === undefined && inline === undefined && publicKey === undefined && shared === undefined;
}

/** Keys come from the supervisor rather than from here. */
export function isFetched(options: JwtOptions): boolean {
  return options.jwksUrl !== undefined || isDiscovered(options);
}

export interface ConfiguredKey {
  readonly path: Path;
  readonly parsed: Parsed<VerificationKey>;
}

/** Those that stand in the configuration. */
export function configuredKeys(options: JwtOptions): ConfiguredKey[] {
  const { jwks: inline, publicKey = [], secret: shared = [], algorithms: allowed = ['HS256'] } = options;
  return [
    ...(inline?.keys ?? []).map((each, i) => ({ path: ['jwks', 'keys', i], parsed: keyFromJwk(each) })),
    ...publicKey.map((each, i) => ({ path: ['publicKey', i], parsed: keyFromPem(each) })),
    ...shared.map((each, i) => ({ path: ['secret', i], parsed: keyFromSecret(secretBytes(each), allowed) })),
  ];
}

function secretBytes(given: z.output<typeof sharedSecret>): Buffer {
  // Node reads both alphabets of base64.
  return typeof given === 'string' ? Buffer.from(given, 'utf8') : Buffer.from(given.base64, 'base64');
}

function refuseSources(options: JwtOptions, refuse: Refuse): void {
  const { issuer, algorithms: allowed = [] } = options;
  const sources = (['jwksUrl', 'jwks', 'publicKey', 'secret'] as const).filter((name) => options[name] !== undefined);
  const [source, other] = sources;
  if (other !== undefined) {
    refuse([other], `the keys come from \`${source}\` already`, 'Make two entries of it; a route may list both.');
  }
  if (isDiscovered(options)) {
    if (issuer.length === 0) refuse([], 'there is no key to verify tokens with', 'Name the `issuer`.');
    issuer.forEach((each, i) => {
      if (/^https?:\/\/[^/?#]/.test(each) && URL.canParse(each)) return;
      refuse(['issuer', i], 'no keys can be found at this issuer', 'Write its URL, or where its keys are: `jwksUrl`.');
    });
  }
  allowed.forEach((name, i) => {
    const isShared = algorithms.get(name)?.family === 'HMAC';
    if (isShared === (options.secret !== undefined)) return;
    refuse(
      ['algorithms', i],
      isShared ? `\`${name}\` needs a \`secret\`` : `\`${name}\` is not for a secret`,
      // RFC 8725, 2.1: a public key that is taken for a secret is one that everybody knows.
      isShared ? 'Leave it out: a public key is no secret.' : 'Leave it out, or give a public key.',
    );
  });
}
