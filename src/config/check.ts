import type { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import type { LoadedConfig } from './document.ts';
import { replaced, valueAt, withoutIgnoredKeys } from './document-edits.ts';
import { explain, type Finding, UNWORDED } from './explain.ts';
import { formatPath, type KeyPath, startsWith } from './key-path.ts';
import { typed } from './references.ts';
import { acceptsText, isSecret, leaves, leavesAt } from './schema-walk.ts';
import { sortProblems } from './sort-problems.ts';

export interface CheckedDocument<T> {
  /** Null as soon as there is one error. */
  value: T | null;
  /** The loader's and the schema's, in the order of files and lines. */
  problems: Problem[];
}

/** Each round mends what only looks like an error; a document needs one or two. */
const MAX_ROUNDS = 5;
const MAX_SHOWN = 60;

/** Holds a loaded document against a schema, and says everything that is wrong with it at once. */
export function checkDocument<S extends z.ZodType>(loaded: LoadedConfig, schema: S): CheckedDocument<z.output<S>> {
  if (!loaded.complete) return { value: null, problems: sortProblems(loaded.problems) };
  const { result, findings } = parse(loaded, schema);
  const problems = [
    ...loaded.problems,
    ...findings.map((finding) => toProblem(finding, loaded)),
    ...secretDefaults(loaded, schema),
  ];
  const sound = result.success && !problems.some((problem) => problem.severity === 'error');
  return { value: sound ? result.data : null, problems: sortProblems(problems) };
}

function parse<S extends z.ZodType>(loaded: LoadedConfig, schema: S) {
  const unresolved: KeyPath[] = [];
  for (const { path, reference } of loaded.origins.references()) if (reference.text === null) unresolved.push(path);
  // What the loader refused stands in the document as nothing, and that is not worth a second word.
  const reported = new Set(loaded.problems.map(({ code, place }) => (code === 'not-data' ? place?.path : undefined)));
  const tried = new Set<string>();
  const owned = new WeakSet<object>();
  let document = withoutIgnoredKeys(loaded.value, schema, owned);
  for (let round = 1; ; round += 1) {
    const result = schema.safeParse(document, { error: () => UNWORDED });
    if (result.success) return { result, findings: [] };
    const current = document;
    const found = explain(result.error.issues, leaves(schema), [], {
      valueAt: (path) => valueAt(current, path),
      show: (path) => show(loaded, schema, path, valueAt(current, path)),
    });
    const findings = found.filter(
      ({ path }) => !unresolved.some((each) => startsWith(path, each)) && !reported.has(formatPath(path)),
    );
    let mended = false;
    for (const finding of round < MAX_ROUNDS ? findings : []) {
      const next = mend(document, finding, loaded, schema, tried, owned);
      if (next === null) continue;
      document = next;
      mended = true;
    }
    if (!mended) return { result, findings: distinct(findings) };
  }
}

/** The document without an `x-*` key that the schema does not know, or with text where a reference was typed in vain. */
function mend(
  document: unknown,
  finding: Finding,
  loaded: LoadedConfig,
  schema: z.ZodType,
  tried: Set<string>,
  owned: WeakSet<object>,
): unknown | null {
  const key = finding.path.at(-1);
  if (finding.code === 'unknown-key') {
    return typeof key === 'string' && key.startsWith('x-') ? replaced(document, finding.path, undefined, owned) : null;
  }
  if (finding.code !== 'wrong-type' && finding.code !== 'wrong-value') return null;
  const reference = loaded.origins.reference(finding.path);
  if (reference?.text == null || !reference.whole || typeof valueAt(document, finding.path) === 'string') return null;
  const id = JSON.stringify(finding.path);
  if (tried.has(id) || !acceptsText(leavesAt(schema, finding.path))) return null;
  tried.add(id);
  return replaced(document, finding.path, reference.text, owned);
}

function toProblem(finding: Finding, loaded: LoadedConfig): Problem {
  const { origins } = loaded;
  const place = finding.atKey ? origins.keyPlace(finding.path) : origins.place(finding.path);
  const reference = origins.reference(finding.path);
  const message = origins.redact(finding.message, finding.path);
  const told = reference === null || finding.atKey || message.includes(reference.shown);
  const from = told ? '' : ` (the value comes from ${reference.from})`;
  return {
    severity: 'error',
    code: finding.code,
    message: message + from,
    remedy: finding.remedy === undefined ? undefined : origins.redact(finding.remedy, finding.path),
    place,
  };
}

function secretDefaults(loaded: LoadedConfig, schema: z.ZodType): Problem[] {
  if (loaded.allowSecretDefaults) return [];
  const problems: Problem[] = [];
  for (const { path, reference } of loaded.origins.references()) {
    if (!reference.hasDefault || !isSecret(schema, path)) continue;
    problems.push({
      severity: 'error',
      code: 'secret-default',
      message: 'a secret must not have a default',
      remedy: 'Remove `:-...` and set the variable where the gateway runs.',
      place: loaded.origins.place(path),
    });
  }
  return problems;
}

/** What was found, in words, without a word of what must not be printed. */
function show(loaded: LoadedConfig, schema: z.ZodType, path: KeyPath, value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  if (value === null || value === undefined) return 'nothing';
  const reference = loaded.origins.reference(path);
  const kind = typeof value === 'string' ? 'text' : typeof value === 'number' ? 'a number' : '`true` or `false`';
  if (reference !== null) return `${kind} from \`${reference.shown}\``;
  if (isSecret(schema, path, value)) return kind;
  if (typeof value === 'string') {
    if (value === '') return 'empty text';
    const short = value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value;
    // Text that would be a number or a word without its quotes is shown with them: they are what is wrong.
    return typeof typed(value) === 'string' ? `\`${short}\`` : `\`"${short}"\``;
  }
  return typeof value === 'number' ? `the number ${value}` : `\`${value}\``;
}

function distinct(findings: Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ path, message }) => {
    const id = `${message}\n${JSON.stringify(path)}`;
    return seen.has(id) ? false : seen.add(id);
  });
}
