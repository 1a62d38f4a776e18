import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import { newRequestId } from '../base/request-id.ts';
import { statusLine } from '../base/status.ts';
import { ResponseHead } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Reply } from '../plan/reply.ts';

/** The one place where a local answer gets its final form, refusals as problem details (RFC 9457). */

const contentType = fieldName('content-type');
const contentLength = fieldName('content-length');
const retryAfter = fieldName('retry-after');
const PROBLEM = 'application/problem+json';

let dateText = '';
let dateSecond = 0;

/** `Date` of now (RFC 9110, 6.6.1), made once a second. */
export function dateValue(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

const NO_BYTES = new Uint8Array(0);

/** Head and body bytes of a local answer. The head's Content-Length is set. */
export function renderReply(reply: Reply, exchange: Exchange): { head: ResponseHead; body: Uint8Array } {
  const { headers } = reply;
  let text = reply.body;
  if (reply.error !== null) text = renderProblem(reply, exchange);
  const body = text === null ? NO_BYTES : typeof text === 'string' ? Buffer.from(text) : text;
  // RFC 9110, 8.6: no Content-Length in 204, nor in 1xx.
  const bodyless = reply.status === 204 || reply.status < 200;
  headers.remove(contentLength);
  if (!bodyless) headers.add(contentLength, String(body.length));
  return {
    head: new ResponseHead(reply.status, headers, bodyless ? 'none' : 'length', bodyless ? -1 : body.length),
    body,
  };
}

function renderProblem(reply: Reply, exchange: Exchange): string {
  const error = reply.error;
  if (error === null) return '';
  const pages = exchange.route.errorPages;
  const page = pages?.get(error.code) ?? pages?.get(String(error.status)) ?? null;
  if (exchange.id === '') exchange.id = newRequestId();
  if (reply.status === 503 && !reply.headers.has(retryAfter)) {
    const isOpen = error === errors.circuitOpen && exchange.retryAfter > 0;
    reply.headers.add(retryAfter, isOpen ? String(exchange.retryAfter) : '1');
  }
  page?.headers?.forEach((name, value) => {
    reply.headers.set(fieldName(name), value);
  });
  if (page?.body != null) return page.body;
  reply.headers.set(contentType, PROBLEM);
  return problemText(error.code, error.title, error.status, reply.detail, exchange.id);
}

export function problemText(code: string, title: string, status: number, detail: string | null, id: string): string {
  const requestId = id === '' ? undefined : id;
  return `${JSON.stringify({ type: `urn:sluice:problem:${code}`, title, status, detail: detail ?? undefined, code, requestId })}\n`;
}

/** The answer to bytes that never became an exchange: complete, for a connection that closes after it. */
export function rawProblem(code: string, title: string, status: number): string {
  const body = problemText(code, title, status, null, newRequestId());
  return `${statusLine(status)}content-type: ${PROBLEM}\r\ncontent-length: ${Buffer.byteLength(body)}\r\ndate: ${dateValue()}\r\nconnection: close\r\n\r\n${body}`;
}
