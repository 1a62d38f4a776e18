import type { PolicyModule } from '../plan/policy.ts';
import { accessLog } from './access-log.ts';
import { cors } from './cors.ts';
import { deprecated } from './deprecated.ts';
import { ipRules } from './ip-rules.ts';
import { request } from './request.ts';
import { requestId } from './request-id.ts';
import { response } from './response.ts';
import { securityHeaders } from './security-headers.ts';
import { sizeLimits } from './size-limits.ts';

/**
 * Every policy there is. Inside one phase this order holds: what others read comes first, what has the last word on a
 * response comes late, and what tells about all of it is the end.
 */
export const registry: readonly PolicyModule[] = [
  requestId, // refusals below carry the id
  ipRules,
  sizeLimits,
  cors,
  deprecated,
  request,
  securityHeaders,
  response, // may change what the ones above have added
  accessLog,
];
