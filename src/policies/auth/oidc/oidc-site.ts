import { fieldName } from '../../../base/headers.ts';
import type { Exchange } from '../../../plan/exchange.ts';

/** What browsers say about themselves, and where they see this gateway. */

const accept = fieldName('accept');
const originField = fieldName('origin');
const requestedWith = fieldName('x-requested-with');
const fetchSite = fieldName('sec-fetch-site');
const fetchMode = fieldName('sec-fetch-mode');
const fetchDest = fieldName('sec-fetch-dest');

const LOOPBACK = /^(?:localhost|[a-z0-9.-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** Where the browser of a request sees the gateway. */
export interface Site {
  /** Scheme and authority. */
  readonly origin: string;
  readonly isSecure: boolean;
}

/** Whether a person is about to see the answer as a page: only then does a way to a login make sense. */
export function isNavigation({ method, upgrade, headers }: Exchange): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || upgrade !== null) return false;
  if (headers.get(accept)?.includes('text/html') !== true || headers.has(requestedWith)) return false;
  // Without these fields it is an older browser (Fetch Metadata Request Headers).
  return (headers.get(fetchMode) ?? 'navigate') === 'navigate' && (headers.get(fetchDest) ?? 'document') === 'document';
}

/** Of an entry that says where it is, that place; else what the request says, when it can be an origin. */
export function siteOf(exchange: Exchange, fixed: Site | null): Site | null {
  if (fixed !== null) return fixed;
  const url = URL.parse(`${exchange.scheme}://${exchange.host}`);
  // `Host: shop.example@elsewhere` is no host.
  if (url === null || url.username !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') return null;
  return { origin: url.origin, isSecure: exchange.scheme === 'https' };
}

/** What does not leave the machine needs no encryption. */
export function isLoopback({ host }: Exchange): boolean {
  return LOOPBACK.test(host);
}

/** Whether a request may change something: cookies come along whoever made the browser send it. */
export function changesSomething({ method, upgrade }: Exchange): boolean {
  // The protocol behind an upgrade has no methods.
  return upgrade !== null || (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS' && method !== 'TRACE');
}

/**
 * Whether a page of another origin made the browser send it. `SameSite` keeps other sites out, but neighbours under the
 * same domain are the same site. `allowed`: origins that may.
 */
export function isForeign(exchange: Exchange, allowed: ReadonlySet<string>): boolean {
  const { headers, host } = exchange;
  const origin = headers.get(originField);
  if (origin !== undefined && allowed.has(origin)) return false;
  const site = headers.get(fetchSite);
  // `none`: the user's own doing. No page can write either field.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  if (origin === undefined) return false;
  // The scheme is left out: whoever ends TLS before us need not have told.
  return URL.parse(origin)?.host !== hostOf(host);
}

/** In lower case and without the default port of either scheme, as an origin has it. */
function hostOf(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, '');
}

/** Whether the user, or a page of this very origin, asked for it: what browsers do not say counts as no. */
export function isOwnDoing({ headers }: Exchange): boolean {
  const site = headers.get(fetchSite);
  return site === 'same-origin' || site === 'none';
}
