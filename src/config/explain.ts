import type { z } from 'zod';
import { suggest } from '../base/suggest.ts';
import type { KeyPath } from './key-path.ts';
import { either, expectations, knownKeys, type Leaf, step } from './schema-walk.ts';
import { ABSENCE, distance, OTHER_KIND, OTHER_VALUE } from './union-distance.ts';

type Issue = z.core.$ZodIssue;

/** What the schema's author did not word; `explain` words it. */
export const UNWORDED = '\u0000';

/** One thing wrong with a value, before it is tied to a place. */
export interface Finding {
  code: 'unknown-key' | 'missing-key' | 'wrong-type' | 'wrong-value' | 'out-of-range' | (string & {});
  path: (string | number)[];
  /** The key is wrong, not its value. */
  atKey: boolean;
  message: string;
  remedy: string | undefined;
  /** The key that an unknown one most likely meant. */
  meant?: string;
}

export interface ExplainContext {
  /** The value at a path of the document. */
  valueAt(path: KeyPath): unknown;
  /** How a value is shown, or what stands in for it. */
  show(path: KeyPath): string;
}

const MAX_NAMED = 12;

/** The issues of one parse, in words. `from` are the schema's leaves at `base`, where the parse began. */
export function explain(issues: Issue[], from: Leaf[], base: KeyPath, context: ExplainContext): Finding[] {
  return withoutEchoes(issues.flatMap((issue) => explainIssue(issue, from, base, context)));
}

/** A misspelt key is one mistake: that the right one is missing goes without saying. */
function withoutEchoes(findings: Finding[]): Finding[] {
  const meant = new Set<string>();
  for (const finding of findings) {
    if (finding.code === 'unknown-key' && finding.meant !== undefined) {
      meant.add(JSON.stringify([...finding.path.slice(0, -1), finding.meant]));
    }
  }
  return findings.filter(
    ({ code, path, meant: key }) =>
      code !== 'missing-key' || key === undefined || !meant.has(JSON.stringify([...path, key])),
  );
}

function explainIssue(issue: Issue, from: Leaf[], base: KeyPath, context: ExplainContext): Finding[] {
  const relative = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  const path = [...base, ...relative];
  const here = relative.reduce<Leaf[]>((leaves, key) => step(leaves, key), from);
  const wrong = (code: Finding['code'], message: string, remedy?: string, atKey = false): Finding[] => {
    const worded = issue.message === UNWORDED || issue.code === 'unrecognized_keys' ? message : issue.message;
    return [{ code, path, atKey, message: worded, remedy }];
  };
  const absent = path.length > 0 && context.valueAt(path) === undefined;
  if (absent && ABSENCE.has(issue.code)) return missing(issue, path, here, context);
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int') {
        return wrong(
          'wrong-value',
          `expected a whole number, found ${context.show(path)}`,
          'Write it without a fraction.',
        );
      }
      return mismatch(issue, path, here, context);
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, path, here));
    case 'invalid_union':
      if ('options' in issue && issue.options !== undefined) {
        return wrong('wrong-value', ...oneOf(issue.options, context.valueAt(path), context.show(path)));
      }
      if (issue.errors.length === 0) {
        return wrong('wrong-value', 'this fits more than one of the ways to write it', 'Keep the keys of one of them.');
      }
      return explainUnion(issue.errors, path, here, context);
    case 'invalid_value':
      return wrong('wrong-value', ...oneOf(issue.values, context.valueAt(path), context.show(path)));
    case 'invalid_key':
    case 'invalid_element': {
      const inner = issue.issues[0];
      const said = inner === undefined ? [] : explainIssue({ ...inner, path: [] } as Issue, [], path, context);
      const first = said[0];
      const key = String(path.at(-1));
      const message = `the key \`${key}\` is not allowed here`;
      const atKey = issue.code === 'invalid_key';
      return [{ code: 'wrong-key', path, atKey, message: first?.message ?? message, remedy: first?.remedy }];
    }
    case 'too_small':
    case 'too_big':
      return wrong('out-of-range', range(issue), undefined);
    case 'not_multiple_of':
      return wrong('out-of-range', `this must be a multiple of ${issue.divisor}`);
    case 'invalid_format': {
      const expected = expectations(here.filter((leaf) => leaf.expects !== undefined));
      const wanted = expected.length > 0 ? either(expected) : formatWords(issue.format);
      const remedy =
        issue.pattern === undefined || issue.format !== 'regex' ? undefined : `It must match ${issue.pattern}.`;
      return wrong('wrong-value', `expected ${wanted}, found ${context.show(path)}`, remedy);
    }
    default: {
      const params = issue.code === 'custom' ? issue.params : undefined;
      const code = typeof params?.code === 'string' ? params.code : 'wrong-value';
      const remedy = typeof params?.remedy === 'string' ? params.remedy : undefined;
      return wrong(code, 'this value is not allowed here', remedy, params?.at === 'key');
    }
  }
}

