import '../../base/buffer.ts';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, HeaderBlock, hashByte } from '../../base/headers.ts';
import type { LookAlikes } from '../../base/look-alikes.ts';
import { clientStatements } from '../../semantics/forwarded.ts';
import { readConnection, settleConnection } from './connection-field.ts';

/**
 * HTTP/1.1 message heads by RFC 9112, strictly: what two parsers could understand differently is refused. Works on
 * bytes in one pass without copies; offsets in the resulting sections refer to one latin1 text of the head.
 */

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const COLON = 58;
const BRACKET = 91;

/** Longer than any method of any registry; RFC 9112, 3 leaves the bound to us. */
const MAX_METHOD = 64;

const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;
const HOST = 8;
const ADDRESS = 16;

/**
 * Byte classes: tchar (RFC 9110, 5.6.2), field-value bytes (5.5), visible ASCII for targets, host names, and IPv6
 * addresses. RFC 3986 lets a name have escapes and sub-delimiters too; no service has them, and `a;for=b` in a Host
 * would write into what Forwarded says.
 */
const classes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  let bits = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) bits |= TOKEN;
  if (byte === TAB || (byte >= SP && byte !== 127)) bits |= VALUE;
  if (byte > SP && byte < 127) bits |= TARGET;
  if (/[0-9A-Za-z\-._~]/.test(character)) bits |= HOST;
  if (/[0-9A-Fa-f:.]/.test(character)) bits |= ADDRESS;
  classes[byte] = bits;
}

/** What the codec itself reads from a field. */
const special = {
  contentLength: 1,
  transferEncoding: 2,
  host: 3,
  connection: 4,
  hop: 5,
  upgrade: 6,
  expect: 7,
  te: 8,
} as const;

const specialNames: readonly (readonly [string, number])[] = [
  ['content-length', special.contentLength],
  ['transfer-encoding', special.transferEncoding],
  ['host', special.host],
  ['connection', special.connection],
  ['keep-alive', special.hop],
  ['proxy-connection', special.hop],
  ['proxy-authorization', special.hop],
  ['proxy-authenticate', special.hop],
  ['http2-settings', special.hop],
  ['upgrade', special.upgrade],
  ['expect', special.expect],
  ['te', special.te],
];
/** Open addressing by the low byte of the hash; a hit is verified by the whole hash and then by the bytes. */
const specialByHash: ({ hash: number; lower: string; kind: number } | null)[] = new Array(256).fill(null);
for (const [name, kind] of specialNames) {
  const { hash, lower } = fieldName(name);
  let slot = hash & 255;
  while (specialByHash[slot] !== null) slot = (slot + 1) & 255;
  specialByHash[slot] = { hash, lower, kind };
}

export interface HeadLimits {
  /** Bytes of the whole head. */
  readonly maxHead: number;
  /** Bytes of the request target. */
  readonly maxTarget: number;
  readonly maxFields: number;
}

/** A parsed head; one object is reused by its connection. */
export class MessageHead {
  headers = new HeaderBlock();
  method = '';
  target = '';
  status = 0;
  /** 10 or 11. */
  version = 11;
  /** In lower case: hosts are compared without regard to it (RFC 9110, 4.2.3). */
  host = '';
  hosts = 0;
  /** -1: no Content-Length. */
  contentLength = -1;
  chunked = false;
  keepAlive = true;
  /** First protocol of `Upgrade` when `Connection` names it too, lower case. */
  upgrade: string | null = null;
  expectContinue = false;
  /** `Expect` says something that is not understood. */
  expectsOther = false;
  /** The sender takes trailers (`TE: trailers`). */
  takesTrailers = false;
  /** Set when `parse…` answers -1. */
  error: GatewayError = errors.malformedRequest;

