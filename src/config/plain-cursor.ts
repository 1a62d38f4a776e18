import { typed } from './references.ts';

export const GIVE_UP = new Error('not plain YAML');
export const MAX_KEY = 1000;

export const NEWLINE = 10;
export const SPACE = 32;
export const DOUBLE_QUOTE = 34;
export const HASH = 35;
export const SINGLE_QUOTE = 39;
export const COMMA = 44;
const DASH = 45;
export const COLON = 58;
const QUESTION = 63;
export const OPEN_LIST = 91;
export const CLOSE_LIST = 93;
export const OPEN_MAP = 123;
export const BAR = 124;
export const CLOSE_MAP = 125;

/** Characters that a plain scalar cannot start with: `! " # % & ' * , > @ [ ] backtick { | }`. */
const NO_START = new Set([...'!"#%&\'*,>@[]`{|}'].map((character) => character.charCodeAt(0)));
/** First characters of what may be a number, a boolean or null. */
const MAY_BE_TYPED = new Set([...'+-.0123456789~nNtTfF'].map((character) => character.charCodeAt(0)));

/** Moves over the text of a plain document, and reads the scalars in it. */
export class PlainCursor {
  protected readonly text: string;
  protected at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Moves to the next text that is no comment; its column, or -1 at the end. Called at a line's start or end. */
  protected toContent(): number {
    const { text } = this;
    for (;;) {
      const start =
        this.at === 0 || text.charCodeAt(this.at - 1) === NEWLINE ? this.at : text.indexOf('\n', this.at) + 1;
      if (start === 0 && this.at > 0) return this.end();
      let at = start;
      while (text.charCodeAt(at) === SPACE) at += 1;
      this.at = at;
      if (at >= text.length) return this.end();
      const code = text.charCodeAt(at);
      if (code === NEWLINE) {
        this.at = at + 1;
      } else if (code === HASH) {
        const end = text.indexOf('\n', at);
        if (end < 0) return this.end();
        this.at = end + 1;
      } else {
        if (at === start && (text.startsWith('---', at) || text.startsWith('...', at))) giveUp();
        return at - start;
      }
    }
  }

  private end(): -1 {
    this.at = this.text.length;
    return -1;
  }

  /** Back to the start of the line, for the collection around to look at. */
  protected rewind(): void {
    const { text } = this;
    if (this.at < text.length) this.at = text.lastIndexOf('\n', this.at - 1) + 1;
  }

  protected isDash(): boolean {
    if (this.text.charCodeAt(this.at) !== DASH) return false;
    const next = this.text.charCodeAt(this.at + 1);
    return next === SPACE || next === NEWLINE || Number.isNaN(next);
  }

