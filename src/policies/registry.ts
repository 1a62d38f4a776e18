import type { PolicyModule } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import { accessLog } from './access-log.ts';
import { identifiers } from './auth/registry.ts';
import { auth } from './auth.ts';
import { authorize } from './authorize.ts';
import { breaker } from './breaker.ts';
import { cache } from './cache.ts';
import { compress } from './compress.ts';
import { concurrency } from './concurrency.ts';
import { cors } from './cors.ts';
import { credentials } from './credentials.ts';
import { deprecated } from './deprecated.ts';
import { fallback } from './fallback.ts';
import { fault } from './fault.ts';
import { identityHeaders } from './identity-headers.ts';
import { identityToken } from './identity-token.ts';
import { ipRules } from './ip-rules.ts';
import { limits } from './limits.ts';
import { mirror } from './mirror.ts';
import { plan } from './plan.ts';
import { priority } from './priority.ts';
import { request } from './request.ts';
import { requestId } from './request-id.ts';
import { response } from './response.ts';
import { retry } from './retry.ts';
import { securityHeaders } from './security-headers.ts';
import { sizeLimits } from './size-limits.ts';
import { upstreamBreaker } from './upstream-breaker.ts';
import { upstreamConcurrency } from './upstream-concurrency.ts';
import { upstreamRetry } from './upstream-retry.ts';

/**
 * Every policy there is. Inside one phase this order holds: what others read comes first, what has the last word on a
 * response comes late, and what tells about all of it is the end.
 */
const policies: readonly PolicyModule[] = [
  identityHeaders, // before anything can believe them
  requestId, // refusals below carry the id
  ipRules,
  sizeLimits,
  priority, // whoever is turned away has not used up anything
  limits, // what the ones above refuse costs nobody anything
  plan, // what is refused for another reason is not counted
  cors,
  deprecated,
  auth,
  authorize,
  request,
  compress, // what it settled that a service is asked for stays so
  identityToken, // nothing above may take it away or write its own
  securityHeaders,
  response, // may change what the ones above have added
  fallback,
  mirror,
  cache,
  concurrency,
  retry,
  breaker,
  fault,
  accessLog,
];

/** Settings of upstreams. */
const upstreamPolicies: readonly PolicyModule[] = [upstreamConcurrency, upstreamRetry, upstreamBreaker, credentials];

export const registry: Registry = { policies, upstreamPolicies, identifiers };
