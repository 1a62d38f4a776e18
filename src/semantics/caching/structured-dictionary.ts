/**
 * Dictionaries of structured fields (RFC 9651, which took the place of RFC 8941), read to the letter: a field that does
 * not parse says nothing at all, which is the point of these. Parameters are checked and dropped.
 */
export type MemberValue =
  | { readonly kind: 'integer' | 'decimal' | 'date'; readonly number: number }
  | { readonly kind: 'boolean'; readonly isTrue: boolean }
  | { readonly kind: 'string' | 'token' | 'bytes'; readonly text: string }
  | { readonly kind: 'list' };

/** Null: it does not parse. Lines of the field are joined with a comma before. */
export function parseDictionary(text: string): ReadonlyMap<string, MemberValue> | null {
  const reader = new Reader(text);
  const members = new Map<string, MemberValue>();
  reader.skip(' ');
  while (!reader.atEnd) {
    const key = reader.match(KEY);
    if (key === null) return null;
    // RFC 9651, 4.2.2: a member without a value is true.
    const value = reader.take('=') ? readItemOrList(reader) : TRUE;
    if (value === null || !readParameters(reader)) return null;
    // The last of a name takes the place, and the value, of those before.
    members.delete(key);
    members.set(key, value);
    reader.match(OPTIONAL_WHITE_SPACE);
    if (reader.atEnd) return members;
    if (!reader.take(',')) return null;
    reader.match(OPTIONAL_WHITE_SPACE);
    // A trailing comma.
    if (reader.atEnd) return null;
  }
  return members;
}

const TRUE: MemberValue = { kind: 'boolean', isTrue: true };

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const OPTIONAL_WHITE_SPACE = /[ \t]*/y;
const SPACES = / */y;
/** RFC 9651, 4.2.4: at most 15 digits, or 12 and 3 behind the point. */
const NUMBER = /-?\d+(?:\.\d*)?/y;
const INTEGER = /^-?\d{1,15}$/;
const DECIMAL = /^-?\d{1,12}\.\d{1,3}$/;
const STRING = /"(?:[ !#-[\]-~]|\\["\\])*"/y;
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y;
const BYTES = /:[A-Za-z0-9+/]*={0,2}:/y;
const BOOLEAN = /\?[01]/y;
const DATE = /@-?\d{1,15}(?![\d.])/y;
const DISPLAY_STRING = /%"(?:[ !#$&-~]|%[0-9a-f]{2})*"/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  get next(): string {
    return this.#text.charAt(this.#at);
  }

  take(character: string): boolean {
    if (this.next !== character) return false;
    this.#at++;
    return true;
  }

  skip(character: string): void {
    while (this.take(character));
  }

  match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#at = pattern.lastIndex;
    return found[0];
  }
}

function readItemOrList(reader: Reader): MemberValue | null {
  if (!reader.take('(')) return readBareItem(reader);
  // RFC 9651, 4.2.1.2
  for (;;) {
    reader.match(SPACES);
    if (reader.take(')')) return { kind: 'list' };
    if (readBareItem(reader) === null || !readParameters(reader)) return null;
    if (reader.next !== ' ' && reader.next !== ')') return null;
  }
}

function readParameters(reader: Reader): boolean {
  while (reader.take(';')) {
    reader.match(SPACES);
    if (reader.match(KEY) === null) return false;
    if (reader.take('=') && readBareItem(reader) === null) return false;
  }
  return true;
}

function readBareItem(reader: Reader): MemberValue | null {
  const { next } = reader;
  if (next === '-' || (next >= '0' && next <= '9')) return readNumber(reader.match(NUMBER));
  switch (next) {
    case '"': {
      const string = reader.match(STRING);
      return string === null ? null : { kind: 'string', text: string.slice(1, -1).replace(/\\(.)/g, '$1') };
    }
    case ':': {
      const bytes = reader.match(BYTES);
      return bytes === null ? null : { kind: 'bytes', text: bytes.slice(1, -1) };
    }
    case '?': {
      const boolean = reader.match(BOOLEAN);
      return boolean === null ? null : { kind: 'boolean', isTrue: boolean === '?1' };
    }
    case '@': {
      const date = reader.match(DATE);
      return date === null ? null : { kind: 'date', number: Number(date.slice(1)) };
    }
    case '%': {
      const string = reader.match(DISPLAY_STRING);
      return string === null ? null : { kind: 'string', text: string };
    }
    default: {
      const token = reader.match(TOKEN);
      return token === null ? null : { kind: 'token', text: token };
    }
  }
}

function readNumber(text: string | null): MemberValue | null {
  if (text === null) return null;
  if (INTEGER.test(text)) return { kind: 'integer', number: Number(text) };
  return DECIMAL.test(text) ? { kind: 'decimal', number: Number(text) } : null;
}