  /** For the parser: where Host stands in the text. */
  hostStart = 0;
  hostEnd = 0;
  /** For the parser: what `Connection` and `Upgrade` said, settled when the whole section is there. */
  closeNamed = false;
  upgradeNamed = false;
  upgradeValue: string | null = null;
  connectionOptions: string[] | null = null;
}

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
  if (p - headStart > MAX_METHOD) return fail(head, errors.malformedRequest);
  if (p === stop) return incomplete(head, stop < end, errors.malformedRequest);
  if (bytes[p] !== SP || p === headStart) {
    return bytes[p] === CR && p === headStart && p + 1 === end ? 0 : fail(head, errors.malformedRequest);
  }
  const methodEnd = p++;
  const targetStart = p;
  while (p < stop && ((classes[bytes[p] as number] as number) & TARGET) !== 0) p++;
  if (p - targetStart > limits.maxTarget) return fail(head, errors.uriTooLong);
  if (p === stop) return incomplete(head, stop < end, errors.headersTooLarge);
  if (bytes[p] !== SP || p === targetStart) return fail(head, errors.malformedRequest);
  const targetEnd = p++;
  const version = parseVersion(bytes, p, stop);
  if (version === 0) return incomplete(head, stop < end, errors.headersTooLarge);
  if (version < 0) return fail(head, version === -2 ? errors.versionNotSupported : errors.malformedRequest);
  p += 8;
  if (p + 1 >= stop) {
    if (p < stop && bytes[p] !== CR) return fail(head, errors.malformedRequest);
    return incomplete(head, stop < end, errors.headersTooLarge);
  }
  if (bytes[p] !== CR || bytes[p + 1] !== LF) return fail(head, errors.malformedRequest);
  p += 2;

  reset(head, version);
  const next = parseFields(bytes, p, stop, headStart, head, limits.maxFields);
  if (next < 0) return -1;
  if (next === 0) return incomplete(head, stop < end, errors.headersTooLarge);
  const text = bytes.latin1Slice(headStart, next);
  head.headers.text = text;
  head.method = methodEnd - headStart === 3 && text.charCodeAt(0) === 71 ? 'GET' : text.slice(0, methodEnd - headStart);
  head.target = text.slice(targetStart - headStart, targetEnd - headStart);
  head.host = text.slice(head.hostStart, head.hostEnd);
  // RFC 9112, 3.2: exactly one Host in 1.1. RFC 9112, 6.1: Transfer-Encoding in 1.0 is faulty framing.
  if (head.hosts !== 1 ? head.hosts > 1 || version === 11 : head.host === '')
    return fail(head, errors.malformedRequest);
  if (head.chunked && (version === 10 || head.contentLength >= 0)) return fail(head, errors.malformedRequest);
  // RFC 9110, 9.3.6: for proxies that tunnel; a service that took it here would leave HTTP on a shared connection.
  if (head.method === 'CONNECT') return fail(head, errors.malformedRequest);
  if (head.expectsOther) return fail(head, errors.expectationFailed);
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
  if (version < 0) return fail(head, errors.upstreamMalformed);
  p += 8;
  if (p + 4 >= stop) return incomplete(head, stop < end, errors.upstreamMalformed);
  const status = digit(bytes, p + 1) * 100 + digit(bytes, p + 2) * 10 + digit(bytes, p + 3);
  if (bytes[p] !== SP || !(status >= 100 && status <= 999)) return fail(head, errors.upstreamMalformed);
  p += 4;
  // The reason phrase is not forwarded, so its space may be missing, as some servers have it.
  if (bytes[p] !== SP && bytes[p] !== CR) return fail(head, errors.upstreamMalformed);
  while (p < stop && ((classes[bytes[p] as number] as number) & VALUE) !== 0) p++;
  if (p + 1 >= stop) {
    if (p < stop && bytes[p] !== CR) return fail(head, errors.upstreamMalformed);
    return incomplete(head, stop < end, errors.upstreamMalformed);
  }
  if (bytes[p] !== CR || bytes[p + 1] !== LF) return fail(head, errors.upstreamMalformed);
  p += 2;

  reset(head, version);
  const next = parseFields(bytes, p, stop, start, head, limits.maxFields);
  if (next < 0) return fail(head, errors.upstreamMalformed);
  if (next === 0) return incomplete(head, stop < end, errors.upstreamMalformed);
  head.headers.text = bytes.latin1Slice(start, next);
  head.status = status;
  // RFC 9112, 6.3: both framings at once is an attack or a defect; in 1.0 there is no Transfer-Encoding.
  if (head.chunked && (version === 10 || head.contentLength >= 0)) return fail(head, errors.upstreamMalformed);
  // RFC 9110, 8.6; RFC 9112, 6.1: 1xx has no content, and a reader that saw a length would take the final head for it.
  if (status < 200 && (head.chunked || head.contentLength >= 0)) return fail(head, errors.upstreamMalformed);
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
  reset(head, 11);
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

