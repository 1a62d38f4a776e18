import { z } from 'zod';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { type FieldName, fieldName, HeaderBlock } from '../../base/headers.ts';
import type { Exchange } from '../../plan/exchange.ts';
import { HEADER_NAME, headerName } from '../../plan/fields.ts';
import type { CredentialNames } from '../../plan/identifier.ts';
import { Reply } from '../../plan/reply.ts';
import { cookieField, cookieValue, hasSeveralCookies, splitCookies } from '../../semantics/cookie.ts';
import { toWire } from '../../semantics/percent.ts';
import { hasSeveralParameters, queryValue, withoutParameter } from '../../semantics/query.ts';

/** Bearer tokens: where clients put them, and what is said to those whose token will not do (RFC 6750). */

const authorization = fieldName('authorization');
const cookie = fieldName('cookie');
const wwwAuthenticate = fieldName('www-authenticate');
const retryAfter = fieldName('retry-after');
/** RFC 6265, 4.1.1: the name of a cookie is a token. */
const TOKEN = HEADER_NAME;

/** The part of an entry's options that says where its token is. */
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

export interface BearerOptions {
  readonly header?: string | undefined;
  readonly scheme?: string | false | undefined;
  readonly cookie?: string | undefined;
  readonly query?: string | undefined;
  readonly keep: boolean;
  readonly realm?: string | undefined;
}

/** See `IdentifierModule.credentials`. */
export function bearerCredentials({ header, query }: BearerOptions): CredentialNames {
  return {
    headers: header === undefined ? [] : [header],
    parameters: query === undefined ? [] : [query.toLowerCase()],
  };
}

/** Where one entry looks for its token. */
export class BearerPlace {
  /** See `Identifier.place`: the first of the places, in the order header, cookie, query. */
  readonly name: string;
  readonly #header: FieldName | null;
  /** In lower case; null: the whole value is the token. */
  readonly #scheme: string | null;
  readonly #cookie: string | null;
  readonly #cookies: ReadonlySet<string>;
  readonly #query: string | null;

  constructor({ header, scheme, cookie, query }: BearerOptions) {
    const field = header ?? (cookie === undefined && query === undefined ? authorization.lower : null);
    const word = scheme ?? (field === authorization.lower ? 'Bearer' : false);
    this.#header = field === null ? null : fieldName(field);
    this.#scheme = word === false ? null : word.toLowerCase();
    this.#cookie = cookie ?? null;
    this.#cookies = new Set(cookie === undefined ? [] : [cookie]);
    this.#query = query === undefined ? null : toWire(query);
    if (field !== null) this.name = `${this.#scheme ?? 'header'} ${field}`;
    else this.name = cookie === undefined ? `query ${query}` : `cookie ${cookie}`;
  }

  /**
   * Undefined: there is no token. Null: there are several, of which the service might take another one (RFC 6750, 2). An
   * empty one in a header was meant to be one; an empty cookie or parameter is how callers say that they have none.
   */
  find(exchange: Exchange): string | null | undefined {
    let token = this.#header === null ? undefined : this.#inHeader(exchange.headers, this.#header);
    if (this.#cookie !== null && token !== null) token = one(token, this.#inCookie(exchange.headers, this.#cookie));
    if (this.#query !== null && token !== null) token = one(token, inQuery(exchange.query, this.#query));
    return token;
  }

  /** Takes the token out of what the service will see, and leaves other credentials where they are. */
  conceal(exchange: Exchange): void {
    const { headers } = exchange;
    if (this.#header !== null && this.#inHeader(headers, this.#header) !== undefined) headers.remove(this.#header);
    if (this.#cookie !== null) {
      const field = cookieField(headers);
      if (field !== undefined && cookieValue(field, this.#cookie) !== undefined) {
        headers.remove(cookie);
        const { rest } = splitCookies(field, this.#cookies);
        if (rest !== '') headers.add(cookie, rest);
      }
    }
    this.concealQuery(exchange);
  }

  /** A refused request is logged with its query, and a token that is refused here may be good elsewhere. */
  concealQuery(exchange: Exchange): void {
    if (this.#query !== null) exchange.query = withoutParameter(exchange.query, this.#query);
  }

  #inHeader(headers: HeaderBlock, name: FieldName): string | null | undefined {
    const value = headers.get(name);
    if (value === undefined) return undefined;
    // RFC 9110, 5.3: neither may there be two, nor do readers agree on which of them counts.
    if (headers.occurrences(name) > 1) return null;
    return this.#scheme === null ? value : afterScheme(value, this.#scheme);
  }

  #inCookie(headers: HeaderBlock, name: string): string | null | undefined {
    const field = cookieField(headers);
    const value = field === undefined ? undefined : cookieValue(field, name);
    if (field === undefined || value === undefined || value === '') return undefined;
    return hasSeveralCookies(field, name) ? null : value;
  }
}

function inQuery(query: string, name: string): string | null | undefined {
  const value = query === '' ? undefined : queryValue(query, name);
  if (value === undefined || value === '') return undefined;
  return hasSeveralParameters(query, name) ? null : value;
}

/** The same token at two places is one token. */
function one(token: string | undefined, other: string | null | undefined): string | null | undefined {
  return other === undefined || other === token ? token : token === undefined ? other : null;
}

/** RFC 9110, 11.1: a scheme is compared without regard to case. Undefined: it is another one. */
function afterScheme(value: string, scheme: string): string | undefined {
  const { length } = scheme;
  if (value.length > length && value.charCodeAt(length) !== 0x20) return undefined;
  if (value.slice(0, length).toLowerCase() !== scheme) return undefined;
  let start = length;
  while (value.charCodeAt(start) === 0x20) start++;
  return value.slice(start);
}

/** What an entry says to callers. Which check failed is in the error's code at most, and never in words. */
export class BearerAnswers {
  /** Without an error for those who brought no token (RFC 6750, 3.1). */
  readonly challenge: string;
  readonly #invalidToken: string;
  readonly #invalidRequest: string;

  constructor({ scheme, realm }: BearerOptions, entry: string) {
    const name = realm ?? entry.replace(/[^ !#-[\]-~]/g, '');
    this.challenge = `${typeof scheme === 'string' ? scheme : 'Bearer'} realm="${name}"`;
    this.#invalidToken = `${this.challenge}, error="invalid_token"`;
    this.#invalidRequest = `${this.challenge}, error="invalid_request"`;
  }

  invalid(error: GatewayError): Reply {
    const headers = new HeaderBlock();
    headers.add(wwwAuthenticate, this.#invalidToken);
    return Reply.refuse(error, null, headers);
  }

  several(): Reply {
    const headers = new HeaderBlock();
    headers.add(wwwAuthenticate, this.#invalidRequest);
    return Reply.refuse(errors.credentialAmbiguous, null, headers);
  }

  /** Nobody can say at the moment whether the token is good. */
  unavailable(seconds: number): Reply {
    const headers = new HeaderBlock();
    headers.add(retryAfter, String(seconds));
    return Reply.refuse(errors.identityUnavailable, null, headers);
  }
}
