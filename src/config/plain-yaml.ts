import { type ConfigNode, listNode, type MapNode, mapNode, scalarNode } from './node.ts';
import {
  BAR,
  CLOSE_LIST,
  CLOSE_MAP,
  COLON,
  COMMA,
  DOUBLE_QUOTE,
  GIVE_UP,
  giveUp,
  HASH,
  MAX_KEY,
  NEWLINE,
  OPEN_LIST,
  OPEN_MAP,
  PlainCursor,
  resolvePlain,
  SINGLE_QUOTE,
  SPACE,
} from './plain-cursor.ts';

/**
 * The part of YAML that configurations are made of: block maps and lists, flow collections, scalars on one line, literal
 * blocks, comments. The library needs seconds for ten thousand routes, of which most go into its syntax tree; this needs
 * a tenth. It never judges: at anything else, errors above all, it gives up, and the library reads the text instead.
 * `plain-yaml.test.ts` holds the two against each other.
 */
export function readPlainYaml(text: string, source: number): ConfigNode | null {
  // Tabs and carriage returns have rules of their own.
  if (/[\t\r]/.test(text)) return null;
  try {
    return new PlainReader(text, source).document();
  } catch (error) {
    if (error === GIVE_UP) return null;
    throw error;
  }
}

const MAX_DEPTH = 64;

class PlainReader extends PlainCursor {
  private readonly source: number;
  private depth = 0;

  constructor(text: string, source: number) {
    super(text);
    this.source = source;
  }

  document(): ConfigNode {
    const column = this.toContent();
    const first = this.text.charCodeAt(this.at);
    const root =
      first === OPEN_MAP || first === OPEN_LIST ? this.flow(-1, -1) : column < 0 ? giveUp() : this.block(column, -1);
    if (first === OPEN_MAP || first === OPEN_LIST) this.endOfLine();
    return this.toContent() < 0 ? root : giveUp();
  }

