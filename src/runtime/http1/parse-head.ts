import '../../base/buffer.ts';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName } from '../../base/headers.ts';
import type { LookAlikes } from '../../base/look-alikes.ts';
import { clientStatements } from '../../semantics/forwarded.ts';
import { byteClass, byteClasses, digit, octet } from './byte-classes.ts';
import { settleConnection } from './connection-field.ts';
import { parseFields } from './field-section.ts';
import type { HeadLimits, MessageHead } from './message-head.ts';

/**
 * HTTP/1.1 message heads by RFC 9112, strictly: what two parsers could understand differently is refused. Works on
 * bytes in one pass without copies; offsets in the resulting sections refer to one latin1 text of the head.
 */

const { CR, LF, SP } = octet;
const { TOKEN, VALUE, TARGET } = byteClass;
const classes = byteClasses;
/** Longer than any method of any registry; RFC 9112, 3 leaves the bound to us. */
const MAX_METHOD = 64;

/**
 * Parses a request head in `bytes[start, end)`. Answers the offset after the head, 0 when bytes are missing, or -1 with
 * `head.error` set.
 */
export function parseRequestHead(
  bytes: Buffer,
  start: number,
  end: number,
  head: MessageHead,
  limits: HeadLimits,
): number {
  let p = start;
  // RFC 9112, 2.2: a server ignores an empty line before the request line; one, so that CRLF floods are no keep-alive.
  if (bytes[p] === CR && p + 1 < end && bytes[p + 1] === LF) p += 2;
  const headStart = p;
  const stop = Math.min(end, headStart + limits.maxHead);
  while (p < stop && ((classes[bytes[p] as number] as number) & TOKEN) !== 0) p++;
  if (p - headStart > MAX_METHOD) return head.fail(errors.malformedRequest);
  if (p === stop) return incomplete(head, stop < end, errors.malformedRequest);
  if (bytes[p] !== SP || p === headStart) {
    return bytes[p] === CR && p === headStart && p + 1 === end ? 0 : head.fail(errors.malformedRequest);
  }
  const methodEnd = p++;
  const targetStart = p;
  while (p < stop && ((classes[bytes[p] as number] as number) & TARGET) !== 0) p++;
  if (p - targetStart > limits.maxTarget) return head.fail(errors.uriTooLong);
  if (p === stop) return incomplete(head, stop < end, errors.headersTooLarge);
  if (bytes[p] !== SP || p === targetStart) return head.fail(errors.malformedRequest);
  const targetEnd = p++;
  const version = parseVersion(bytes, p, stop);
  if (version === 0) return incomplete(head, stop < end, errors.headersTooLarge);
  if (version < 0) return head.fail(version === -2 ? errors.versionNotSupported : errors.malformedRequest);
  p += 8;
  if (p + 1 >= stop) {
    if (p < stop && bytes[p] !== CR) return head.fail(errors.malformedRequest);
    return incomplete(head, stop < end, errors.headersTooLarge);
  }
  if (bytes[p] !== CR || bytes[p + 1] !== LF) return head.fail(errors.malformedRequest);
  p += 2;

  head.reset(version);
  const next = parseFields(bytes, p, stop, headStart, head, limits.maxFields);
  if (next < 0) return -1;
  if (next === 0) return incomplete(head, stop < end, errors.headersTooLarge);
  const text = bytes.latin1Slice(headStart, next);
  head.headers.text = text;
  head.method = methodEnd - headStart === 3 && text.charCodeAt(0) === 71 ? 'GET' : text.slice(0, methodEnd - headStart);
  head.target = text.slice(targetStart - headStart, targetEnd - headStart);
  head.host = text.slice(head.hostStart, head.hostEnd);
  // RFC 9112, 3.2: exactly one Host in 1.1. RFC 9112, 6.1: Transfer-Encoding in 1.0 is faulty framing.
  if (head.hosts !== 1 ? head.hosts > 1 || version === 11 : head.host === '') return head.fail(errors.malformedRequest);
  if (head.chunked && (version === 10 || head.contentLength >= 0)) return head.fail(errors.malformedRequest);
  // RFC 9110, 9.3.6: for proxies that tunnel; a service that took it here would leave HTTP on a shared connection.
  if (head.method === 'CONNECT') return head.fail(errors.malformedRequest);
  if (head.expectsOther) return head.fail(errors.expectationFailed);
  if (version === 10) head.expectContinue = false;
  settleConnection(head);
  return next;
}

