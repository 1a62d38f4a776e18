import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { type FieldName, fieldName } from '../base/headers.ts';
import type { Dispatch } from '../plan/call.ts';
import type { Feed } from '../plan/feed.ts';
import { duration, headerName, listOf, secret } from '../plan/fields.ts';
import { nameProblem } from '../plan/header-edits.ts';
import { definePolicy } from '../plan/policy.ts';
import { serviceUrl } from './auth/service-url.ts';
import { obtainToken } from './oauth2/client-credentials.ts';
import { RefusalWatch, SignedCall } from './oauth2/signed-call.ts';
import { CURRENT, type PublishedToken, TOKEN_FEED, TokenKeeper } from './oauth2/token-keeper.ts';

const header = z.strictObject({
  name: headerName()
    .superRefine((name, context) => {
      const problem = nameProblem(name, 'request');
      if (problem === null) return;
      context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
    })
    .prefault('authorization')
    .describe('The field; what the request has under this name does not reach the service.'),
  value: secret(
    z
      .string()
      .regex(/^[\t -~\x80-\xff]+$/)
      .meta({ expects: 'the value of a header' }),
  ).describe('Its value, such as `${env:ORDERS_KEY}`.'),
});

const oauth2 = z.strictObject({
  tokenUrl: serviceUrl().describe('Where the authorization server gives tokens.'),
  clientId: z.string().min(1).describe('The name that the gateway has there.'),
  clientSecret: secret().describe('Its password, such as `${file:secrets/orders}`.'),
  scopes: listOf(z.string().regex(/^[!#-[\]-~]+$/))
    .default([])
    .describe('Scopes to ask for.'),
  audience: z.string().min(1).optional().describe('The audience to ask for, where the server knows that parameter.'),
  auth: z
    .enum(['basic', 'post'])
    .default('basic')
    .describe('How the gateway identifies itself there: in `Authorization`, or in the form.'),
  ca: z
    .string()
    .includes('-----BEGIN CERTIFICATE-----')
    .meta({ expects: 'PEM text such as `${file:ca.pem}`' })
    .optional()
    .describe('PEM text of the authorities to trust instead of the system’s.'),
  timeout: duration({ min: 100, max: 60_000 }).prefault('10s').describe('How long an answer may take.'),
});

const options = z
  .strictObject({
    header: header.optional().describe('A fixed header.'),
    oauth2: oauth2.optional().describe('A token by the client credentials grant of OAuth 2.0, kept fresh.'),
  })
  .refine((given) => (given.header === undefined) !== (given.oauth2 === undefined), {
    message: 'this takes one kind of credential',
    params: { remedy: 'Keep `header` or `oauth2`.' },
  });

const authorization = fieldName('authorization');

export const credentials = definePolicy({
  name: 'credentials',
  summary:
    'How the gateway identifies itself to the service: a header from a secret, or an OAuth 2.0 token of its own.',
  schema: options,
  examples: [
    { title: 'An API key', options: { header: { name: 'x-api-key', value: 'from-a-secret' } } },
    {
      title: 'Client credentials',
      options: {
        oauth2: {
          tokenUrl: 'https://login.example/oauth/token',
          clientId: 'shop-gateway',
          clientSecret: 'from-a-secret',
          scopes: ['orders:read', 'orders:write'],
        },
      },
    },
  ],
  compile(given, env) {
    if (given.header !== undefined) {
      const { name, value } = given.header;
      const field = fieldName(name);
      return { dispatch: { layer: 'sign', wrap: (next) => withHeader(field, value, next) } };
    }
    const feed = env.feed<PublishedToken>(TOKEN_FEED);
    return { dispatch: { layer: 'sign', wrap: (next) => withToken(feed, next) } };
  },
  supervise({ oauth2: given }, env) {
    if (given === undefined) return { close: () => undefined };
    const feed = env.feed<PublishedToken>(TOKEN_FEED, (generation) => keeper.replace(Number(generation)));
    const keeper = new TokenKeeper({
      obtain: () => obtainToken(given),
      publish: (token) => feed.replace([[CURRENT, token]]),
      problem: env.problem,
    });
    env.report(() => ({ clientId: given.clientId, ...keeper.state }));
    return keeper;
  },
});

function withHeader(field: FieldName, value: string, next: Dispatch): Dispatch {
  return function sign(call, sink) {
    next(new SignedCall(call, field, value).inner, sink);
  };
}

/** Milliseconds between two questions about one token: many refusals are one. */
const ASK_EVERY_MS = 10_000;

function withToken(feed: Feed<PublishedToken>, next: Dispatch): Dispatch {
  let asked = 0;
  let askedAt = 0;
  const refused = (generation: number): void => {
    const now = performance.now();
    if (asked === generation && now - askedAt < ASK_EVERY_MS) return;
    asked = generation;
    askedAt = now;
    void feed.ask(String(generation));
  };
  return function sign(call, sink) {
    const token = feed.get(CURRENT);
    if (token === undefined || token.expiresAt <= Date.now()) {
      sink.fail(errors.upstreamCredentialsUnavailable);
      return;
    }
    const signed = new SignedCall(call, authorization, token.authorization);
    next(signed.inner, new RefusalWatch(sink, refused, token.generation));
  };
}
