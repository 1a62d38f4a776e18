import { z } from 'zod';
import { count, duration, listOf, secret, size } from '../../plan/fields.ts';
import { bearerFields } from './bearer.ts';
import { serviceUrl } from './service-url.ts';

/** What an entry that asks the issuer about each token may say. */

function claim() {
  return z
    .string()
    .min(1)
    .meta({
      expects: 'a member such as `sub` or `realm_access.roles`',
      examples: ['sub', 'username', 'realm_access.roles'],
    });
}

const client = z.strictObject({
  id: z.string().min(1).describe('What the issuer calls this gateway.'),
  secret: secret().describe('Its secret.'),
  authentication: z
    .enum(['client_secret_basic', 'client_secret_post'])
    .default('client_secret_basic')
    .describe('Whether they are sent in `Authorization` or in the body (RFC 6749, 2.3.1).'),
});

const cache = z.strictObject({
  ttl: duration({ max: 3_600_000 })
    .default(30_000)
    .describe('How long a worker takes a token for good, and never past its `exp`; `0`: it asks each time.'),
  inactive: duration({ max: 60_000 }).default(5_000).describe('The same for a token that is not good.'),
  entries: count(1, 1_000_000).default(10_000).describe('Good tokens that a worker remembers.'),
});

export const introspectionOptions = z
  .strictObject({
    url: serviceUrl().describe('The introspection endpoint of the issuer.'),
    client: client.describe('How the gateway shows who it is.'),
    timeout: duration({ min: 1, max: 60_000 }).default(2_000).describe('From asking to the last byte of the answer.'),
    maxBody: size({ min: 1, max: 1024 * 1024 })
      .default(64 * 1024)
      .describe('Largest answer.'),
    issuer: listOf(z.string().min(1)).default([]).describe('Whose tokens are good (`iss`), to the letter.'),
    audience: listOf(z.string().min(1)).default([]).describe('Whom tokens have to be for (`aud`): one of these.'),
    requiredScopes: listOf(z.string().regex(/^[!#-[\]-~]+$/))
      .default([])
      .describe('Scopes that every token must have; without one of them the answer is 403.'),
    clockSkew: duration({ max: 600_000 }).default(30_000).describe('How far the issuer’s clock may be off ours.'),
    id: listOf(claim()).default(['sub']).describe('Member that says who it is; of several, the first that is there.'),
    scopes: listOf(claim()).default(['scope']).describe('Members with scopes: a list, or text with spaces between.'),
    roles: listOf(claim()).default(['roles']).describe('Members with roles: a list, or one as text.'),
    groups: listOf(claim()).default(['groups']).describe('Members with groups: a list, or one as text.'),
    consumer: listOf(claim())
      .default([])
      .describe('Member that names the consumer, such as `client_id`; of several, the first that is there.'),
    ...bearerFields,
    cache: cache.prefault({}).describe('How long answers are gone by.'),
  })
  .superRefine(({ header, scheme, cookie, query }, context) => {
    if (scheme === undefined || header !== undefined || (cookie === undefined && query === undefined)) return;
    const params = { remedy: 'Remove it, or name the `header`.' };
    context.addIssue({
      code: 'custom',
      path: ['scheme'],
      message: 'only a header has a word before the token',
      params,
    });
  });

export type IntrospectionOptions = z.output<typeof introspectionOptions>;
