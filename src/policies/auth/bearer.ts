import { z } from 'zod';
import { HEADER_NAME, headerName } from '../../plan/fields.ts';
import type { CredentialNames } from '../../plan/identifier.ts';
import { CredentialAnswers } from './answers.ts';
import { CredentialPlace, type Places } from './credential-place.ts';

/** Bearer tokens (RFC 6750): the part of an entry's options that says where its token is. */

const AUTHORIZATION = 'authorization';
/** RFC 6265, 4.1.1: the name of a cookie is a token. */
const TOKEN = HEADER_NAME;

export const bearerFields = {
  header: headerName()
    .optional()
    .describe('The header that carries the token; `authorization` where neither cookie nor query is named.'),
  scheme: z
    .union([z.string().regex(TOKEN), z.literal(false)])
    .meta({ expects: 'a word such as `Bearer`, or `false`' })
    .optional()
    .describe(
      'The word before the token in that header; `false`: none. By default `Bearer` in `authorization`, and none elsewhere.',
    ),
  cookie: z
    .string()
    .regex(TOKEN)
    .meta({ expects: 'the name of a cookie' })
    .optional()
    .describe('The cookie that carries the token. Browsers send cookies for other sites too: mind forged requests.'),
  query: z
    .string()
    .min(1)
    .optional()
    .describe('The query parameter that carries the token, such as `access_token`. Addresses get around.'),
  keep: z.boolean().default(false).describe('Let the service see the token.'),
  realm: z
    .string()
    .regex(/^[ !#-[\]-~]+$/)
    .meta({ expects: 'printable ASCII without quotes' })
    .optional()
    .describe('What `WWW-Authenticate` calls the protected area; the name of the entry if not said.'),
};

export interface BearerOptions extends Places {
  readonly keep: boolean;
  readonly realm?: string | undefined;
}

/** For `superRefine`: what the fields allow and is most likely not meant. */
export function checkBearer({ header, scheme, cookie, query }: BearerOptions, context: z.RefinementCtx): void {
  if (scheme === undefined || header !== undefined || (cookie === undefined && query === undefined)) return;
  const params = { remedy: 'Remove it, or name the `header`.' };
  context.addIssue({ code: 'custom', path: ['scheme'], message: 'only a header has a word before the token', params });
}

/** See `IdentifierModule.credentials`. */
export function bearerCredentials({ header, query }: BearerOptions): CredentialNames {
  return {
    headers: header === undefined ? [] : [header],
    parameters: query === undefined ? [] : [query.toLowerCase()],
  };
}

export function bearerPlace({ header, scheme, cookie, query }: BearerOptions): CredentialPlace {
  const field = header ?? (cookie === undefined && query === undefined ? AUTHORIZATION : undefined);
  return new CredentialPlace({
    header: field,
    scheme: scheme ?? (field === AUTHORIZATION ? 'Bearer' : false),
    cookie,
    query,
  });
}

export function bearerAnswers({ scheme, realm }: BearerOptions, entry: string): CredentialAnswers {
  return new CredentialAnswers(typeof scheme === 'string' ? scheme : 'Bearer', realm ?? entry);
}