function missing(issue: Issue, path: (string | number)[], here: Leaf[], context: ExplainContext): Finding[] {
  const key = String(path.at(-1) ?? '');
  const expected = expectations(here);
  const message = issue.message === UNWORDED ? `\`${key}\` is missing` : issue.message;
  const kind = expected.length === 0 ? '' : `: ${either(expected.slice(0, MAX_NAMED))}`;
  if (context.valueAt(path.slice(0, -1)) === undefined) return [];
  const remedy = `Add \`${key}\`${kind}.`;
  return [{ code: 'missing-key', path: path.slice(0, -1), atKey: true, message, remedy, meant: key }];
}

function mismatch(issue: Issue, path: (string | number)[], here: Leaf[], context: ExplainContext): Finding[] {
  const expected = expectations(here).slice(0, MAX_NAMED);
  const value = context.valueAt(path);
  const message =
    issue.message === UNWORDED || issue.code === 'invalid_union'
      ? `expected ${either(expected.length > 0 ? expected : ['another value'])}, found ${context.show(path)}`
      : issue.message;
  return [
    {
      code: 'wrong-type',
      path,
      atKey: false,
      message,
      remedy: nearest(value, expected) ?? typeRemedy(value, expected),
    },
  ];
}

function typeRemedy(value: unknown, expected: string[]): string | undefined {
  if (value === null) return 'Give it a value, or remove the key.';
  const scalar = typeof value === 'number' || typeof value === 'boolean';
  if (scalar && expected.includes('text')) return `Put it in quotes: \`"${value}"\`.`;
  const unit = expected.find((words) => words.includes(' such as '));
  if (typeof value === 'number' && unit !== undefined) return `Write ${unit}.`;
  const number = expected.some((words) => words.includes('number'));
  if (number && typeof value === 'string' && Number.isFinite(Number(value))) return 'Remove the quotes.';
  return undefined;
}

function unknownKey(key: string, path: (string | number)[], here: Leaf[]): Finding {
  const known = knownKeys(here);
  const near = suggest(key, known);
  let remedy = 'Remove it.';
  if (near !== null) remedy = `Did you mean \`${near}\`?`;
  else if (/^[A-Za-z]\w*:\S/.test(key)) remedy = `Put a space after the colon: \`${key.replace(':', ': ')}\`.`;
  else if (known.length > 0 && known.length <= MAX_NAMED)
    remedy = `Known here: ${known.map((name) => `\`${name}\``).join(', ')}.`;
  const message = `unknown key \`${key}\``;
  const finding: Finding = { code: 'unknown-key', path: [...path, key], atKey: true, message, remedy };
  if (near !== null) finding.meant = near;
  return finding;
}

function oneOf(
  values: readonly unknown[],
  found: unknown,
  shown: string,
): [message: string, remedy: string | undefined] {
  const allowed = values.map((value) => `\`${String(value)}\``);
  const quoted =
    typeof found === 'string' && values.some((value) => typeof value !== 'string' && String(value) === found);
  const near = typeof found === 'string' ? suggest(found, values.map(String)) : null;
  const message = `expected ${either(allowed.slice(0, MAX_NAMED))}, found ${shown}`;
  if (quoted) return [message, 'Remove the quotes.'];
  return [message, near === null ? undefined : `Did you mean \`${near}\`?`];
}

