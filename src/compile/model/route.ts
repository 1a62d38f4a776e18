import { z } from 'zod';
import { errors } from '../../base/gateway-error.ts';
import { suggest } from '../../base/suggest.ts';
import { count, duration, headerName, listOf, mapOf, network, regex } from '../../plan/fields.ts';
import { finalStatus, fixedAnswer, fixedHeaders } from '../../plan/fixed-answer.ts';
import { composeSchema } from './later-fields.ts';

/** The parts of the document that speak of routes: targets, conditions, and the settings that are no policies. */

const respond = z.union([
  z.literal('ready').describe('200, or 503 while the gateway is draining or not ready.'),
  z.literal('jwks').describe('The public keys with which services verify the `identityToken`.'),
  finalStatus,
  fixedAnswer(200),
]);

const redirect = z.union([
  z.string().min(1),
  z.strictObject({
    to: z.string().min(1).describe('A URL or path; a template.'),
    status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(307),
    query: z.enum(['keep', 'drop']).default('keep').describe('Whether the query of the request is passed on.'),
  }),
]);

const to = z.union([
  z.string().min(1).describe('The name of an upstream, or a URL.'),
  z.record(z.string().min(1), count(0, 1_000_000)).describe('Upstreams by name, each with its weight.'),
]);

const place = z.union([
  z.strictObject({ header: headerName().describe('The value of a header.') }),
  z.strictObject({ cookie: z.string().min(1).describe('The value of a cookie.') }),
]);
const pin = z.enum(['address', 'identity', 'consumer']);
const split = z.union([
  pin.transform((by) => ({ by, force: undefined })),
  z
    .strictObject({
      by: z
        .union([pin, place])
        .optional()
        .describe('What makes a caller meet the same side again. Those without it go by their address.'),
      force: place
        .optional()
        .describe('Where a request may name the upstream that it wants. One without weight is not to be had.'),
    })
    .refine(({ by, force }) => by !== undefined || force !== undefined, {
      message: 'this changes nothing',
      params: { remedy: 'Add `by` or `force`.' },
    }),
]);

const pattern = z.strictObject({ regex: regex() });

const text = z.union([z.string(), z.number()]).transform(String);
const matcher = z
  .union([text, z.boolean(), z.array(text).min(1), pattern])
  .describe('Text or a list of texts: one of these. `true`: present, `false`: absent. `{ regex }`: the whole value.');

const match = z.strictObject({
  host: listOf(z.string().min(1)).optional().describe('Hosts, or `*.suffix`.'),
  method: listOf(z.string().min(1)).optional(),
  headers: z.record(headerName(), matcher).optional(),
  query: mapOf(matcher).optional(),
  cookies: mapOf(matcher).optional(),
  clients: listOf(network()).optional().describe('Addresses of clients.'),
});

const knownErrors = new Set(Object.values(errors).map((error) => error.code));

const errorKey = z.string().superRefine((key, context) => {
  if (/^[45]\d\d$/.test(key) || knownErrors.has(key)) return;
  const near = suggest(key, knownErrors);
  const remedy =
    near === null ? 'Use a code such as `route_not_found`, or a status such as `404`.' : `Did you mean \`${near}\`?`;
  context.addIssue({ code: 'custom', message: `there is no error \`${key}\``, params: { remedy } });
});

const errorPage = z.union([
  z.string(),
  z.literal(false),
  z
    .strictObject({
      body: z.string().optional(),
      json: z.json().optional(),
      headers: fixedHeaders.optional(),
    })
    .refine(({ body, json }) => body === undefined || json === undefined, {
      message: 'an error page has one body',
      params: { remedy: 'Keep `body` or `json`.' },
    }),
]);

/** Settings that are no policies; like those, the nearest wins. */
export const settingShape = {
  timeout: z
    .union([z.literal(false), duration({ min: 1 })])
    .optional()
    .describe('From the end of the request’s checks to the end of the response: 504.'),
  // A word, because `false` would only turn an inherited value off.
  upgrade: z
    .boolean()
    .transform((allowed) => (allowed ? 'allowed' : 'refused'))
    .optional()
    .describe('Let WebSocket and other upgrades through.'),
  split: z
    .union([z.literal(false), split])
    .optional()
    .describe('How calls are given to the sides of a `to` with weights; without it every call is drawn anew.'),
  limitHeaders: z
    .enum(['standard', 'legacy', 'both', 'none'])
    .optional()
    .describe('Which fields tell clients about limits: `RateLimit` and `RateLimit-Policy`, or `X-RateLimit-*`.'),
  allowEncodedSlashes: z.boolean().optional().describe('Accept `%2F` in the path; it stays encoded.'),
  errors: z
    .union([z.literal(false), z.record(errorKey, errorPage).meta({ mergeByName: true })])
    .optional()
    .describe('Bodies and headers of refusals, by code or status.'),
};

export const targetShape = {
  to: to.optional().describe('Where the request goes.'),
  redirect: redirect.optional().describe('Where the client is sent.'),
  respond: respond.optional().describe('The answer itself.'),
  compose: composeSchema.optional().describe('One answer made of several.'),
  handler: z.string().min(1).optional().describe('A TypeScript file whose default export answers.'),
};

export const routeShape = {
  name: z.string().min(1).max(200).optional().describe('Stable in metrics, tests and logs.'),
  owner: z.string().optional(),
  runbook: z.string().optional(),
  tags: listOf(z.string()).optional(),
  use: listOf(z.string()).optional().describe('Presets; a later one wins over an earlier one.'),
  ...targetShape,
};

export const matchShape = { match: match.optional().describe('Conditions; the first alternative that fits answers.') };

export type SplitValue = z.output<typeof split>;
export type MatcherValue = z.output<typeof matcher>;
export type MatchValue = z.output<typeof match>;
export type RespondValue = z.output<typeof respond>;
export type RedirectValue = z.output<typeof redirect>;
export type ErrorPagesValue = Record<string, z.output<typeof errorPage>>;
export type TargetValue = {
  to?: string | Record<string, number> | undefined;
  redirect?: RedirectValue | undefined;
  respond?: RespondValue | undefined;
  compose?: z.output<typeof composeSchema> | undefined;
  handler?: string | undefined;
};