  /** The key here, and on to what stands after its colon; null when there is no key on this line. */
  protected blockKey(): string | null {
    const { text } = this;
    const from = this.at;
    const code = text.charCodeAt(from);
    if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) {
      const key = this.quoted();
      this.skipSpaces();
      if (text.charCodeAt(this.at) !== COLON || !this.isBreak(this.at + 1)) return null;
      this.at += 1;
      return key;
    }
    if (!this.startsPlain(from)) return null;
    for (let at = from + 1; ; at += 1) {
      const here = text.charCodeAt(at);
      if (here === NEWLINE || Number.isNaN(here) || (here === HASH && text.charCodeAt(at - 1) === SPACE)) return null;
      if (here !== COLON || !this.isBreak(at + 1)) continue;
      const key = withoutSpaces(text, from, at);
      if (key === '<<' || key.length > MAX_KEY) giveUp();
      this.at = at + 1;
      return key;
    }
  }

  protected plain() {
    const { text } = this;
    const from = this.at;
    const code = text.charCodeAt(from);
    if (!this.startsPlain(from)) giveUp();
    let at = from + 1;
    for (; at < text.length; at += 1) {
      const here = text.charCodeAt(at);
      if (here === NEWLINE || (here === HASH && text.charCodeAt(at - 1) === SPACE)) break;
      if (here === COLON && this.isBreak(at + 1)) giveUp();
    }
    this.at = at;
    return resolvePlain(withoutSpaces(text, from, at), code);
  }

  protected quoted(): string {
    const { text } = this;
    const from = this.at;
    const single = text.charCodeAt(from) === SINGLE_QUOTE;
    for (let at = from + 1; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === NEWLINE) break;
      if (single && code === SINGLE_QUOTE && text.charCodeAt(at + 1) === SINGLE_QUOTE) at += 1;
      else if (!single && code === 92) at += 1;
      else if (code === (single ? SINGLE_QUOTE : DOUBLE_QUOTE)) {
        this.at = at + 1;
        const inside = text.slice(from + 1, at);
        if (single) return inside.replaceAll("''", "'");
        return inside.includes('\\') ? unescaped(text.slice(from, at + 1)) : inside;
      }
    }
    return giveUp();
  }

  /** Plain text inside brackets; a colon that ends it is left for the caller. */
  protected flowText(): string {
    const { text } = this;
    const from = this.at;
    const code = text.charCodeAt(from);
    if (NO_START.has(code) || code === QUESTION || code === COLON || Number.isNaN(code)) giveUp();
    if (code === DASH && (this.isBreak(from + 1) || isBracket(text.charCodeAt(from + 1)))) giveUp();
    let at = from + 1;
    for (; at < text.length; at += 1) {
      const here = text.charCodeAt(at);
      if (here === NEWLINE || isBracket(here) || (here === HASH && text.charCodeAt(at - 1) === SPACE)) break;
      if (here !== COLON) continue;
      if (this.isBreak(at + 1)) break;
      if (isBracket(text.charCodeAt(at + 1))) giveUp();
    }
    this.at = at;
    return withoutSpaces(text, from, at);
  }

  protected skipSpaces(): void {
    while (this.text.charCodeAt(this.at) === SPACE) this.at += 1;
  }

  /** Nothing but a comment may follow on this line. */
  protected endOfLine(): void {
    const before = this.at;
    this.skipSpaces();
    const code = this.text.charCodeAt(this.at);
    if (this.at >= this.text.length || code === NEWLINE || (code === HASH && this.at > before)) return;
    if (code === HASH && this.text.charCodeAt(this.at - 1) === SPACE) return;
    giveUp();
  }

  private startsPlain(at: number): boolean {
    const code = this.text.charCodeAt(at);
    if (NO_START.has(code) || code === NEWLINE || Number.isNaN(code)) return false;
    return (code !== QUESTION && code !== COLON && code !== DASH) || !this.isBreak(at + 1);
  }

  protected isBreak(at: number): boolean {
    const code = this.text.charCodeAt(at);
    return code === SPACE || code === NEWLINE || Number.isNaN(code);
  }

  protected startsKey(): boolean {
    const from = this.at;
    const isKey = this.blockKey() !== null;
    this.at = from;
    return isKey;
  }
}

export function giveUp(): never {
  throw GIVE_UP;
}

/** A slice without the spaces at its end; other white space is text. */
function withoutSpaces(text: string, from: number, to: number): string {
  let end = to;
  while (text.charCodeAt(end - 1) === SPACE) end -= 1;
  return text.slice(from, end);
}

function isBracket(code: number): boolean {
  return code === COMMA || code === OPEN_LIST || code === CLOSE_LIST || code === OPEN_MAP || code === CLOSE_MAP;
}

export function resolvePlain(text: string, first: number) {
  if (!MAY_BE_TYPED.has(first)) return text;
  const value = typed(text);
  // `.inf`, `1e999` and their like are refused with a place.
  if (typeof value === 'string' && /^[-+]?(\.?\d|\.(inf|nan)$)/i.test(text) && !/[^-+.\deEinfa]/i.test(text)) giveUp();
  return value;
}

/** YAML knows every escape of JSON, and means the same by it. */
function unescaped(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return giveUp();
  }
}
