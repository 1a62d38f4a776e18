/**
 * The one normalisation of a request's path (RFC 3986, 6.2.2): what is matched, what policies see and what the
 * upstream gets are the same text. Whatever two parsers could read in two ways is refused instead of repaired:
 * `%5C`, `%00` and other encoded controls, backslashes, raw controls, bytes outside ASCII, malformed escapes, dot
 * segments that leave the root or hide behind `;` or `%2F`, over-long UTF-8. Duplicate slashes mean something to some services and stay.
 */
const PLAIN = 0;
const SLASH = 1;
const DOT = 2;
const ESCAPE = 3;
const QUERY = 4;
const REFUSED = 5;

const PERCENT = 37;
const SOLIDUS = 47;
const FULL_STOP = 46;

/** What each byte means to the scan. Its length covers latin1, in which heads are decoded. */
const KIND = new Uint8Array(256).fill(REFUSED);
KIND.fill(PLAIN, 0x21, 0x7f);
KIND[SOLIDUS] = SLASH;
KIND[FULL_STOP] = DOT;
KIND[PERCENT] = ESCAPE;
KIND[0x3f] = QUERY;
KIND[0x5c] = REFUSED; // backslash: a slash to some
KIND[0x23] = REFUSED; // `#`: a fragment is never sent (RFC 9110, 7.1)

const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 10; digit++) HEX[0x30 + digit] = digit;
for (let digit = 0; digit < 6; digit++) {
  HEX[0x41 + digit] = 10 + digit;
  HEX[0x61 + digit] = 10 + digit;
}

/** UTF-8 that says a character in more bytes than it needs, such as `%C0%AF` for a slash: some decoders take it. */
const OVERLONG = /%C[01]%[89AB]|%E0%[89]|%F0%8/;

/** RFC 3986, 2.3: escaping these never changes the meaning. */
const UNRESERVED = new Uint8Array(256);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
  UNRESERVED[character.charCodeAt(0)] = 1;
}

/** The parts of a request target; one object is reused for many. */
export class Target {
  path = '';
  /** As received, without the question mark; empty when absent. */
  query = '';
  /** The path contains `%2F`: only routes with `allowEncodedSlashes` may take it. */
  encodedSlash = false;
}

/**
 * Splits an origin-form target and normalises its path into `out`. False: refuse the request, `out` is then void.
 * One scan, and the very same string when there is nothing to do.
 */
export function normalizeTarget(target: string, out: Target): boolean {
  const { length } = target;
  if (length === 0 || target.charCodeAt(0) !== SOLIDUS) return false;
  let segmentStart = true;
  for (let i = 1; i < length; i++) {
    const code = target.charCodeAt(i);
    const kind = code < 256 ? KIND[code] : REFUSED;
    if (kind === PLAIN) {
      segmentStart = false;
    } else if (kind === SLASH) {
      segmentStart = true;
    } else if (kind === DOT) {
      if (segmentStart) return normalizeSlowly(target, out);
    } else if (kind === ESCAPE) {
      return normalizeSlowly(target, out);
    } else if (kind === QUERY) {
      if (!isCleanQuery(target, i + 1)) return false;
      out.path = target.slice(0, i);
      out.query = target.slice(i + 1);
      out.encodedSlash = false;
      return true;
    } else {
      return false;
    }
  }
  out.path = target;
  out.query = '';
  out.encodedSlash = false;
  return true;
}

/** The query is opaque to the gateway, but must be text that every parser reads as one request target. */
function isCleanQuery(target: string, from: number): boolean {
  for (let i = from; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false;
  }
  return true;
}

function normalizeSlowly(target: string, out: Target): boolean {
  const question = target.indexOf('?');
  const end = question < 0 ? target.length : question;
  if (question >= 0 && !isCleanQuery(target, question + 1)) return false;
  const decoded = decodeUnreserved(target, end);
  if (decoded === null || OVERLONG.test(decoded)) return false;
  const encodedSlash = decoded.includes('%2F');
  const path = removeDotSegments(decoded);
  if (path === null || (encodedSlash && hidesDotSegment(path))) return false;
  out.path = path;
  out.query = question < 0 ? '' : target.slice(question + 1);
  out.encodedSlash = encodedSlash;
  return true;
}

/** One round of decoding: what `%25` makes stays as it is, so that the result is normal already. */
function decodeUnreserved(target: string, end: number): string | null {
  let decoded = '';
  let copied = 0;
  for (let i = 0; i < end; i++) {
    const code = target.charCodeAt(i);
    const kind = code < 256 ? KIND[code] : REFUSED;
    if (kind === REFUSED) return null;
    if (kind !== ESCAPE) continue;
    if (i + 2 >= end) return null;
    const high = HEX[target.charCodeAt(i + 1)] ?? -1;
    const low = HEX[target.charCodeAt(i + 2)] ?? -1;
    if (high < 0 || low < 0) return null;
    const byte = high * 16 + low;
    if (byte < 0x20 || byte === 0x7f || byte === 0x5c) return null;
    const text = UNRESERVED[byte] === 1 ? String.fromCharCode(byte) : target.slice(i, i + 3).toUpperCase();
    decoded += target.slice(copied, i) + text;
    i += 2;
    copied = i + 1;
  }
  return decoded + target.slice(copied, end);
}

/** RFC 3986, 5.2.4, but a path that leaves the root is refused: nobody sends one in good faith. */
function removeDotSegments(path: string): string | null {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] as string;
    if (segment === '.' || segment === '..') {
      if (segment === '..' && kept.pop() === undefined) return null;
      if (i === last) kept.push('');
    } else if (isDotsWithParameters(segment)) {
      return null;
    } else {
      kept.push(segment);
    }
  }
  return `/${kept.join('/')}`;
}

/** `..;x`: some services drop what follows the semicolon, and then climb. */
function isDotsWithParameters(segment: string): boolean {
  return segment.startsWith('.;') || segment.startsWith('..;');
}

/** `a%2F..%2Fb`: a service that decodes the slash would climb, where the gateway saw one harmless segment. */
function hidesDotSegment(path: string): boolean {
  return /(?:\/|%2F)\.\.?(?:\/|%2F|;|$)/.test(path);
}
