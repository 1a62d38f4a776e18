import type { Place, Problem } from '../base/problem.ts';
import type { Sources } from './document.ts';
import { Lines } from './lines.ts';
import { sortProblems } from './sort-problems.ts';

export interface RenderOptions {
  color: boolean;
}

/** Longer lines are cut around the caret, so that a terminal shows both. */
const MAX_LINE = 140;

/** Problems as a compiler prints them: place, message, the line with a caret, the remedy, other places. */
export function renderProblems(problems: readonly Problem[], sources: Sources, options: RenderOptions): string {
  const printer = new Printer(new Lines(sources), options.color);
  return sortProblems(problems)
    .map((problem) => printer.problem(problem))
    .join('\n\n')
    .concat(problems.length > 0 ? '\n' : '');
}

/** One JSON document: `{ "problems": [...] }`, sorted as on the terminal. */
export function renderProblemsJson(problems: readonly Problem[]): string {
  return `${JSON.stringify({ problems: sortProblems(problems) }, null, 2)}\n`;
}

/** `3 errors, 1 warning`. */
export function countProblems(problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  const counts = [plural(errors, 'error'), plural(problems.length - errors, 'warning')];
  return counts.filter((text) => !text.startsWith('0 ')).join(', ') || 'no problems';
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

class Printer {
  private readonly lines: Lines;
  private readonly color: boolean;

  constructor(lines: Lines, color: boolean) {
    this.lines = lines;
    this.color = color;
  }

  problem(problem: Problem): string {
    const { severity, message, place, remedy } = problem;
    const label = severity === 'error' ? this.paint('31;1', 'error:') : this.paint('33;1', 'warning:');
    const where = place === null ? '' : `${this.paint('1', position(place))} `;
    const parts = [`${where}${label} ${message}${this.keyPath(place)}`];
    if (place !== null) parts.push(...this.excerpt(place, severity === 'error' ? '31;1' : '33;1'));
    if (remedy !== undefined) parts.push(`  ${this.paint('36', '→')} ${remedy}`);
    for (const other of problem.related ?? []) {
      parts.push(`  ${this.paint('2', `see also ${position(other)}`)}`, ...this.excerpt(other, '2'));
    }
    return parts.join('\n');
  }

  /** A file without lines, such as a TypeScript configuration, is pointed into by key path. */
  private keyPath(place: Place | null): string {
    if (place === null || place.path === '' || place.line > 0) return '';
    return `\n  ${this.paint('2', 'at')} ${place.path}`;
  }

  private excerpt(place: Place, style: string): string[] {
    const full = this.lines.text(place.file, place.line);
    if (full === null || full.trim() === '') return [];
    const { text, column } = cut(full, place.column - 1);
    const gutter = String(place.line);
    // Tabs stay tabs under the line, so that the caret stands where the terminal puts the text.
    const indent = text.slice(0, column).replace(/[^\t]/g, ' ');
    const length = /\.[cm]?[jt]s$/.test(place.file) ? 1 : tokenLength(text, column);
    const carets = '^'.repeat(Math.max(1, Math.min(length, text.length - column)));
    const bar = this.paint('2', '|');
    return [
      `  ${this.paint('2', gutter)} ${bar} ${text}`,
      `  ${' '.repeat(gutter.length)} ${bar} ${indent}${this.paint(style, carets)}`,
    ];
  }

  private paint(style: string, text: string): string {
    return this.color ? `\u001b[${style}m${text}\u001b[0m` : text;
  }
}

function position(place: Place): string {
  return place.line === 0 ? place.file : `${place.file}:${place.line}:${place.column}`;
}

function cut(line: string, column: number): { text: string; column: number } {
  if (line.length <= MAX_LINE) return { text: line, column };
  const start = Math.max(0, Math.min(column - MAX_LINE / 2, line.length - MAX_LINE));
  const head = start > 0 ? '…' : '';
  const tail = start + MAX_LINE < line.length ? '…' : '';
  return { text: head + line.slice(start, start + MAX_LINE) + tail, column: column - start + head.length };
}

/** How much to underline: a quoted text, a bracketed value on this line, or a plain scalar or key. */
function tokenLength(line: string, column: number): number {
  const rest = line.slice(column);
  const quoted = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')/.exec(rest)?.[0];
  if (quoted !== undefined) return quoted.length;
  if (/^[[{]/.test(rest)) return bracketLength(rest);
  const before = line.slice(0, column);
  const inFlow = (before.match(/[[{]/g)?.length ?? 0) > (before.match(/[\]}]/g)?.length ?? 0);
  const plain = (
    inFlow ? /^(?:[^\s,:#[\]{}]|:(?=[^\s,[\]{}])|[ ](?=[^\s#]))+/ : /^(?:[^\s:#]|:(?=\S)|#(?<=\S#)|[ ](?=[^\s#]))+/
  ).exec(rest);
  return plain?.[0].trimEnd().length ?? 1;
}

function bracketLength(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.trimEnd().length;
}
