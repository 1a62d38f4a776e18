import { z } from 'zod';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { duration, headerName, listOf } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { matchesOrigin, type OriginPattern, parseOrigin } from '../semantics/origin.ts';

/** Cross-origin requests of browsers: the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol. */

const origin = fieldName('origin');
const vary = fieldName('vary');
const requestMethod = fieldName('access-control-request-method');
const requestHeaders = fieldName('access-control-request-headers');
const allowOrigin = fieldName('access-control-allow-origin');
const allowCredentials = fieldName('access-control-allow-credentials');
const allowMethods = fieldName('access-control-allow-methods');
const allowHeaders = fieldName('access-control-allow-headers');
const exposeHeaders = fieldName('access-control-expose-headers');
const maxAgeField = fieldName('access-control-max-age');
/** A preflight is answered here, so that only these of a service's own could reach the client. */
const ofResponses = [allowOrigin, allowCredentials, exposeHeaders] as const;

const originField = z
  .string()
  .meta({ expects: 'an origin such as `https://shop.example`', examples: ['https://shop.example', '*'] })
  .superRefine((text, context) => {
    const parsed = parseOrigin(text);
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
  });

const method = z
  .string()
  .regex(/^[A-Z]+$/)
  .meta({ expects: 'a method in capitals', examples: ['GET'] });

const options = z
  .strictObject({
    origins: listOf(originField).describe(
      'Who may read answers: `https://shop.example`, `https://*.shop.example` for subdomains at any depth, or `*`.',
    ),
    credentials: z.boolean().default(false).describe('Browsers send cookies and other credentials. Not with `*`.'),
    methods: listOf(method).optional().describe('What a preflight allows. Without it, every method that has a route.'),
    headers: listOf(headerName())
      .optional()
      .describe('Which request headers a preflight allows. Without it, those that are asked for.'),
    expose: listOf(headerName())
      .prefault([])
      .describe('Response headers that scripts may read besides the simple ones.'),
    maxAge: duration().prefault(0).describe('How long a browser may remember the answer to a preflight.'),
  })
  .refine(({ origins, credentials }) => !(credentials && (origins.includes('*') || origins.includes('null'))), {
    message: 'any site could act with the credentials of its visitors',
    path: ['origins'],
    params: { remedy: 'Name the origins, or leave out `credentials`.' },
  });

export const cors = definePolicy({
  name: 'cors',
  summary: 'Tells browsers which other sites may call, and answers their preflights without credentials.',
  schema: options,
  examples: [
    { title: 'One site, with cookies', options: { origins: 'https://shop.example', credentials: true, maxAge: '10m' } },
    {
      title: 'All subdomains, some headers',
      options: { origins: ['https://*.shop.example', 'http://localhost:5173'], headers: 'x-tenant', expose: 'x-total' },
    },
    { title: 'A public API', options: { origins: '*' } },
  ],
  compile({ origins, credentials, methods, headers, expose, maxAge }) {
    const patterns = origins.map(parseOrigin).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
    const isPublic = origins.includes('*');
    const methodList = methods?.join(', ') ?? null;
    const headerList = headers?.join(', ') ?? null;
    const exposeList = expose.length === 0 ? null : expose.join(', ');
    const seconds = maxAge === 0 ? null : String(Math.floor(maxAge / 1000));

    return {
      request: {
        phase: 'preflight',
        run(exchange) {
          if (exchange.method !== 'OPTIONS') return undefined;
          const from = exchange.headers.get(origin);
          const wanted = exchange.headers.get(requestMethod);
          if (from === undefined || wanted === undefined) return undefined;
          const reply = new Reply(204, new HeaderBlock(), null);
          // To another origin it says nothing, which is a refusal to a browser; who it is for is added to every response.
          if (!isPublic && !isAllowed(patterns, from)) return reply;
          reply.headers.add(allowMethods, methodList ?? wanted);
          const asked = headerList ?? exchange.headers.getAll(requestHeaders);
          if (asked !== undefined && asked !== '') reply.headers.add(allowHeaders, asked);
          if (seconds !== null) reply.headers.add(maxAgeField, seconds);
          return reply;
        },
      },
      response: {
        run(exchange, head) {
          // One voice: a service that speaks of CORS itself would make two values, which browsers refuse.
          for (let i = 0; i < ofResponses.length; i++)
            head.headers.remove(ofResponses[i] as (typeof ofResponses)[number]);
          if (isPublic) {
            head.headers.add(allowOrigin, '*');
          } else {
            // Even without an Origin: a cache must not give this answer to those who send one.
            addToVary(head.headers);
            const from = exchange.headers.get(origin);
            if (from === undefined || !isAllowed(patterns, from)) return undefined;
            head.headers.add(allowOrigin, from);
            if (credentials) head.headers.add(allowCredentials, 'true');
          }
          if (exposeList !== null) head.headers.add(exposeHeaders, exposeList);
          return undefined;
        },
      },
    };
  },
});

function isAllowed(patterns: readonly OriginPattern[], from: string): boolean {
  for (let i = 0; i < patterns.length; i++) if (matchesOrigin(patterns[i] as OriginPattern, from)) return true;
  return false;
}

const VARIES = /(?:^|[,\s])(?:origin|\*)(?:[,\s]|$)/i;

function addToVary(headers: HeaderBlock): void {
  const varies = headers.getAll(vary);
  if (varies === undefined || !VARIES.test(varies)) headers.add(vary, 'Origin');
}