/** Parses a response head in `bytes[start, end)`; answers like `parseRequestHead`. */
export function parseResponseHead(
  bytes: Buffer,
  start: number,
  end: number,
  head: MessageHead,
  limits: HeadLimits,
): number {
  let p = start;
  const stop = Math.min(end, start + limits.maxHead);
  const version = parseVersion(bytes, p, stop);
  if (version === 0) return incomplete(head, false, errors.upstreamMalformed);
  if (version < 0) return head.fail(errors.upstreamMalformed);
  p += 8;
  if (p + 4 >= stop) return incomplete(head, stop < end, errors.upstreamMalformed);
  const status = digit(bytes, p + 1) * 100 + digit(bytes, p + 2) * 10 + digit(bytes, p + 3);
  if (bytes[p] !== SP || !(status >= 100 && status <= 999)) return head.fail(errors.upstreamMalformed);
  p += 4;
  // The reason phrase is not forwarded, so its space may be missing, as some servers have it.
  if (bytes[p] !== SP && bytes[p] !== CR) return head.fail(errors.upstreamMalformed);
  while (p < stop && ((classes[bytes[p] as number] as number) & VALUE) !== 0) p++;
  if (p + 1 >= stop) {
    if (p < stop && bytes[p] !== CR) return head.fail(errors.upstreamMalformed);
    return incomplete(head, stop < end, errors.upstreamMalformed);
  }
  if (bytes[p] !== CR || bytes[p + 1] !== LF) return head.fail(errors.upstreamMalformed);
  p += 2;

  head.reset(version);
  const next = parseFields(bytes, p, stop, start, head, limits.maxFields);
  if (next < 0) return head.fail(errors.upstreamMalformed);
  if (next === 0) return incomplete(head, stop < end, errors.upstreamMalformed);
  head.headers.text = bytes.latin1Slice(start, next);
  head.status = status;
  // RFC 9112, 6.3: both framings at once is an attack or a defect; in 1.0 there is no Transfer-Encoding.
  if (head.chunked && (version === 10 || head.contentLength >= 0)) return head.fail(errors.upstreamMalformed);
  // RFC 9110, 8.6; RFC 9112, 6.1: 1xx has no content, and a reader that saw a length would take the final head for it.
  if (status < 200 && (head.chunked || head.contentLength >= 0)) return head.fail(errors.upstreamMalformed);
  settleConnection(head);
  return next;
}

/**
 * Parses a trailer section that ends with an empty line. Fields that frame or route a message or say who sends it are
 * dropped (RFC 9110, 6.5.1): services that merge trailers into the head would believe them. `dropped` are further ones.
 */
export function parseTrailers(
  bytes: Buffer,
  start: number,
  end: number,
  head: MessageHead,
  limits: HeadLimits,
  dropped: LookAlikes | null = null,
): number {
  head.reset(11);
  const stop = Math.min(end, start + limits.maxHead);
  const next = parseFields(bytes, start, stop, start, head, limits.maxFields);
  if (next < 0) return -1;
  if (next === 0) return incomplete(head, stop < end, errors.headersTooLarge);
  head.headers.text = bytes.latin1Slice(start, next);
  for (const name of forbiddenTrailers) head.headers.remove(name);
  if (dropped !== null) head.headers.removeCovered(dropped);
  return next;
}

const forbiddenTrailers = [
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'expect',
  'authorization',
  'set-cookie',
  'cookie',
  'trailer',
  'cache-control',
]
  .map(fieldName)
  .concat(clientStatements);

function incomplete(head: MessageHead, overLimit: boolean, error: GatewayError): 0 | -1 {
  return overLimit ? head.fail(error) : 0;
}

/** 11 or 10; 0 when bytes are missing; -1 malformed; -2 a version that is not spoken here. */
function parseVersion(bytes: Buffer, p: number, stop: number): number {
  const expected = 'HTTP/1.1';
  const available = Math.min(8, stop - p);
  let known = true;
  for (let i = 0; i < available; i++) {
    if (bytes[p + i] === expected.charCodeAt(i)) continue;
    if ((i !== 5 && i !== 7) || !(digit(bytes, p + i) >= 0)) return -1;
    if (i === 5 || bytes[p + i] !== 48) known = false;
  }
  if (available < 8) return 0;
  if (!known) return -2;
  return bytes[p + 7] === 49 ? 11 : 10;
}
