/**
 * Everything that can go wrong with one exchange, as frozen values: an error says whose fault it is and whether trying
 * again is safe, and `runtime/reply.ts` is the one place that turns it into a response.
 */
export type ErrorSource = 'client' | 'upstream' | 'gateway';

/** `if-reused`: safe only when the connection had served before, since the peer may have closed it meanwhile. */
export type RetrySafety = 'no' | 'if-reused' | 'yes';

export interface GatewayError {
  readonly code: string;
  readonly status: number;
  readonly from: ErrorSource;
  readonly retry: RetrySafety;
  /** RFC 9457 `title`: the same for every occurrence, with nothing of this installation in it. */
  readonly title: string;
}

function define(code: string, status: number, from: ErrorSource, retry: RetrySafety, title: string): GatewayError {
  return Object.freeze({ code, status, from, retry, title });
}

/** A refusal of a user's own policy: `code` in snake case, `title` the same for every occurrence. */
export function clientError(code: string, status: number, title: string): GatewayError {
  return define(code, status, 'client', 'no', title);
}

export const errors = Object.freeze({
  malformedRequest: define('malformed_request', 400, 'client', 'no', 'The request is not valid HTTP'),
  ambiguousPath: define('ambiguous_path', 400, 'client', 'no', 'The path contains an encoding that is not accepted'),
  missingValue: define(
    'missing_value',
    400,
    'client',
    'no',
    'A value that this route needs is missing from the request',
  ),
  credentialAmbiguous: define(
    'credential_ambiguous',
    400,
    'client',
    'no',
    'The request carries more than one credential of a kind',
  ),
  credentialMissing: define('credential_missing', 401, 'client', 'no', 'This needs a credential'),
  credentialInvalid: define('credential_invalid', 401, 'client', 'no', 'The credential is not valid'),
  credentialExpired: define('credential_expired', 401, 'client', 'no', 'The credential has expired'),
  tokenMalformed: define('token_malformed', 401, 'client', 'no', 'The token is malformed'),
  tokenInvalid: define('token_invalid', 401, 'client', 'no', 'The token is not valid'),
  tokenExpired: define('token_expired', 401, 'client', 'no', 'The token has expired'),
  credentialRevoked: define('credential_revoked', 401, 'client', 'no', 'The credential was revoked'),
  scopeMissing: define('insufficient_scope', 403, 'client', 'no', 'The credential does not reach this far'),
  notAuthorized: define('not_authorized', 403, 'client', 'no', 'The caller may not do this'),
  planUnknown: define('plan_unknown', 403, 'client', 'no', 'The plan of the caller does not exist'),
  accessDenied: define('access_denied', 403, 'client', 'no', 'Access from this address is denied'),
  routeNotFound: define('route_not_found', 404, 'client', 'no', 'No route matches this request'),
  methodNotAllowed: define('method_not_allowed', 405, 'client', 'no', 'The method is not allowed here'),
  requestTimeout: define('request_timeout', 408, 'client', 'no', 'The request did not arrive in time'),
  gone: define('gone', 410, 'client', 'no', 'This resource is no longer available'),
  bodyTooLarge: define('body_too_large', 413, 'client', 'no', 'The request body is too large'),
  uriTooLong: define('uri_too_long', 414, 'client', 'no', 'The request target is too long'),
  expectationFailed: define('expectation_failed', 417, 'client', 'no', 'The expectation cannot be met'),
  misdirected: define('misdirected_request', 421, 'client', 'no', 'The host does not belong to this connection'),
  quotaExceeded: define('quota_exceeded', 429, 'client', 'no', 'The quota is used up'),
  rateLimited: define('rate_limited', 429, 'client', 'no', 'Too many requests'),
  headersTooLarge: define('headers_too_large', 431, 'client', 'no', 'The request header fields are too large'),
  clientClosed: define('client_closed_request', 499, 'client', 'no', 'The client went away'),
  internal: define('internal_error', 500, 'gateway', 'no', 'The gateway failed to handle the request'),
  notImplemented: define('not_implemented', 501, 'gateway', 'no', 'This route needs a feature that is not available'),
  transferCoding: define(
    'transfer_coding_not_implemented',
    501,
    'client',
    'no',
    'The transfer coding is not supported',
  ),
  upstreamConnect: define('upstream_connect_failed', 502, 'upstream', 'yes', 'The service cannot be reached'),
  upstreamReset: define('upstream_reset', 502, 'upstream', 'if-reused', 'The service closed the connection'),
  upstreamMalformed: define('upstream_malformed', 502, 'upstream', 'no', 'The service answered with invalid HTTP'),
  upstreamTls: define('upstream_tls_failed', 502, 'upstream', 'yes', 'The service cannot be reached securely'),
  upstreamUnavailable: define('upstream_unavailable', 503, 'gateway', 'yes', 'The service has no endpoint'),
  circuitOpen: define('circuit_open', 503, 'gateway', 'no', 'The service is not asked at the moment'),
  upstreamBusy: define('upstream_busy', 503, 'gateway', 'yes', 'The service has no free connection'),
  identityUnavailable: define(
    'identity_unavailable',
    503,
    'gateway',
    'yes',
    'Callers cannot be identified at the moment',
  ),
  upstreamCredentialsUnavailable: define(
    'upstream_credentials_unavailable',
    503,
    'gateway',
    'yes',
    'The service cannot be called at the moment',
  ),
  overloaded: define('overloaded', 503, 'gateway', 'yes', 'There is more to do than can be done'),
  limitsUnavailable: define('limits_unavailable', 503, 'gateway', 'yes', 'Requests cannot be counted at the moment'),
  draining: define('draining', 503, 'gateway', 'yes', 'The gateway is shutting down'),
  notReady: define('not_ready', 503, 'gateway', 'yes', 'The gateway is not ready'),
  versionNotSupported: define('http_version_not_supported', 505, 'client', 'no', 'The HTTP version is not supported'),
  upstreamConnectTimeout: define(
    'upstream_connect_timeout',
    504,
    'upstream',
    'yes',
    'The service cannot be reached in time',
  ),
  notCached: define('not_cached', 504, 'client', 'no', 'No stored response answers this request'),
  handlerTimeout: define('handler_timeout', 504, 'gateway', 'no', 'The answer was not ready in time'),
  upstreamTimeout: define('upstream_timeout', 504, 'upstream', 'no', 'The service did not answer in time'),
});
