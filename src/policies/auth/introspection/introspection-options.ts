import { z } from 'zod';
import { count, duration, listOf, secret, size } from '../../../plan/fields.ts';
import { bearerFields, checkBearer } from '../bearer.ts';
import { serviceUrl } from '../service-url.ts';
import { claimFields } from '../token-claims.ts';

/** What an entry that asks the issuer about each token may say. */

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
    ...claimFields,
    ...bearerFields,
    cache: cache.prefault({}).describe('How long answers are gone by.'),
  })
  .superRefine(checkBearer);

export type IntrospectionOptions = z.output<typeof introspectionOptions>;
