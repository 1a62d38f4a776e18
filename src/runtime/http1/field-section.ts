import '../../base/buffer.ts';
import { errors } from '../../base/gateway-error.ts';
import { fieldName, hashByte } from '../../base/headers.ts';
import { byteClass, byteClasses, digit, octet } from './byte-classes.ts';
import { readConnection } from './connection-field.ts';
import type { MessageHead } from './message-head.ts';

/** The field section of a head or of trailers (RFC 9112, 5), and what the codec itself reads in it. */

// Constants of its own: an imported one is read anew at each use, which takes 6 % of a head.
const { CR, LF, SP, TAB, COLON } = octet;
const { TOKEN, VALUE, HOST, ADDRESS } = byteClass;
const classes = byteClasses;
const BRACKET = 91;

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

/** Fields up to and with the empty line, offsets relative to `base`. */
export function parseFields(
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
        ? head.fail(errors.malformedRequest)
        : 0;
    if (bytes[p] === CR) return bytes[p + 1] === LF ? p + 2 : head.fail(errors.malformedRequest);

    const nameStart = p;
    let hash = 0;
    let byte = bytes[p] as number;
    while (((classes[byte] as number) & TOKEN) !== 0) {
      hash = hashByte(hash, byte);
      if (++p === stop) return 0;
      byte = bytes[p] as number;
    }
    // Also refuses obs-fold and a space before the colon: neither is a token byte (RFC 9112, 5.1 and 5.2).
    if (byte !== COLON || p === nameStart) return head.fail(errors.malformedRequest);
    const nameEnd = p++;

    while (p < stop && (bytes[p] === SP || bytes[p] === TAB)) p++;
    const valueStart = p;
    while (p < stop && ((classes[bytes[p] as number] as number) & VALUE) !== 0) p++;
    if (p + 1 >= stop) {
      if (p < stop && bytes[p] !== CR) return head.fail(errors.malformedRequest);
      return 0;
    }
    if (bytes[p] !== CR || bytes[p + 1] !== LF) return head.fail(errors.malformedRequest);
    let valueEnd = p;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--;
    p += 2;

    if (headers.count === maxFields) return head.fail(errors.headersTooLarge);
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
      if (isLookAlike(bytes, nameStart, nameEnd)) return head.fail(errors.malformedRequest);
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
        head.fail(errors.malformedRequest);
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
        head.fail(errors.malformedRequest);
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
        head.fail(errors.malformedRequest);
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
