/** The notation of templates: text, `{name.key}`, `{name['any key']}`, and `{{` `}}` for braces themselves. */
export interface TemplateProblem {
  readonly code: 'invalid-template' | 'unknown-name';
  readonly message: string;
  readonly remedy: string;
  /** Where in the text, from 0. */
  readonly offset: number;
}

/** `identity.claims.team` is `identity` with the keys `claims` and `team`. */
export interface Name {
  readonly root: string;
  readonly keys: readonly string[];
  /** As written, without the braces. */
  readonly source: string;
  readonly offset: number;
}

export type Parts = readonly (string | Name)[];

const KEY = /\.([A-Za-z0-9_-]+)|\[(?:'([^']*)'|"([^"]*)")\]/y;
const ROOT = /[A-Za-z_][A-Za-z0-9_-]*/y;

export function parseTemplate(text: string): { parts: Parts } | { problem: TemplateProblem } {
  const parts: (string | Name)[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const character = text[at] as string;
    if (character !== '{' && character !== '}') {
      literal += character;
      at++;
    } else if (text[at + 1] === character) {
      literal += character;
      at += 2;
    } else if (character === '}') {
      return invalid('this brace closes nothing', 'Write `}}` for a brace itself.', at);
    } else {
      const name = parseName(text, at + 1);
      if ('problem' in name) return name;
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(name);
      at += name.source.length + 2;
    }
  }
  if (literal !== '') parts.push(literal);
  return { parts };
}

function parseName(text: string, offset: number): Name | { problem: TemplateProblem } {
  ROOT.lastIndex = offset;
  const root = ROOT.exec(text)?.[0];
  const close = text.indexOf('}', offset);
  if (close < 0)
    return invalid('this brace is not closed', 'Write `}` behind the name, or `{{` for a brace.', offset - 1);
  const written = text.slice(offset, close);
  if (root === undefined) {
    const remedy = 'Write a name such as `{path.id}`, or `{{` for a brace itself.';
    return invalid(`\`{${written}}\` is not a name`, remedy, offset - 1);
  }
  const keys: string[] = [];
  let at = offset + root.length;
  while (text[at] !== '}') {
    KEY.lastIndex = at;
    const match = KEY.exec(text);
    if (match === null) {
      const remedy = "Write for instance `{header.x-tenant}`, or `{identity.claims['any text']}`.";
      return invalid(`\`{${written}}\` is not a name`, remedy, offset - 1);
    }
    keys.push(match[1] ?? match[2] ?? match[3] ?? '');
    at = KEY.lastIndex;
  }
  return { root, keys, source: text.slice(offset, at), offset: offset - 1 };
}

function invalid(message: string, remedy: string, offset: number): { problem: TemplateProblem } {
  return { problem: { code: 'invalid-template', message, remedy, offset } };
}
