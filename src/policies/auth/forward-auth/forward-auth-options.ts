import { z } from 'zod';
import { count, duration, headerName, listOf, size } from '../../../plan/fields.ts';
import { nameProblem } from '../../../plan/header-edits.ts';
import type { OptionProblem } from '../../../plan/identifier.ts';
import { clientStatements } from '../../../semantics/forwarded.ts';
import { serviceUrl } from '../service-url.ts';

/** What an entry that asks an HTTP service may say. */

const forwardedNames: ReadonlySet<string> = new Set([
  ...clientStatements.map(({ lower }) => lower),
  'x-forwarded-method',
  'x-forwarded-uri',
]);

/** A field of requests that is nobody else's to write. */
function requestField() {
  return headerName().superRefine((name, context) => {
    const problem = forwardedNames.has(name)
      ? { message: `\`${name}\` is the gateway’s own to say`, remedy: 'Leave it out.' }
      : nameProblem(name, 'request');
    if (problem === null) return;
    context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
  });
}

/** A field of answers that may reach a client. */
function answerField() {
  return headerName().superRefine((name, context) => {
    const problem = nameProblem(name, 'response');
    if (problem === null) return;
    context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
  });
}

export const requestFacts = ['method', 'scheme', 'host', 'path', 'query', 'address'] as const;
export type RequestFact = (typeof requestFacts)[number];

const identity = z.strictObject({
  id: requestField().default('x-auth-user').describe('Says who it is.'),
  unnamed: z
    .string()
    .min(1)
    .optional()
    .describe('Who callers are that the service lets in without a name; if not said, such an answer is a failure.'),
  consumer: requestField().optional().describe('Says which entry of `consumers` it is.'),
  scopes: requestField().optional().describe('Lists scopes, with spaces or commas between them.'),
  roles: requestField().optional().describe('Lists roles, with commas between them.'),
  groups: requestField().optional().describe('Lists groups, with commas between them.'),
});

const cache = z.strictObject({
  ttl: duration({ min: 1, max: 3_600_000 }).describe(
    'How long a worker goes by a good answer. `Cache-Control` of the answer can make it shorter, never longer.',
  ),
  refusals: duration({ max: 3_600_000 }).default(5_000).describe('The same for refusals; `0`: none is remembered.'),
  key: listOf(z.enum(requestFacts))
    .default([...requestFacts])
    .describe(
      'What of a request the answer depends on besides the header fields that the service gets. Fewer give more hits.',
    ),
  entries: count(1, 1_000_000).default(10_000).describe('Good answers that a worker remembers.'),
});

export const forwardAuthOptions = z.strictObject({
  url: serviceUrl().describe('The service. It gets the path and query of this URL, not those of the request.'),
  method: z.enum(['GET', 'HEAD', 'POST']).default('GET').describe('How it is asked; a body is never sent.'),
  timeout: duration({ min: 1, max: 60_000 }).default(2_000).describe('From asking to the last byte of the answer.'),
  maxBody: size({ max: 1024 * 1024 })
    .default(64 * 1024)
    .describe('Largest body of an answer.'),
  credentials: listOf(requestField())
    .default(['authorization', 'cookie'])
    .describe('Fields with credentials: the service gets them, and those behind the gateway do not.'),
  cookies: listOf(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
      .meta({ expects: 'the name of a cookie' }),
  )
    .optional()
    .describe('Of `cookie` only these are a credential. The others go on to the service behind the gateway.'),
  headers: listOf(requestField()).default([]).describe('Further request fields that the service gets.'),
  requireCredential: z
    .boolean()
    .default(false)
    .describe('Do not ask about requests without any of `credentials`: nobody is identified then.'),
  identity: identity.prefault({}).describe('Fields of the answer that say who it is.'),
  copy: listOf(requestField())
    .default([])
    .describe('Fields of the answer that the service behind the gateway gets. It never gets the client’s own.'),
  passHeaders: listOf(answerField())
    .default(['www-authenticate', 'set-cookie'])
    .describe('Fields of a refusal that the client gets. With `set-cookie` it gets the cookies of any answer.'),
  passBody: z
    .boolean()
    .default(false)
    .describe('Give the client the body of a refusal instead of a problem of the gateway’s own.'),
  passRedirects: z
    .boolean()
    .default(false)
    .describe('Take redirects for refusals, such as the way to a login page, and hand them on.'),
  onFailure: z
    .enum(['deny', 'anonymous'])
    .default('deny')
    .describe('When there is no usable answer: 503, or go on as if there were no credential.'),
  challenge: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: [ -~]+)?$/)
    .meta({ expects: 'a challenge such as `Bearer realm="shop"`' })
    .optional()
    .describe('`WWW-Authenticate` of 401 when the service says none; `Bearer` if not said and `authorization` counts.'),
  keep: z.boolean().default(false).describe('Let the service behind the gateway see the credentials.'),
  cache: cache.optional().describe('Remember answers about equal credentials.'),
});

export type ForwardAuthOptions = z.output<typeof forwardAuthOptions>;

export function checkForwardAuth(options: ForwardAuthOptions): OptionProblem[] {
  const answered = answeredFields(options);
  return options.headers.flatMap((name, index) => {
    if (!answered.includes(name)) return [];
    const message = `\`${name}\` is the answer’s to say: what clients send in it is removed before anybody is asked`;
    const remedy = 'Take it out of `headers`, or give the answer another name for it.';
    return [{ severity: 'error', code: 'identity-header', message, remedy, path: ['headers', index] }];
  });
}

/** Fields by which the answer says who calls, to the gateway or to the service behind it. */
function answeredFields({ identity: { unnamed: _, ...named }, copy }: ForwardAuthOptions): string[] {
  return [...new Set([...Object.values(named).filter((name) => name !== undefined), ...copy])];
}

/** Those that no client may send. A credential that the answer takes the place of has to come from the client. */
export function identityFields(options: ForwardAuthOptions): readonly string[] {
  return answeredFields(options).filter((name) => !options.credentials.includes(name));
}