function reset(head: MessageHead, version: number): void {
  head.headers.reset('');
  head.version = version;
  head.host = '';
  head.hosts = 0;
  head.hostStart = 0;
  head.hostEnd = 0;
  head.contentLength = -1;
  head.chunked = false;
  head.keepAlive = version === 11;
  head.upgrade = null;
  head.closeNamed = false;
  head.upgradeNamed = false;
  head.upgradeValue = null;
  head.connectionOptions = null;
  head.expectContinue = false;
  head.expectsOther = false;
  head.takesTrailers = false;
}

function fail(head: MessageHead, error: GatewayError): -1 {
  head.error = error;
  return -1;
}

function incomplete(head: MessageHead, overLimit: boolean, error: GatewayError): 0 | -1 {
  return overLimit ? fail(head, error) : 0;
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

/** NaN for what is not a digit. */
function digit(bytes: Buffer, p: number): number {
  const value = (bytes[p] as number) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

/** Fields up to and with the empty line, offsets relative to `base`. */
function parseFields(
  bytes: Buffer,
  start: number,
  stop: number,
  base: number,
  head: MessageHead,
  maxFields: number,
): number {
  const { headers } = head;
  let p = start;
  for (;;) {
    if (p + 1 >= stop)
      return p < stop && bytes[p] !== CR && ((classes[bytes[p] as number] as number) & TOKEN) === 0
        ? fail(head, errors.malformedRequest)
        : 0;
    if (bytes[p] === CR) return bytes[p + 1] === LF ? p + 2 : fail(head, errors.malformedRequest);

    const nameStart = p;
    let hash = 0;
    let byte = bytes[p] as number;
    while (((classes[byte] as number) & TOKEN) !== 0) {
      hash = hashByte(hash, byte);
      if (++p === stop) return 0;
      byte = bytes[p] as number;
    }
    // Also refuses obs-fold and a space before the colon: neither is a token byte (RFC 9112, 5.1 and 5.2).
    if (byte !== COLON || p === nameStart) return fail(head, errors.malformedRequest);
    const nameEnd = p++;

    while (p < stop && (bytes[p] === SP || bytes[p] === TAB)) p++;
    const valueStart = p;
    while (p < stop && ((classes[bytes[p] as number] as number) & VALUE) !== 0) p++;
    if (p + 1 >= stop) {
      if (p < stop && bytes[p] !== CR) return fail(head, errors.malformedRequest);
      return 0;
    }
    if (bytes[p] !== CR || bytes[p + 1] !== LF) return fail(head, errors.malformedRequest);
    let valueEnd = p;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--;
    p += 2;

    if (headers.count === maxFields) return fail(head, errors.headersTooLarge);
    let kind = 0;
    let slot = hash & 255;
    for (let entry = specialByHash[slot]; entry !== null && entry !== undefined; entry = specialByHash[slot]) {
      if (entry.hash === hash && isNamed(bytes, nameStart, nameEnd, entry.lower)) {
        kind = entry.kind;
        break;
      }
      slot = (slot + 1) & 255;
    }
    if (kind === 0) {
      if (isLookAlike(bytes, nameStart, nameEnd)) return fail(head, errors.malformedRequest);
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, false);
    } else if (!readSpecial(kind, bytes, hash, nameStart, nameEnd, valueStart, valueEnd, base, head)) {
      return -1;
    }
  }
}

function isNamed(bytes: Buffer, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let byte = bytes[start + i] as number;
    if (byte >= 65 && byte <= 90) byte |= 0x20;
    if (byte !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** `Transfer_Encoding`, `Content_Length`: peers that map `_` to `-` would see framing where we do not. */
function isLookAlike(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 14) return bytes[start + 7] === 95 && bytes.latin1Slice(start, end).toLowerCase() === 'content_length';
  if (length === 17)
    return bytes[start + 8] === 95 && bytes.latin1Slice(start, end).toLowerCase() === 'transfer_encoding';
  return false;
}

function readSpecial(
  kind: number,
  bytes: Buffer,
  hash: number,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
  base: number,
  head: MessageHead,
): boolean {
  const { headers } = head;
  switch (kind) {
    case special.contentLength: {
      const length = parseLength(bytes, valueStart, valueEnd);
      if (length < 0 || (head.contentLength >= 0 && head.contentLength !== length)) {
        fail(head, errors.malformedRequest);
        return false;
      }
      // A repeated, equal Content-Length is read as one and forwarded as one (RFC 9112, 6.3).
      const repeated = head.contentLength >= 0;
      head.contentLength = length;
      if (repeated) return true;
      break;
    }
    case special.transferEncoding:
      if (head.chunked || !isNamed(bytes, valueStart, valueEnd, 'chunked')) {
        fail(head, errors.malformedRequest);
        return false;
      }
      head.chunked = true;
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    case special.host:
      head.hosts++;
      // A malformed one counts as empty, which no request may have; what a response calls Host is nobody's concern.
      head.hostStart = valueStart - base;
      head.hostEnd = isAuthority(bytes, valueStart, valueEnd) ? valueEnd - base : head.hostStart;
      // The call's authority is written instead.
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    case special.connection:
      if (!readConnection(bytes.latin1Slice(valueStart, valueEnd), head)) {
        fail(head, errors.malformedRequest);
        return false;
      }
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    case special.upgrade:
      head.upgradeValue = bytes.latin1Slice(valueStart, valueEnd);
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    case special.te:
      if (/(?:^|,)[ \t]*trailers[ \t]*(?:,|;|$)/i.test(bytes.latin1Slice(valueStart, valueEnd)))
        head.takesTrailers = true;
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    case special.expect:
      if (isNamed(bytes, valueStart, valueEnd, '100-continue')) head.expectContinue = true;
      else head.expectsOther = true;
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
    default:
      headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, true);
      return true;
  }
  headers.receive(hash, nameStart - base, nameEnd - base, valueStart - base, valueEnd - base, false);
  return true;
}

/** 1*DIGIT of at most 15 digits, so that it is exact in a double; -1 for all else. */
function parseLength(bytes: Buffer, start: number, end: number): number {
  if (start === end || end - start > 15) return -1;
  let length = 0;
  for (let p = start; p < end; p++) {
    const value = (bytes[p] as number) - 48;
    if (value < 0 || value > 9) return -1;
    length = length * 10 + value;
  }
  return length;
}

/** `uri-host [":" port]` (RFC 9110, 7.2), as far as the byte classes above have it. */
function isAuthority(bytes: Buffer, start: number, end: number): boolean {
  let p = start;
  if (bytes[p] === BRACKET) {
    p++;
    while (p < end && ((classes[bytes[p] as number] as number) & ADDRESS) !== 0) p++;
    if (p === start + 1 || p === end || bytes[p] !== BRACKET + 2) return false;
    p++;
  } else {
    while (p < end && ((classes[bytes[p] as number] as number) & HOST) !== 0) p++;
    if (p === start) return false;
  }
  if (p === end) return true;
  const digits = end - p - 1;
  if (bytes[p] !== COLON || digits === 0 || digits > 5) return false;
  while (++p < end) if (!(digit(bytes, p) >= 0)) return false;
  return true;
}
