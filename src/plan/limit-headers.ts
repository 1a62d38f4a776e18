import { fieldName, type HeaderBlock } from '../base/headers.ts';

/** The fields that tell clients about limits (draft-ietf-httpapi-ratelimit-headers-11), and their older relatives. */

/** What responses say about limits; `standard` when nothing is set. */
export type LimitHeaders = 'standard' | 'legacy' | 'both' | 'none';

export const policyField = fieldName('ratelimit-policy');
export const limitField = fieldName('ratelimit');
const legacyLimit = fieldName('x-ratelimit-limit');
const legacyRemaining = fieldName('x-ratelimit-remaining');
const legacyReset = fieldName('x-ratelimit-reset');

/** There is one of each, so it is for the scarcest limit. */
export function setLegacy(headers: HeaderBlock, limit: number, remaining: number, seconds: number): void {
  headers.set(legacyLimit, String(limit));
  headers.set(legacyRemaining, String(remaining));
  headers.set(legacyReset, String(seconds));
}

/** What another limit left, as far as it was said; infinite when nothing was. */
export function legacyLeft(headers: HeaderBlock): number {
  const said = headers.get(legacyRemaining);
  return said === undefined ? Number.POSITIVE_INFINITY : Number(said);
}
