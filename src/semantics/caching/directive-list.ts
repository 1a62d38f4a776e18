const COMMA = 44;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

/** Hears one directive: its name in lower case, and its argument, without quotes; undefined: it has none. */
export type DirectiveVisitor<T> = (into: T, name: string, argument: string | undefined) => void;

/**
 * Walks a Cache-Control value: `1#( token [ "=" ( token / quoted-string ) ] )` (RFC 9111, 5.2). Both forms of argument
 * mean the same. What does not fit the grammar is read so that no directive behind it is hidden: white space around `=`
 * stays in the argument, which is then no number, and a quote that never ends begins no quoted string.
 */
export function forEachDirective<T>(text: string, into: T, visit: DirectiveVisitor<T>): void {
  const { length } = text;
  let at = 0;
  while (at < length) {
    let equals = -1;
    let end = at;
    for (; end < length; end++) {
      const code = text.charCodeAt(end);
      if (code === COMMA) break;
      if (code === EQUALS && equals < 0) equals = end;
      if (code === QUOTE) {
        const close = closingQuote(text, end);
        if (close > 0) end = close;
      }
    }
    const before = text.slice(at, equals < 0 ? end : equals);
    const name = before.trim().toLowerCase();
    if (name !== '') visit(into, name, equals < 0 ? undefined : argumentOf(text, equals + 1, end, before));
    at = end + 1;
  }
}

/** Members of a list of field names, such as that of `private=` or of Vary, in lower case. */
export function fieldNames(list: string): string[] {
  const names: string[] = [];
  for (const member of list.split(',')) {
    const name = member.trim().toLowerCase();
    if (name !== '') names.push(name);
  }
  return names;
}

function argumentOf(text: string, start: number, end: number, before: string): string {
  const raw = text.slice(start, end).trimEnd();
  if (before.endsWith(' ') || before.endsWith('\t')) return ` ${raw}`;
  if (raw.charCodeAt(0) !== QUOTE || closingQuote(raw, 0) !== raw.length - 1) return raw;
  const inner = raw.slice(1, -1);
  return inner.includes('\\') ? inner.replace(/\\(.)/g, '$1') : inner;
}

/** Where the quoted string that begins at `open` ends; -1: never. */
function closingQuote(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i;
  }
  return -1;
}
