import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { parseDeltaSeconds } from './delta-seconds.ts';
import type { ResponseDirectives } from './directives.ts';
import { isEntityTag } from './entity-tag.ts';
import { parseHttpDate } from './http-date.ts';
import type { CacheRules, Refusal, StoredPolicy } from './policy.ts';
import type { RequestDirectives } from './request-directives.ts';
import { responseDirectives } from './response-directives.ts';
import { varyNames } from './vary.ts';

const age = fieldName('age');
const date = fieldName('date');
const etag = fieldName('etag');
const expires = fieldName('expires');
const lastModified = fieldName('last-modified');
const setCookie = fieldName('set-cookie');

const SECOND = 1000;

/** What counts of a request when its response is judged. */
export interface AskedRequest {
  readonly method: string;
  readonly directives: RequestDirectives | null;
  /** The call to the upstream carried a credential or an identity (RFC 9111, 3.5). */
  readonly isAuthorized: boolean;
}

/** A response head and its times: milliseconds since the epoch. */
export interface ReceivedResponse {
  readonly status: number;
  readonly headers: HeaderBlock;
  /** When the request was sent. */
  readonly requestTime: number;
  /** When the head arrived. */
  readonly responseTime: number;
}

/**
 * May a shared cache store this response (RFC 9111, 3), and what has to be remembered of it? Text: why not. A response
 * that freshens a stored one (304) is judged by its `mergedFields`, with the stored status.
 */
export function judge(request: AskedRequest, response: ReceivedResponse, rules: CacheRules): StoredPolicy | Refusal {
  const { status, headers } = response;
  if (request.method !== 'GET') return 'method';
  // RFC 9111, 3.3: parts are not put together here.
  if (status === 206 || status === 304) return 'partial';
  if (status < 200 || answersTheRequestAlone.has(status)) return 'status';
  // RFC 9111, 5.2.1.5
  if (request.directives?.noStore) return 'request-no-store';

  const directives = responseDirectives(headers, rules.targets, rules.name);
  const isUnderstood = understoodStatuses.has(status);
  if (!rules.override) {
    // RFC 9111, 5.2.2.3: with `must-understand`, `no-store` is for those who do not.
    if (directives.mustUnderstand && !isUnderstood) return 'must-understand';
    if (directives.noStore && !directives.mustUnderstand) return 'no-store';
    // RFC 9111, 5.2.2.7
    if (directives.isPrivate) return 'private';
  }
  if (request.isAuthorized && !isForEverybody(directives, rules)) return 'authorization';
  if (rules.setCookie === 'refuse' && headers.has(setCookie) && !directives.withheldFields.includes(setCookie.lower)) {
    return 'set-cookie';
  }
  // RFC 9111, 4.1: no request ever matches.
  const vary = varyNames(headers, rules.vary);
  if (vary === '*') return 'vary';

  const stored = policyOf(response, directives, rules);
  if (stored === null) return 'no-lifetime';
  stored.vary = vary;
  return isOfUse(stored) ? stored : 'useless';
}

/** Responses that depend on more than target and selecting fields: on conditions, ranges, the connection, the size of a head. */
const answersTheRequestAlone: ReadonlySet<number> = new Set([
  401, 407, 408, 411, 412, 413, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431, 511,
]);

/** Final statuses whose meaning for caches is known here (RFC 9110, 15, and the IANA registry). */
const understoodStatuses: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 402, 403, 404, 405, 406, 409, 410, 414, 451, 500, 501,
  502, 503, 504, 505,
]);

/** RFC 9110, 15.1, without 206: a lifetime may be guessed. */
const heuristicallyCacheable: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Where the origin is silent, the route's `ttl` is for these. Errors need a lifetime of their own: negative caching. */
const successful: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);

function isForEverybody(directives: ResponseDirectives, rules: CacheRules): boolean {
  if (rules.authorized !== 'origin') return rules.authorized === 'yes';
  // RFC 9111, 3.5
  return directives.isPublic || directives.mustRevalidate || directives.sharedMaxAge >= 0;
}

/** Null: it has no lifetime, and none may be guessed. */
function policyOf(
  { status, headers, requestTime, responseTime }: ReceivedResponse,
  directives: ResponseDirectives,
  rules: CacheRules,
): StoredPolicy | null {
  const said = rules.override ? -1 : explicitLifetime(headers, directives, responseTime);
  let lifetime = said;
  let isHeuristic = false;
  if (lifetime < 0) lifetime = ruledLifetime(status, rules);
  // RFC 9111, 4.2.2. `public` lets other statuses be guessed about too (3).
  const modified = timeOf(headers, lastModified.lower, responseTime);
  const made = madeAt(headers, responseTime);
  if (lifetime < 0 && rules.heuristicShare > 0 && (heuristicallyCacheable.has(status) || directives.isPublic)) {
    if (modified >= 0 && modified < made) {
      lifetime = Math.min((made - modified) * rules.heuristicShare, rules.heuristicMost);
      isHeuristic = true;
    }
  }
  const mustValidate = directives.noCache && !rules.override;
  const entityTag = headers.get(etag) ?? '';
  const hasTag = isEntityTag(entityTag);
  // Without a lifetime it may be kept to be validated at each use, if its status says what it is.
  if (lifetime < 0) {
    if (!(heuristicallyCacheable.has(status) || directives.isPublic) || !(hasTag || modified >= 0)) return null;
    lifetime = 0;
  }

  // RFC 9111, 4.2.4 and 5.2.2.10: `s-maxage` forbids it like `proxy-revalidate`.
  const forbidsStale =
    !rules.override && (directives.mustRevalidate || directives.proxyRevalidate || directives.sharedMaxAge >= 0);
  const forbidsWindows = !rules.override && (directives.mustRevalidate || directives.proxyRevalidate || mustValidate);
  return {
    status,
    responseTime,
    initialAge: initialAge(headers, made, requestTime, responseTime),
    lifetime,
    isHeuristic,
    staleWhileRevalidate: forbidsWindows
      ? 0
      : windowOf(directives.staleWhileRevalidate, rules.staleWhileRevalidate, forbidsStale, rules.override),
    staleIfError: forbidsWindows
      ? 0
      : windowOf(directives.staleIfError, rules.staleIfError, forbidsStale, rules.override),
    mustValidate,
    forbidsStale,
    etag: hasTag ? entityTag : '',
    lastModified: modified >= 0 ? (headers.get(lastModified) as string) : '',
    lastModifiedTime: modified,
    date: made,
    vary: '',
  };
}
