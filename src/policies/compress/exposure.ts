import { fieldName } from '../../base/headers.ts';
import type { Exchange } from '../../plan/exchange.ts';

/**
 * BREACH: who sees how long compressed answers are, and can make a browser send requests with its user's credentials, finds
 * out what stands in an answer beside something that he chose himself.
 */

const authorization = fieldName('authorization');
const cookie = fieldName('cookie');
const fetchSite = fieldName('sec-fetch-site');
const fetchUser = fieldName('sec-fetch-user');

/** Schemes whose credentials a browser remembers and sends again unasked. */
const AMBIENT_SCHEME = /^(?:basic|digest|negotiate|ntlm)\b/i;

/**
 * Another site caused this request (https://www.w3.org/TR/fetch-metadata/), and it has what a browser sends by itself. Not
 * where the user followed a link: nobody does that the thousands of times that it takes.
 */
export function isExposed({ headers, peer }: Exchange): boolean {
  if (headers.get(fetchSite) !== 'cross-site' || headers.get(fetchUser) === '?1') return false;
  return headers.has(cookie) || peer.certificate !== null || AMBIENT_SCHEME.test(headers.get(authorization) ?? '');
}

/** Before anybody is identified: what is another header by configuration is known only after it. */
export function carriesCredentials({ headers, peer }: Exchange): boolean {
  return headers.has(cookie) || headers.has(authorization) || peer.certificate !== null;
}
