import type { Feed } from '../../../plan/feed.ts';

/** What the supervisor publishes of the keys of a `jwt` entry, and how its workers ask for more. */
export const KEYS_FEED = 'keys';

/** Where the keys are that serve the whole entry. An entry that discovers several issuers has one value for each, by issuer. */
export const STATE = 'state';

export interface JwksState {
  /** Public, well-formed, for signatures, and with their public members only. */
  readonly keys: readonly PublicJwk[];
  /**
   * False: they were never there, or are older than `fetch.keepStale` allows. No token can be judged then: 503, and
   * `Feed.ask` waits for a request for them that is under way.
   */
  readonly obtained: boolean;
  /**
   * Why the issuer's current keys are not known, in words for a log; null: all is well. While it is there, an unknown key
   * id may be a new key: 503. Without it, the token is not valid: 401.
   */
  readonly failure: string | null;
}

/** RFC 7517, 4; RFC 7518, 6; RFC 8037, 2. */
export interface PublicJwk {
  readonly kty: 'RSA' | 'EC' | 'OKP';
  readonly kid?: string;
  /** The one algorithm that the key is for. */
  readonly alg?: string;
  readonly n?: string;
  readonly e?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
}

/** The keys by which a token of that issuer is verified; undefined: nothing was published yet, treat as not obtained. */
export function keysOf(feed: Feed<JwksState>, issuer: string | null): JwksState | undefined {
  return (issuer === null ? undefined : feed.get(issuer)) ?? feed.get(STATE);
}

/** For `Feed.ask`: the key of that id (empty: the token names none) is missing among those of the issuer. */
export function missingKey(issuer: string | null, kid: string): string {
  return JSON.stringify([issuer ?? STATE, kid]);
}
