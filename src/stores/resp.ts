/**
 * RESP2, the protocol of Redis, as far as its answers to our commands go. Strict: an answer that is not exactly as the
 * specification has it means that something else speaks there, or that bytes were lost, and nothing after it can be
 * believed.
 */
export type RespReply = string | number | null | RespError | RespReply[];

/** The server understood, and says no. */
export class RespError {
  /** One printable line, for logs and `status`. */
  readonly text: string;

  constructor(text: string) {
    this.text = text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
  }

  /** The first word: `NOSCRIPT`, `MOVED`, … */
  get kind(): string {
    return this.text.split(' ', 1)[0] ?? '';
  }
}

/** What arrived is no RESP. */
export class RespViolation extends Error {}

const MAX_DIGITS = 19;
const MAX_LINE = 4096;
const MAX_BULK = 1 << 20;
const MAX_ITEMS = 65_536;
const MAX_DEPTH = 6;
/** Bytes of an answer that is not complete. */
const MAX_PENDING = 4 << 20;

const CR = 13;
const LF = 10;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/** Returned for an answer whose end has not arrived. */
const INCOMPLETE = Symbol('incomplete');

/** Takes bytes as they come and gives back whole answers, in order. */
export class RespReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  feed(chunk: Buffer): void {
    this.#bytes = this.#at === this.#bytes.length ? chunk : Buffer.concat([this.#bytes.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /** Undefined: not there yet. Throws `RespViolation`. */
  next(): RespReply | undefined {
    const start = this.#at;
    if (start === this.#bytes.length) return undefined;
    const reply = this.#reply(0);
    if (reply !== INCOMPLETE) return reply;
    // Read again from its beginning when more is there: answers fit in one packet nearly always.
    this.#at = start;
    if (this.#bytes.length - start > MAX_PENDING) throw new RespViolation('an answer without an end');
    return undefined;
  }

  #reply(depth: number): RespReply | typeof INCOMPLETE {
    if (this.#at === this.#bytes.length) return INCOMPLETE;
    switch (this.#bytes[this.#at++]) {
      case 0x3a: // :
        return this.#integer();
      case 0x2a: // *
        return this.#array(depth);
      case 0x24: // $
        return this.#bulk();
      case 0x2b: // +
        return this.#line();
      case 0x2d: {
        // -
        const line = this.#line();
        return typeof line === 'string' ? new RespError(line) : line;
      }
      default:
        throw new RespViolation('no answer begins like this');
    }
  }

  #array(depth: number): RespReply[] | null | typeof INCOMPLETE {
    const count = this.#integer();
    if (count === INCOMPLETE) return INCOMPLETE;
    if (count === -1) return null;
    if (count < 0 || count > MAX_ITEMS || depth >= MAX_DEPTH) throw new RespViolation('an array out of bounds');
    const items: RespReply[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.#reply(depth + 1);
      if (item === INCOMPLETE) return INCOMPLETE;
      items.push(item);
    }
    return items;
  }

  #bulk(): string | null | typeof INCOMPLETE {
    const length = this.#integer();
    if (length === INCOMPLETE) return INCOMPLETE;
    if (length === -1) return null;
    if (length < 0 || length > MAX_BULK) throw new RespViolation('a text out of bounds');
    const end = this.#at + length;
    if (this.#bytes.length < end + 2) return INCOMPLETE;
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF) throw new RespViolation('a text of another length');
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #line(): string | typeof INCOMPLETE {
    const end = this.#bytes.indexOf(LF, this.#at);
    const length = (end < 0 ? this.#bytes.length : end) - this.#at;
    if (length > MAX_LINE) throw new RespViolation('a line without an end');
    if (end < 0) return INCOMPLETE;
    if (length < 1 || this.#bytes[end - 1] !== CR) throw new RespViolation('a line that ends in no CRLF');
    const text = this.#bytes.toString('latin1', this.#at, end - 1);
    this.#at = end + 1;
    return text;
  }

  /** Decimal digits and CRLF: 64 bits, of which a double keeps the first 53. */
  #integer(): number | typeof INCOMPLETE {
    const bytes = this.#bytes;
    const negative = bytes[this.#at] === MINUS;
    const first = negative ? this.#at + 1 : this.#at;
    let at = first;
    let value = 0;
    for (let byte = bytes[at]; byte !== undefined && byte >= ZERO && byte <= NINE; byte = bytes[++at]) {
      value = value * 10 + (byte - ZERO);
    }
    if (at - first > MAX_DIGITS) throw new RespViolation('a number with too many digits');
    if (at >= bytes.length) return INCOMPLETE;
    if (at === first || bytes[at] !== CR) throw new RespViolation('a number that is none');
    if (at + 1 >= bytes.length) return INCOMPLETE;
    if (bytes[at + 1] !== LF) throw new RespViolation('a line that ends in no CRLF');
    this.#at = at + 2;
    // Past that the sum above has rounded more than once.
    if (value > Number.MAX_SAFE_INTEGER) value = Number(bytes.latin1Slice(first, at));
    return negative ? -value : value;
  }
}

/** One command as it goes over the wire; for what is not sent with every request. */
export function respCommand(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(respText).join('')}`;
}

/** Texts are sent as Latin-1, one byte a character: others have to come encoded (`respBytes`). */
export function respText(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** What people wrote, as UTF-8 bytes in a text of one byte a character. */
export function respBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
