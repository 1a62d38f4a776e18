/**
 * Percent-encoding (RFC 3986, 2.1) over wire text: strings whose characters are bytes, as heads are decoded (latin1).
 * Unicode text enters and leaves as UTF-8 bytes.
 */
const UNRESERVED_ONLY = /^[A-Za-z0-9._~-]*$/;
const NOT_UNRESERVED = /[^A-Za-z0-9._~-]/g;
const ESCAPE_OR_OTHER = /%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~-]/g;
const ESCAPE = /%([0-9A-Fa-f]{2})/g;
const ASCII_ONLY = /^[\0-\x7f]*$/;

/** `%00` to `%FF`. */
const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);

function escapeByte(character: string): string {
  return ESCAPES[character.charCodeAt(0) & 255] as string;
}

function escapeOther(match: string): string {
  return match.length === 3 ? match : escapeByte(match);
}

function unescapeByte(_match: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}

/** Everything but unreserved characters is encoded: the result stays one segment or one query value, wherever it goes. */
export function encodeBytes(bytes: string): string {
  return UNRESERVED_ONLY.test(bytes) ? bytes : bytes.replace(NOT_UNRESERVED, escapeByte);
}

/** The same for text that is percent-encoded already: its escapes are not encoded again. */
export function encodeAroundEscapes(encoded: string): string {
  return UNRESERVED_ONLY.test(encoded) ? encoded : encoded.replace(ESCAPE_OR_OTHER, escapeOther);
}

/** Written text of a path or URL as it is sent: only what could never stand there is encoded (`/café` → `/caf%C3%A9`). */
export function encodeLiteral(text: string): string {
  return toWire(text)
    .replace(/[^!-~]/g, escapeByte)
    .replace(ESCAPE, (triplet) => triplet.toUpperCase());
}

/** One round of decoding; an escape that is none stays as it is. */
export function decodeBytes(encoded: string): string {
  return encoded.includes('%') ? encoded.replace(ESCAPE, unescapeByte) : encoded;
}

/** Unicode text as it goes over the wire. */
export function toWire(text: string): string {
  return ASCII_ONLY.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** Wire bytes as text; what is not UTF-8 becomes U+FFFD. */
export function fromWire(bytes: string): string {
  return ASCII_ONLY.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}
