import { type FieldName, fieldName, type HeaderBlock } from '../../base/headers.ts';
import { MOST_SECONDS, parseDeltaSeconds } from './delta-seconds.ts';
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
  const ruled = rules.ttlByStatus?.get(status);
  if (status < 200 || ruled === 0 || (ruled === undefined && answersOneRequest.has(status))) return 'status';
  // RFC 9111, 5.2.1.5
  if (request.directives?.noStore) return 'request-no-store';

  const directives = responseDirectives(headers, rules.targets, rules.name);
  const isOverridden = rules.override && ruledLifetime(status, rules) >= 0;
  const refusal = isOverridden ? null : refusalOf(status, directives);
  if (refusal !== null) return refusal;
  if (request.isAuthorized && !isForEverybody(directives, rules)) return 'authorization';
  if (rules.setCookie === 'refuse' && headers.has(setCookie) && !directives.withheldFields.includes(setCookie.lower)) {
    return 'set-cookie';
  }
  // RFC 9111, 4.1: no request ever matches.
  const vary = varyNames(headers, rules.vary);
  if (vary === '*') return 'vary';

  const stored = policyOf(response, directives, rules, isOverridden, vary);
  if (stored === null) return 'no-lifetime';
  return isOfUse(stored) ? stored : 'useless';
}

/** They depend on more than target and selecting fields: on conditions, ranges, the size of a head, who asks and how often. */
const answersOneRequest: ReadonlySet<number> = new Set([
  401, 407, 408, 411, 412, 413, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431, 511,
]);

/** Final statuses whose meaning for caches is known here (RFC 9110, 15, and the IANA registry). */
const understood: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 402, 403, 404, 405, 406, 409, 410, 414, 451, 500,
  501, 502, 503, 504, 505,
]);

/** RFC 9110, 15.1, without 206: a lifetime may be guessed. */
const heuristicallyCacheable: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** The route's `ttl` is for these of them. Errors need a lifetime of their own: negative caching. */
const successful: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);

/** What the origin says against it. */
function refusalOf(status: number, directives: ResponseDirectives): Refusal | null {
  // RFC 9111, 5.2.2.3: `no-store` beside `must-understand` is for caches that do not.
  if (directives.mustUnderstand && !understood.has(status)) return 'must-understand';
  // RFC 9111, 5.2.2.5
  if (directives.noStore && !directives.mustUnderstand) return 'no-store';
  // RFC 9111, 5.2.2.7
  return directives.isPrivate ? 'private' : null;
}

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
  isOverridden: boolean,
  vary: string,
): StoredPolicy | null {
  const made = timeOf(headers, date, responseTime);
  // RFC 9110, 6.6.1: without a Date, when it was received.
  const madeAt = made < 0 ? responseTime : made;
  const modified = timeOf(headers, lastModified, responseTime);

  let lifetime = isOverridden ? -1 : explicitLifetime(headers, directives, madeAt, responseTime);
  if (lifetime < 0) lifetime = ruledLifetime(status, rules);
  let isHeuristic = false;
  if (lifetime < 0 && mayGuess(status, directives) && modified >= 0 && modified < madeAt && rules.heuristicShare > 0) {
    lifetime = Math.min(Math.floor((madeAt - modified) * rules.heuristicShare), rules.heuristicMost);
    isHeuristic = true;
  }
  if (lifetime < 0) return null;

  const mustValidate = directives.noCache && !isOverridden;
  const mustRevalidate = (directives.mustRevalidate || directives.proxyRevalidate) && !isOverridden;
  // RFC 9111, 4.2.4 and 5.2.2.10: `s-maxage` forbids it too, but for what its origin grants beside it.
  const forbidsStale = mustRevalidate || (directives.sharedMaxAge >= 0 && !isOverridden);
  const grantsNone = mustRevalidate || mustValidate;
  const tag = headers.get(etag) ?? '';
  return {
    status,
    responseTime,
    initialAge: initialAge(headers, madeAt, requestTime, responseTime),
    lifetime,
    isHeuristic,
    staleWhileRevalidate: grantsNone
      ? 0
      : windowOf(directives.staleWhileRevalidate, rules.staleWhileRevalidate, forbidsStale, isOverridden),
    staleIfError: grantsNone ? 0 : windowOf(directives.staleIfError, rules.staleIfError, forbidsStale, isOverridden),
    mustValidate,
    forbidsStale,
    etag: isEntityTag(tag) ? tag : '',
    lastModified: modified < 0 ? '' : (headers.get(lastModified) as string),
    lastModifiedTime: modified,
    date: madeAt,
    vary,
  };
}

/** RFC 9111, 4.2.1; -1: the origin says nothing. */
function explicitLifetime(
  headers: HeaderBlock,
  directives: ResponseDirectives,
  madeAt: number,
  responseTime: number,
): number {
  if (directives.sharedMaxAge >= 0) return directives.sharedMaxAge * SECOND;
  if (directives.maxAge >= 0) return directives.maxAge * SECOND;
  // RFC 9213, 2.2
  if (!directives.isTargeted) {
    const text = headers.get(expires);
    if (text !== undefined) {
      const end = parseHttpDate(text, responseTime);
      // RFC 9111, 5.3: what is no date, `0` above all, means the past.
      return Number.isNaN(end) ? 0 : Math.max(0, end - madeAt);
    }
  }
  return directives.noCache ? 0 : -1;
}

/** What the route says where the origin is silent, or is overridden; -1: nothing. */
function ruledLifetime(status: number, rules: CacheRules): number {
  return rules.ttlByStatus?.get(status) ?? (successful.has(status) ? rules.ttl : -1);
}

/** RFC 9111, 3 and 4.2.2: `public` lets a lifetime be guessed whatever the status. */
function mayGuess(status: number, directives: ResponseDirectives): boolean {
  return heuristicallyCacheable.has(status) || directives.isPublic;
}

/** `corrected_initial_age` (RFC 9111, 4.2.3). */
function initialAge(headers: HeaderBlock, madeAt: number, requestTime: number, responseTime: number): number {
  // Date has whole seconds: what it cuts off is no age.
  const apparent = Math.max(0, Math.floor(responseTime / SECOND) * SECOND - madeAt);
  const text = headers.getAll(age);
  if (text === undefined) return Math.max(apparent, responseTime - requestTime);
  // How old one with an Age that is no single number is nobody knows: it is old (RFC 9111, 4.2.1). Section 5.1 would have
  // the first of several taken, and others ignored; caches on its way that disagree are a reason to ask.
  const seconds = parseDeltaSeconds(text);
  return Math.max(apparent, (seconds < 0 ? MOST_SECONDS : seconds) * SECOND + responseTime - requestTime);
}

function windowOf(said: number, ruled: number, forbidsStale: boolean, isOverridden: boolean): number {
  if (isOverridden) return ruled;
  if (said >= 0) return said * SECOND;
  return forbidsStale ? 0 : ruled;
}

function isOfUse(stored: StoredPolicy): boolean {
  if (stored.etag !== '' || stored.lastModified !== '') return true;
  if (stored.mustValidate) return false;
  return stored.lifetime + Math.max(stored.staleWhileRevalidate, stored.staleIfError) > stored.initialAge;
}

/** -1: there is none, or it is no date of this age of the world. */
function timeOf(headers: HeaderBlock, name: FieldName, now: number): number {
  const text = headers.get(name);
  if (text === undefined) return -1;
  const time = parseHttpDate(text, now);
  return time >= 0 ? time : -1;
}