function explainUnion(
  branches: Issue[][],
  path: (string | number)[],
  here: Leaf[],
  context: ExplainContext,
): Finding[] {
  const flat = branches.flatMap((branch) => flatten(branch));
  const scored = flat.map((issues) => ({ issues, score: distance(issues, path, context.valueAt) }));
  const best = Math.min(...scored.map(({ score }) => score));
  const chosen = scored.find(({ score }) => score === best);
  const value = context.valueAt(path);
  if (chosen === undefined || best >= OTHER_KIND) return mismatch(unworded, path, here, context);
  const rivals = scored.filter(({ score }) => score >= OTHER_VALUE - 1 && score < OTHER_KIND);
  const literal = chosen.issues.every((issue) => issue.code === 'invalid_value' && issue.path.length === 0);
  if (best < OTHER_VALUE - 1 || (rivals.length === 1 && !literal)) return explain(chosen.issues, here, path, context);
  const fits = literal && rivals.length === 1 ? here : here.filter((leaf) => expectsKind(leaf, value));
  const words = expectations(fits.length > 0 ? fits : here).slice(0, MAX_NAMED);
  const said = chosen.issues.flatMap((issue) => explainIssue(issue, here, path, context));
  const remedy = nearest(value, words) ?? said.find((finding) => finding.remedy !== undefined)?.remedy;
  const message = `expected ${either(words)}, found ${context.show(path)}`;
  return [{ code: 'wrong-value', path, atKey: false, message, remedy }];
}

const unworded: Issue = { code: 'invalid_union', path: [], message: UNWORDED, errors: [] };

/** Among words such as `` `fast` ``, the one that a text most likely meant. */
function nearest(value: unknown, words: string[]): string | undefined {
  const literals = words.filter((word) => /^`[^`]*`$/.test(word)).map((word) => word.slice(1, -1));
  const near = typeof value === 'string' ? suggest(value, literals) : null;
  return near === null ? undefined : `Did you mean \`${near}\`?`;
}

/** A branch that is nothing but a union stands for its own branches. */
function flatten(branch: Issue[]): Issue[][] {
  const only = branch[0];
  if (branch.length !== 1 || only?.code !== 'invalid_union' || only.path.length > 0 || only.errors.length === 0) {
    return [branch];
  }
  return only.errors.flatMap((inner) => flatten(inner));
}

function expectsKind(leaf: Leaf, value: unknown): boolean {
  const words = expectations([leaf]);
  const isList = words.includes('a list');
  const isMap = words.includes('a map');
  if (Array.isArray(value)) return isList;
  return typeof value === 'object' ? isMap : !isList && !isMap;
}

function range(issue: Extract<Issue, { code: 'too_small' | 'too_big' }>): string {
  const [word, bound] = issue.code === 'too_small' ? ['least', issue.minimum] : ['most', issue.maximum];
  const inclusive = issue.inclusive ?? true;
  const amount = inclusive ? `at ${word} ${bound}` : `${word === 'least' ? 'more' : 'less'} than ${bound}`;
  const plural = bound === 1 || bound === 1n ? '' : 's';
  if (issue.origin === 'string')
    return bound === 1 ? 'this must not be empty' : `this must have ${amount} character${plural}`;
  if (issue.origin === 'array')
    return bound === 1 && word === 'least'
      ? 'this list must not be empty'
      : `this list must have ${amount} item${plural}`;
  if (['object', 'record', 'map', 'set'].includes(issue.origin)) {
    return bound === 1 && word === 'least'
      ? 'this map must not be empty'
      : `this map must have ${amount} entr${plural === '' ? 'y' : 'ies'}`;
  }
  return `this must be ${amount}`;
}

function formatWords(format: string): string {
  const words: Record<string, string> = {
    url: 'a URL',
    email: 'an e-mail address',
    uuid: 'a UUID',
    regex: 'other text',
  };
  return words[format] ?? `text in the form of ${format}`;
}