  private block(column: number, keyAt: number): ConfigNode {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) giveUp();
    const node = this.isDash() ? this.list(column, keyAt) : this.map(column, keyAt);
    this.depth -= 1;
    return node;
  }

  private map(column: number, keyAt: number): MapNode {
    const start = this.at;
    const entries = new Map<string, ConfigNode>();
    for (;;) {
      const at = this.at;
      const key = this.blockKey();
      if (key === null || entries.has(key) || key === '__proto__') return giveUp();
      entries.set(key, this.blockValue(column, at, true));
      const next = this.toContent();
      if (next < column) {
        this.rewind();
        return mapNode(this.source, start, entries, keyAt);
      }
      if (next > column || this.isDash()) giveUp();
    }
  }

  private list(column: number, keyAt: number): ConfigNode {
    const start = this.at;
    const items: ConfigNode[] = [];
    for (;;) {
      this.at += 1;
      const from = this.at;
      this.skipSpaces();
      if (this.isDash()) giveUp();
      const inner = column + 1 + this.at - from;
      items.push(this.startsKey() ? this.block(inner, -1) : this.blockValue(column, -1, false));
      const next = this.toContent();
      if (next === column && this.isDash()) continue;
      if (next > column) giveUp();
      this.rewind();
      return listNode(this.source, start, items, keyAt);
    }
  }

  /** The value after a key or a dash; `keyAt` is -1 after a dash. */
  private blockValue(column: number, keyAt: number, mayAlign: boolean): ConfigNode {
    const { text } = this;
    const before = this.at;
    this.skipSpaces();
    const at = this.at;
    const code = text.charCodeAt(at);
    if (at >= text.length || code === NEWLINE || (code === HASH && at > before))
      return this.nested(column, keyAt, mayAlign);
    if (code === OPEN_MAP || code === OPEN_LIST) {
      const node = this.flow(column, keyAt);
      this.endOfLine();
      return node;
    }
    if (code === BAR) return this.literal(column, keyAt);
    const value = code === DOUBLE_QUOTE || code === SINGLE_QUOTE ? this.quoted() : this.plain();
    this.endOfLine();
    // A line further in would go on with this scalar.
    if (this.toContent() > column) giveUp();
    this.rewind();
    return scalarNode(this.source, at, value, keyAt);
  }

  private nested(column: number, keyAt: number, mayAlign: boolean): ConfigNode {
    const next = this.toContent();
    if (next > column) return this.block(next, keyAt);
    if (next === column && mayAlign && this.isDash()) return this.block(next, keyAt);
    this.rewind();
    return keyAt < 0 ? giveUp() : scalarNode(this.source, keyAt, null, keyAt);
  }

  private literal(column: number, keyAt: number): ConfigNode {
    const { text } = this;
    const start = this.at;
    const header = /\|(-?) *\n/y;
    header.lastIndex = start;
    const found = header.exec(text);
    if (found === null) return giveUp();
    const lines: string[] = [];
    let indent = -1;
    let at = header.lastIndex;
    while (at < text.length) {
      const end = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at);
      const line = text.slice(at, end);
      const spaces = line.search(/[^ ]|$/);
      if (indent < 0) indent = spaces;
      // Blank lines before the first text have rules of their own.
      if (indent <= column || (lines.length === 0 && spaces === line.length)) giveUp();
      if (spaces < indent && spaces < line.length) break;
      lines.push(line.slice(indent));
      at = end + 1;
    }
    if (lines.length === 0) giveUp();
    this.at = Math.min(at, text.length);
    const value = lines.join('\n').replace(/\n+$/, '');
    return scalarNode(this.source, start, found[1] === '-' ? value : `${value}\n`, keyAt);
  }

  private flow(column: number, keyAt: number): ConfigNode {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) giveUp();
    const start = this.at;
    const isMap = this.text.charCodeAt(start) === OPEN_MAP;
    const close = isMap ? CLOSE_MAP : CLOSE_LIST;
    const entries = new Map<string, ConfigNode>();
    const items: ConfigNode[] = [];
    this.at += 1;
    this.toFlowContent(column);
    while (this.text.charCodeAt(this.at) !== close) {
      if (isMap) this.flowEntry(entries, column);
      else items.push(this.flowValue(column, -1));
      this.toFlowContent(column);
      const code = this.text.charCodeAt(this.at);
      if (code === COMMA) {
        this.at += 1;
        this.toFlowContent(column);
      } else if (code !== close) giveUp();
    }
    this.at += 1;
    this.depth -= 1;
    return isMap ? mapNode(this.source, start, entries, keyAt) : listNode(this.source, start, items, keyAt);
  }

  private flowEntry(entries: Map<string, ConfigNode>, column: number): void {
    const { text } = this;
    const at = this.at;
    const code = text.charCodeAt(at);
    const quoted = code === DOUBLE_QUOTE || code === SINGLE_QUOTE;
    const key = quoted ? this.quoted() : this.flowText();
    if (quoted) this.skipSpaces();
    if (text.charCodeAt(this.at) !== COLON || (!quoted && !this.isBreak(this.at + 1))) giveUp();
    if (entries.has(key) || key === '__proto__' || (key === '<<' && !quoted) || key.length > MAX_KEY) giveUp();
    this.at += 1;
    this.toFlowContent(column);
    entries.set(key, this.flowValue(column, at));
  }

  private flowValue(column: number, keyAt: number): ConfigNode {
    const at = this.at;
    const code = this.text.charCodeAt(at);
    if (code === OPEN_MAP || code === OPEN_LIST) return this.flow(column, keyAt);
    const isQuoted = code === DOUBLE_QUOTE || code === SINGLE_QUOTE;
    const value = isQuoted ? this.quoted() : resolvePlain(this.flowText(), code);
    const next = this.text.charCodeAt(this.at);
    // Only a separator may follow, with nothing but space before it.
    if (next === COLON || (next === HASH && this.text.charCodeAt(this.at - 1) !== SPACE)) giveUp();
    return scalarNode(this.source, at, value, keyAt);
  }

  private toFlowContent(column: number): void {
    const { text } = this;
    this.skipSpaces();
    const code = text.charCodeAt(this.at);
    if (code === HASH ? text.charCodeAt(this.at - 1) !== SPACE : code !== NEWLINE) return;
    if (this.toContent() <= column) giveUp();
  }
}
