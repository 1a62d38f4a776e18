import { fieldName } from '../../base/headers.ts';
import type { UpstreamCall } from '../../plan/call.ts';
import type { DeadlineHeader, Endpoint, UpstreamOptions } from '../../plan/upstream.ts';
import { formatTimeout } from '../../semantics/timeout-field.ts';

const contentLength = fieldName('content-length');

/**
 * The head of a call as HTTP/1.1. The call's fields lose a `Content-Length` that would contradict its body, and what somebody
 * else wrote where the service reads how much time there is. `rest`: that time in milliseconds.
 */
export function requestText(
  call: UpstreamCall,
  endpoint: Endpoint,
  { hostHeader, deadlineHeader }: Pick<UpstreamOptions, 'hostHeader' | 'deadlineHeader'>,
  rest: number,
): string {
  const { headers, body } = call;
  let host = call.authority;
  if (hostHeader.kind === 'fixed') host = hostHeader.value;
  else if (hostHeader.kind === 'endpoint' || host === '') host = authorityOf(endpoint);
  let framing = deadlineHeader === null ? '' : deadlineLine(call, deadlineHeader, rest);
  if (body === null) {
    const length = headers.get(contentLength);
    if (length !== undefined && length !== '0') headers.remove(contentLength);
  } else if (body.size < 0) {
    headers.remove(contentLength);
    framing += 'transfer-encoding: chunked\r\n';
  } else if (!headers.has(contentLength)) {
    framing += `content-length: ${body.size}\r\n`;
  }
  if (call.expectContinue && body !== null) framing += 'expect: 100-continue\r\n';
  if (call.upgrade !== null) framing += `connection: upgrade\r\nupgrade: ${call.upgrade}\r\n`;
  else if (call.takesTrailers) framing += 'connection: te\r\nte: trailers\r\n';
  const target = endpoint.basePath === '' ? call.target : endpoint.basePath + call.target;
  return `${call.method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${headers.serialize()}${framing}\r\n`;
}

function deadlineLine({ headers }: UpstreamCall, { name, format }: DeadlineHeader, rest: number): string {
  const field = fieldName(name);
  headers.remove(field);
  return rest === Number.POSITIVE_INFINITY ? '' : `${field.prefix}${formatTimeout(rest, format)}\r\n`;
}

function authorityOf(endpoint: Endpoint): string {
  if (endpoint.path !== null) return 'localhost';
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return endpoint.port === (endpoint.tls ? 443 : 80) ? host : `${host}:${endpoint.port}`;
}
