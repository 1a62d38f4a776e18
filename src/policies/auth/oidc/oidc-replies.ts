import { clientError, errors, type GatewayError } from '../../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import { Reply } from '../../../plan/reply.ts';

/** What an entry that signs browsers in answers itself. */

export const loginFailed = clientError('login_failed', 400, 'The sign-in did not succeed');
export const loginExpired = clientError('login_expired', 400, 'The sign-in took too long, or is over already');
export const loginRefused = clientError('login_refused', 403, 'The identity provider did not let the user in');
export const loginInsecure = clientError('login_insecure', 403, 'Signing in needs an encrypted connection');
export const loginTooLarge = clientError(
  'login_too_large',
  403,
  'The identity provider says more than a session holds',
);
export const crossSite = clientError('cross_site_request', 403, 'The request comes from another site');
export const logoutInvalid = clientError('logout_token_invalid', 400, 'The logout token is not valid');

const RETRY_AFTER_SECONDS = '5';

const location = fieldName('location');
const retryAfter = fieldName('retry-after');
const contentType = fieldName('content-type');
const cacheControl = fieldName('cache-control');
const referrerPolicy = fieldName('referrer-policy');
const contentSecurity = fieldName('content-security-policy');

/** What is about one session belongs into no cache, and the address of a callback, with its code, to no other site. */
function privately(headers: HeaderBlock): HeaderBlock {
  headers.set(cacheControl, 'no-store');
  headers.set(referrerPolicy, 'no-referrer');
  return headers;
}

/** 303: by GET, whatever led here. */
export function redirect(to: string, headers = new HeaderBlock(), status: 302 | 303 = 302): Reply {
  headers.add(location, to);
  return new Reply(status, privately(headers), null);
}

export function refusal(error: GatewayError, headers = new HeaderBlock()): Reply {
  return Reply.refuse(error, null, privately(headers));
}

export function unavailable(headers = new HeaderBlock()): Reply {
  headers.set(retryAfter, RETRY_AFTER_SECONDS);
  return refusal(errors.identityUnavailable, headers);
}

/** It worked, and there is nothing to say. */
export function done(headers = new HeaderBlock()): Reply {
  return new Reply(200, privately(headers), null);
}

/** A page of ours. `body` is markup: whoever makes it escapes what is not. */
export function page(title: string, body: string, head = '', headers = new HeaderBlock()): Reply {
  headers.set(contentType, 'text/html; charset=utf-8');
  headers.set(contentSecurity, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
  const markup = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>${title}</title>${head}</head><body>${body}</body></html>\n`;
  privately(headers);
  // Without a referrer, browsers would not say in `Origin` either that a form of ours is ours.
  headers.set(referrerPolicy, 'same-origin');
  return new Reply(200, headers, markup);
}

export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
