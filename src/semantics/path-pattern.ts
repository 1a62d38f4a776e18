import type { Parsed } from '../base/units.ts';
import { LinearRegex } from './linear-regex.ts';
import { normalizeTarget, Target } from './url.ts';

/**
 * Patterns of routes: exact, `{id}` for one segment, a trailing `/*` for zero or more, or `~regex` over the whole path.
 * They are compared with normalised paths, so their literal parts are normalised here in the same way.
 */
export type PathPattern = SegmentPattern | RegexPattern;

export interface SegmentPattern {
  readonly kind: 'segments';
  /** Texts around the parameters: one more than there are parameters. */
  readonly literals: readonly string[];
  readonly wildcard: boolean;
  /** Names, `rest` for the wildcard. */
  readonly parameters: readonly string[];
  /** Equal for two patterns that fit the same paths. */
  readonly shape: string;
}

export interface RegexPattern {
  readonly kind: 'regex';
  readonly regex: LinearRegex;
  readonly parameters: readonly string[];
  readonly shape: string;
}

/** A key of `routes`: `[METHODS] PATH`. */
export interface RouteKey {
  /** Null: every method. */
  readonly methods: readonly string[] | null;
  readonly path: string;
  readonly pattern: PathPattern;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** The wildcard's name in templates and conditions: `path.rest`. */
const REST = 'rest';

export function parseRouteKey(text: string): Parsed<RouteKey> {
  const parts = text.trim().split(/\s+/);
  if (parts.length > 2) {
    return refuse(
      'a route is `[METHODS] PATH`',
      `Write \`${parts.slice(0, -1).join(',').replaceAll(/,+/g, ',')} ${parts.at(-1)}\`.`,
    );
  }
  const path = parts.at(-1) as string;
  const methods = parts.length === 2 ? parseMethods(parts[0] as string) : accept(null);
  if (!methods.ok) return methods;
  if (parts.length === 1 && TOKEN.test(path) && !path.startsWith('~')) {
    return refuse('a route needs a path', `Write \`/${path}\`.`);
  }
  const pattern = parsePathPattern(path);
  return pattern.ok ? accept({ methods: methods.value, path, pattern: pattern.value }) : pattern;
}

function parseMethods(text: string): Parsed<readonly string[] | null> {
  if (text === '*' || text.toUpperCase() === 'ANY') {
    return refuse('a route for every method names none', 'Leave the method out.');
  }
  const methods = text.split(/[,|]/);
  for (const method of methods) {
    if (!TOKEN.test(method)) return refuse(`\`${method}\` is not a method`, 'Write for instance `GET,POST /path`.');
    if (method !== method.toUpperCase()) {
      return refuse('methods are case-sensitive', `Write \`${method.toUpperCase()}\`.`);
    }
  }
  return accept([...new Set(methods)].sort());
}

export function parsePathPattern(text: string): Parsed<PathPattern> {
  if (text.startsWith('~')) return parseRegex(text.slice(1));
  if (!text.startsWith('/')) return refuse('a path begins with a slash', `Write \`/${text}\`.`);
  if (text.includes('?'))
    return refuse('a path has no query', 'Put conditions on the query under `match: { query: … }`.');
  if (text.includes('#')) return refuse('a path has no fragment', 'Leave out `#` and what follows.');
  const wildcard = text.endsWith('/*');
  const body = wildcard ? text.slice(0, -2) : text;
  const parameters: string[] = [];
  const literals: string[] = [];
  let literal = '';
  const segments = body.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    literal += '/';
    const name = /^\{([^{}]*)\}$/.exec(segment)?.[1];
    if (name !== undefined) {
      if (!NAME.test(name)) return refuse(`\`${name}\` is not a name`, 'Use letters, digits and `_`.');
      parameters.push(name);
      literals.push(literal);
      literal = '';
      continue;
    }
    const wrong = misreadSegment(segment);
    if (wrong !== null) return wrong;
    literal += segment;
  }
  literals.push(literal);
  if (wildcard) parameters.push(REST);
  const twice = parameters.find((name, index) => parameters.indexOf(name) !== index);
  if (twice !== undefined) return refuse(`the parameter \`${twice}\` appears twice`, 'Give each a name of its own.');
  const normal = normalizeLiterals(literals);
  if (!normal.ok) return normal;
  const shape = normal.value.join('{}') + (wildcard ? '/*' : '');
  return accept({ kind: 'segments', literals: normal.value, wildcard, parameters, shape });
}

/** Notations of other gateways, answered with ours. */
function misreadSegment(segment: string): ReturnType<typeof refuse> | null {
  if (segment === '*' || segment === '**') {
    return refuse(
      'a wildcard stands only at the end of a path',
      'Name the segment: `{id}`, or end the path with `/*`.',
    );
  }
  if (segment.startsWith(':')) return refuse('parameters stand in braces', `Write \`{${segment.slice(1)}}\`.`);
  if (/[{}]/.test(segment)) {
    return refuse('a parameter fills its whole segment', 'Use a regular expression: `~/files/(?<name>[^/]+)\\.json`.');
  }
  if (segment.includes('*')) {
    return refuse('a wildcard is a segment of its own', 'End the path with `/*`, or use a regular expression: `~…`.');
  }
  return null;
}

/** The literals as they stand in normalised paths; a pattern that no such path can fit is refused. */
function normalizeLiterals(literals: readonly string[]): Parsed<readonly string[]> {
  const target = new Target();
  const normal: string[] = [];
  for (const literal of literals) {
    if (literal === '') {
      normal.push('');
      continue;
    }
    const encoded = encodeLiteral(literal);
    if (encoded === null || !normalizeTarget(encoded, target)) {
      return refuse('no request has such a path', 'Leave out dot segments, backslashes and malformed escapes.');
    }
    if (target.path.split('/').length !== literal.split('/').length) {
      return refuse('requests are matched without dot segments', `Write \`${target.path}\`.`);
    }
    normal.push(target.path);
  }
  return accept(normal);
}

/** `/café au lait` as it is sent: written characters that cannot stand in a request target are escaped. */
function encodeLiteral(literal: string): string | null {
  try {
    return literal.replaceAll(/[^!-~]+/g, (text) => encodeURIComponent(text));
  } catch {
    return null; // half of a surrogate pair
  }
}

function parseRegex(source: string): Parsed<RegexPattern> {
  const anchored = source.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
  if (!/^(?:\/|\(|\[|\.)/.test(anchored)) {
    return refuse('a regular expression covers the whole path', `Write \`~/${anchored}\`.`);
  }
  const regex = LinearRegex.parseWhole(anchored);
  if (!regex.ok) return regex;
  return accept({ kind: 'regex', regex: regex.value, parameters: regex.value.groups, shape: `~${anchored}` });
}

function refuse(message: string, remedy: string): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}

function accept<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}
