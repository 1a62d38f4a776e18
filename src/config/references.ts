import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Problem } from '../base/problem.ts';
import { suggest } from '../base/suggest.ts';
import type { Reference } from './document.ts';
import type { Scalar } from './node.ts';

export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'env'; shown: string; name: string; fallback: string | null }
  | { kind: 'file'; shown: string; path: string }
  | { kind: 'unknown'; shown: string; remedy: string };

const MAX_FILE_BYTES = 1024 * 1024;
const OPENING = /\$\$\{|\$\{(?=[A-Za-z_])/g;

/** Splits a scalar at its references. `$${` is a plain `${`; a `${` before anything but a word is left alone. */
export function parseReferences(text: string): Piece[] {
  const pieces: Piece[] = [];
  let literal = '';
  let from = 0;
  OPENING.lastIndex = 0;
  for (let match = OPENING.exec(text); match !== null; match = OPENING.exec(text)) {
    literal += text.slice(from, match.index);
    from = OPENING.lastIndex;
    if (match[0] === '$${') {
      literal += '${';
      continue;
    }
    if (literal !== '') pieces.push({ kind: 'text', text: literal });
    literal = '';
    const close = text.indexOf('}', from);
    const end = close < 0 ? text.length : close + 1;
    pieces.push(parseReference(text.slice(match.index, end), close >= 0));
    from = end;
    OPENING.lastIndex = end;
  }
  literal += text.slice(from);
  if (literal !== '' || pieces.length === 0) pieces.push({ kind: 'text', text: literal });
  return pieces;
}

/** The inverse: text that `parseReferences` reads back as itself. */
export function escapeReferences(text: string): string {
  return text.replaceAll('${', '$$${');
}

function parseReference(shown: string, closed: boolean): Piece {
  if (!closed) return { kind: 'unknown', shown, remedy: 'Close it with `}`, or write `$${` for a plain `${`.' };
  const body = shown.slice(2, -1);
  const env = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(body);
  if (env?.[1] !== undefined) return { kind: 'env', shown, name: env[1], fallback: env[2] ?? null };
  const path = /^file:(.+)$/s.exec(body)?.[1]?.trim();
  if (path !== undefined && path !== '') return { kind: 'file', shown, path };
  const name = /^(?:env[.:])?([A-Za-z_][A-Za-z0-9_]*)/.exec(body)?.[1] ?? 'NAME';
  const scheme = suggest(/^\w+/.exec(body)?.[0] ?? '', ['env', 'file']);
  const colon = body.indexOf(':');
  const meant = scheme !== null && colon > 0 ? `\${${scheme}:${body.slice(colon + 1)}}` : `\${env:${name}}`;
  return { kind: 'unknown', shown, remedy: `Write \`${meant}\`, or \`$\${\` for a plain \`\${\`.` };
}

/** Types a whole-scalar reference by its text, as the YAML core schema would. */
export function typed(text: string): Scalar {
  if (/^(?:~|null|Null|NULL)$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^0o[0-7]+$/.test(text)) return Number.parseInt(text.slice(2), 8);
  if (/^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text) || /^0x[0-9a-fA-F]+$/.test(text)) {
    const number = Number(text);
    if (Number.isFinite(number)) return number;
  }
  return text;
}

/** Resolves references against one environment, and remembers the files it asked for. */
export class ReferenceResolver {
  readonly files = new Set<string>();
  readonly problems: Problem[] = [];
  private readonly env: Record<string, string | undefined>;
  private readonly contents = new Map<string, string | { reason: string }>();

  constructor(env: Record<string, string | undefined>) {
    this.env = env;
  }

  /** Null for a scalar without references or escapes. `file` is the configuration file that holds the scalar. */
  resolve(
    text: string,
    file: string,
    place: () => Problem['place'],
  ): { value: Scalar; reference: Reference | null } | null {
    if (!text.includes('${')) return null;
    const pieces = parseReferences(text);
    if (pieces.every((piece) => piece.kind === 'text')) {
      return { value: pieces.map((piece) => piece.text).join(''), reference: null };
    }
    let resolved: string | null = '';
    const hidden: Reference['hidden'] = [];
    for (const piece of pieces) {
      const part: string | null = piece.kind === 'text' ? piece.text : this.lookUp(piece, file, place);
      if (part === null || resolved === null) resolved = null;
      else resolved += part;
      if (part !== null && piece.kind !== 'text') hidden.push({ text: part, shown: piece.shown });
    }
    const whole = pieces.length === 1;
    const reference: Reference = {
      shown: text,
      from: pieces.flatMap(sourceOf).join(', '),
      text: resolved,
      hidden,
      whole,
      hasDefault: pieces.some((piece) => piece.kind === 'env' && piece.fallback !== null),
    };
    if (resolved === null) return { value: text, reference };
    return { value: whole && resolved !== '' ? typed(resolved) : resolved, reference };
  }

  private lookUp(piece: Exclude<Piece, { kind: 'text' }>, file: string, place: () => Problem['place']): string | null {
    if (piece.kind === 'unknown') {
      this.report('unknown-reference', `\`${piece.shown}\` is not a reference`, piece.remedy, place());
      return null;
    }
    if (piece.kind === 'env') {
      const value = this.env[piece.name];
      if (value !== undefined && (value !== '' || piece.fallback === null)) return value;
      if (piece.fallback !== null) return piece.fallback;
      const near = suggest(piece.name, Object.keys(this.env));
      const meant = near === null ? '' : `Did you mean \`${near}\`? `;
      const remedy = `${meant}Set ${piece.name}, or give a default: \`\${env:${piece.name}:-value}\`.`;
      this.report('missing-env', `the environment variable \`${piece.name}\` is not set`, remedy, place());
      return null;
    }
    const path = resolve(dirname(file), piece.path);
    const content = this.read(path);
    if (typeof content === 'string') return content;
    const remedy = 'Paths are relative to the configuration file that names them.';
    this.report('missing-file', `the file \`${piece.path}\` ${content.reason}`, remedy, place());
    return null;
  }

  private read(path: string): string | { reason: string } {
    let content = this.contents.get(path);
    if (content === undefined) {
      this.files.add(path);
      content = readReferenced(path);
      this.contents.set(path, content);
    }
    return content;
  }

  private report(code: string, message: string, remedy: string, place: Problem['place']): void {
    this.problems.push({ severity: 'error', code, message, remedy, place });
  }
}

function readReferenced(path: string): string | { reason: string } {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return { reason: stats.isDirectory() ? 'is a directory' : 'is not a regular file' };
    if (stats.size > MAX_FILE_BYTES) return { reason: 'is larger than 1 MiB' };
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    return { reason: reasonFor(error) };
  }
}

/** Why a file could not be read, to stand after its name. */
export function reasonFor(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a directory';
  return `cannot be read (${code ?? 'unknown reason'})`;
}

function sourceOf(piece: Piece): string[] {
  if (piece.kind === 'env') return [`env ${piece.name}`];
  return piece.kind === 'file' ? [`file ${piece.path}`] : [];
}
