import { suggest } from '../base/suggest.ts';
import { keyId, parseKey } from '../semantics/api-key.ts';
import { importedKey, problemsOf, type RequestProblem } from '../supervisor/key-requests.ts';

/** Keys that were made elsewhere, as a file brings them: CSV with a line of column names, or one JSON object a line. */

const columns = Object.keys(importedKey.shape).filter((name) => name !== 'line');

const LINE_END = /\r\n?|\n/g;

type Row = Readonly<Record<string, unknown>>;

export interface KeyFile {
  /** For the admin API: keys in clear have become digests here, so that they go no further. */
  readonly rows: readonly Row[];
  readonly problems: readonly RequestProblem[];
}

export function readKeyFile(text: string): KeyFile {
  const rows: Row[] = [];
  const problems: RequestProblem[] = [];
  for (const [line, row] of text.trimStart().startsWith('{') ? jsonRows(text, problems) : csvRows(text, problems)) {
    const checked = importedKey.safeParse({ ...row, line });
    if (!checked.success) problems.push(...problemsOf(checked.error, line));
    else rows.push(rowOf(row, line));
  }
  return { rows, problems };
}

function rowOf(row: Row, line: number): Row {
  const written = String(row.key);
  const digest = parseKey(written);
  const id = row.id ?? keyId(written) ?? undefined;
  return { ...row, id, line, key: digest.ok ? `sha256:${digest.value}` : '' };
}

function* jsonRows(text: string, problems: RequestProblem[]): Iterable<readonly [number, Row]> {
  for (const [index, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(content);
    } catch {
      value = null;
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) yield [index + 1, value as Row];
    // The reason would quote the line, which may be a key.
    else problems.push({ line: index + 1, message: 'this line is not a JSON object' });
  }
}

function* csvRows(text: string, problems: RequestProblem[]): Iterable<readonly [number, Row]> {
  const [head, ...records] = csvRecords(text, problems);
  if (head === undefined) {
    problems.push({ line: null, message: 'the file is empty' });
    return;
  }
  const names = head.cells.map((name) => name.trim());
  const wrong = names.filter((name) => !columns.includes(name));
  if (wrong.length > 0 || !names.includes('key')) {
    problems.push({ line: head.line, message: headProblem(wrong) });
    return;
  }
  for (const { line, cells } of records) {
    if (cells.length !== names.length) {
      problems.push({ line, message: `this has ${cells.length} values, and ${names.length} columns have names` });
      continue;
    }
    const given = names.map((name, index) => [name, cells[index] ?? ''] as const).filter(([, value]) => value !== '');
    yield [line, Object.fromEntries(given.map(([name, value]) => [name, cellValue(name, value)]))];
  }
}

/** An unknown name is repeated only where it is like a known one: a file without a head begins with a key. */
function headProblem(wrong: readonly string[]): string {
  const near = wrong.flatMap((name) => {
    const meant = suggest(name, columns);
    return meant === null ? [] : [`\`${name}\`: did you mean \`${meant}\`?`];
  });
  return `the first line names the columns, of which there are ${columns.join(', ')}${near.map((each) => `; ${each}`).join('')}`;
}

function cellValue(name: string, text: string): unknown {
  if (name === 'scopes') return text.split(/[\s,]+/).filter((scope) => scope !== '');
  if (name === 'enabled') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

/** RFC 4180, with any line ends; empty lines are left out. */
function csvRecords(text: string, problems: RequestProblem[]): CsvRecord[] {
  const records: CsvRecord[] = [];
  let cells: string[] = [];
  let line = 1;
  let startedAt = 1;
  const cell = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n?|\n|$)/y;
  // A byte order mark, which spreadsheets put there.
  cell.lastIndex = text.startsWith('\uFEFF') ? 1 : 0;
  while (cell.lastIndex < text.length || cells.length > 0) {
    const [whole, quoted, plain = '', end] = cell.exec(text) as RegExpExecArray;
    if (quoted === undefined && plain.startsWith('"')) problems.push({ line, message: 'a quote is not closed' });
    cells.push(quoted?.replaceAll('""', '"') ?? plain);
    line += whole.match(LINE_END)?.length ?? 0;
    if (end === ',') continue;
    if (cells.length > 1 || cells[0] !== '') records.push({ line: startedAt, cells });
    cells = [];
    startedAt = line;
  }
  return records;
}
