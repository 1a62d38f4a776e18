import type { FieldName } from '../../base/headers.ts';
import type { VaryRules } from './vary.ts';

/**
 * What is remembered of a stored response to decide about it later: plain numbers, booleans and text, so that a store can
 * keep it as bytes. Times are milliseconds since the epoch, durations milliseconds.
 */
export interface StoredPolicy {
  status: number;
  /** When the response (or the 304 that last freshened it) arrived: `response_time` (RFC 9111, 4.2.3). */
  responseTime: number;
  /** How old it was then: `corrected_initial_age` (RFC 9111, 4.2.3). */
  initialAge: number;
  /** Freshness lifetime (RFC 9111, 4.2.1). */
  lifetime: number;
  /** The lifetime is a guess (RFC 9111, 4.2.2). */
  isHeuristic: boolean;
  /** For so long past its lifetime it may be served while it is refreshed (RFC 5861, 3). */
  staleWhileRevalidate: number;
  /** For so long past its lifetime it may be served where the origin fails (RFC 5861, 4). */
  staleIfError: number;
  /** `no-cache` without fields: never served without asking (RFC 9111, 5.2.2.4). */
  mustValidate: boolean;
  /** `must-revalidate`, `proxy-revalidate` or `s-maxage`: never served stale (RFC 9111, 4.2.4). */
  forbidsStale: boolean;
  /** The entity tag as received; empty: none, or one that is malformed. */
  etag: string;
  /** Last-Modified as received; empty: none, or one that is no date. */
  lastModified: string;
  /** Last-Modified as a time; -1: none. */
  lastModifiedTime: number;
  /** Date (RFC 9110, 6.6.1), or when the response arrived. */
  date: number;
  /** Names in lower case by which it varies, sorted and joined with `,`; empty: none. Never `*`. */
  vary: string;
}

/** What a route says about storing; made once, at load. Durations in milliseconds. */
export interface CacheRules {
  /** What this cache calls itself: a token, such as a device of Surrogate-Control names. */
  readonly name: string;
  /** Targeted fields that apply here, the most specific first (RFC 9213, 2.2): `CDN-Cache-Control`; `Surrogate-Control` too. */
  readonly targets: readonly FieldName[];
  /** Lifetime where the origin says nothing of a success; -1: none. */
  readonly ttl: number;
  /** The same by status, before `ttl`, errors included: negative caching. 0: that status is never stored. */
  readonly ttlByStatus: ReadonlyMap<number, number> | null;
  /** The lifetimes above hold whatever the origin says, `no-store`, `private` and `no-cache` included. */
  readonly override: boolean;
  /** Share of the time since its last change for which a response may be guessed fresh (RFC 9111, 4.2.2); 0: never. */
  readonly heuristicShare: number;
  readonly heuristicMost: number;
  /** Where the origin says nothing about it (RFC 5861). */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  /**
   * May responses to requests with credentials be stored for everybody? `origin`: where it says so (RFC 9111, 3.5). A
   * layer whose key tells callers apart says `yes`.
   */
  readonly authorized: 'no' | 'origin' | 'yes';
  /** Responses with Set-Cookie: not stored, or stored without it. */
  readonly setCookie: 'refuse' | 'strip' | 'keep';
  readonly vary: VaryRules;
}

/** Why a response is not stored: what `Cache-Status` and logs say. */
export type Refusal =
  | 'method'
  | 'status'
  | 'partial'
  | 'request-no-store'
  | 'no-store'
  | 'private'
  | 'authorization'
  | 'must-understand'
  | 'vary'
  | 'set-cookie'
  | 'no-lifetime'
  /** It is stale already and has nothing to validate it with: to keep it is of no use. */
  | 'useless';
