import { fieldName } from '../base/headers.ts';
import { suggest } from '../base/suggest.ts';
import { cookieField, cookieValue } from '../semantics/cookie.ts';
import { decodeBytes, encodeAroundEscapes, encodeBytes, fromWire, toWire } from '../semantics/percent.ts';
import { queryValue } from '../semantics/query.ts';
import type { Exchange, Identity } from './exchange.ts';
import type { Fact } from './policy.ts';
import type { Name, TemplateProblem } from './template-syntax.ts';

/**
 * The names that templates may use, and how each value is written in each place.
 *
 * - `bytes`: wire text. `text`: Unicode. `host`: a validated authority
 * - `path`: percent-encoded as in the normalised path. `query`: percent-encoded as received
 */
type ValueForm = 'bytes' | 'text' | 'host' | 'path' | 'query';

/** Where a value is written. */
export type Position = 'header' | 'path' | 'query' | 'text' | 'authority';

export interface TemplateValue {
  readonly form: ValueForm;
  readonly fact: Fact | null;
  readonly isParameter: boolean;
  /** The empty value means something in a path: `path.rest` of zero segments. */
  readonly mayBeEmpty: boolean;
  read(exchange: Exchange): string | undefined;
}

function value(
  form: ValueForm,
  read: (exchange: Exchange) => string | undefined,
  fact: Fact | null = null,
  isParameter = false,
  mayBeEmpty = false,
): TemplateValue {
  return { form, fact, isParameter, mayBeEmpty, read };
}

const present = (text: string): string | undefined => (text === '' ? undefined : text);

function ofIdentity(form: ValueForm, read: (identity: Identity) => string | null): TemplateValue {
  return value(
    form,
    (exchange) => (exchange.identity === null ? undefined : (read(exchange.identity) ?? undefined)),
    'identity',
  );
}

/** The names without a free part. */
const FIXED: ReadonlyMap<string, TemplateValue> = new Map([
  ['client.ip', value('bytes', (exchange) => present(exchange.clientAddress))],
  ['request.id', value('bytes', (exchange) => present(exchange.id), 'requestId')],
  ['request.method', value('bytes', (exchange) => exchange.method)],
  ['request.scheme', value('host', (exchange) => exchange.scheme)],
  ['request.host', value('host', (exchange) => present(exchange.host))],
  ['request.path', value('path', (exchange) => exchange.path, null, false, true)],
  ['request.query', value('query', (exchange) => exchange.query, null, false, true)],
  ['route.name', value('text', (exchange) => exchange.route.name)],
  ['identity.id', ofIdentity('text', (identity) => identity.id)],
  ['identity.method', ofIdentity('text', (identity) => identity.method)],
  ['identity.consumer', ofIdentity('text', (identity) => identity.consumer)],
  ['identity.plan', ofIdentity('text', (identity) => identity.plan)],
  ['identity.scopes', ofIdentity('text', (identity) => listText(identity.scopes))],
  ['identity.roles', ofIdentity('text', (identity) => listText(identity.roles))],
  ['identity.groups', ofIdentity('text', (identity) => listText(identity.groups))],
]);

const FREE = ['path', 'query', 'header', 'cookie'] as const;
const ROOTS = [...FREE, 'identity', 'client', 'request', 'route'] as const;

/** For the reference: the fixed names, and those with a part of the reader's choice. */
export const templateNames: readonly string[] = [
  ...FREE.map((root) => `${root}.…`),
  ...FIXED.keys(),
  'identity.claims.…',
];

export function resolveName(
  name: Name,
  routeParameters: readonly string[],
): TemplateValue | { problem: TemplateProblem } {
  const [key = '', ...more] = name.keys;
  const fixed = FIXED.get(`${name.root}.${name.keys.join('.')}`);
  if (fixed !== undefined) return fixed;
  if (name.root === 'identity' && key === 'claims' && more.length > 0) {
    return ofIdentity('text', (identity) => claimText(identity.claims, more));
  }
  if (name.keys.length !== 1 || key === '') return unknown(name, routeParameters);
  switch (name.root) {
    case 'path': {
      const index = routeParameters.indexOf(key);
      if (index < 0) return unknown(name, routeParameters);
      return value('path', (exchange) => exchange.parameters[index], null, true, key === 'rest');
    }
    case 'query': {
      const wanted = toWire(key);
      return value('bytes', (exchange) => queryValue(exchange.query, wanted));
    }
    case 'header': {
      const field = fieldName(key);
      return value('bytes', (exchange) => exchange.headers.getAll(field));
    }
    case 'cookie': {
      return value('bytes', (exchange) => {
        const cookies = cookieField(exchange.headers);
        return cookies === undefined ? undefined : cookieValue(cookies, key);
      });
    }
    default:
      return unknown(name, routeParameters);
  }
}

function listText(list: readonly unknown[]): string | null {
  return list.length === 0 ? null : list.map(listItem).join(',');
}

const SEPARATOR = /[,%]/;

/** Whoever takes the list apart at its commas finds the items that there are: `a,admin` is one name and not two. */
function listItem(item: unknown): string {
  const text = String(item);
  return SEPARATOR.test(text) || text.trim() !== text ? encodeText(text) : text;
}

/** Own members only: a claim is never `constructor`. */
function claimText(claims: Readonly<Record<string, unknown>>, keys: readonly string[]): string | null {
  let claim: unknown = claims;
  for (const key of keys) {
    if (typeof claim !== 'object' || claim === null || Array.isArray(claim) || !Object.hasOwn(claim, key)) return null;
    claim = (claim as Record<string, unknown>)[key];
  }
  if (Array.isArray(claim)) {
    return claim.every(isScalar) ? listText(claim) : null;
  }
  return isScalar(claim) ? String(claim) : null;
}

function isScalar(claim: unknown): boolean {
  return typeof claim === 'string' || typeof claim === 'number' || typeof claim === 'boolean';
}

function unknown(name: Name, routeParameters: readonly string[]): { problem: TemplateProblem } {
  const parameters = routeParameters.map((parameter) => `path.${parameter}`);
  const free = FREE.flatMap((root) => (root === 'path' || name.keys.length !== 1 ? [] : [`${root}.${name.keys[0]}`]));
  const near =
    name.root === 'claims'
      ? `identity.${name.source}`
      : suggest(name.source, [...parameters, ...FIXED.keys(), ...free]);
  return {
    problem: {
      code: 'unknown-name',
      message: `there is no \`{${name.source}}\``,
      remedy: near === null ? listRemedy(name.root, parameters) : `Did you mean \`{${near}}\`?`,
      offset: name.offset,
    },
  };
}

function listRemedy(root: string, parameters: readonly string[]): string {
  if (root === 'path') {
    return parameters.length === 0
      ? 'The path of this route has no parameters.'
      : `The path of this route has ${parameters.map((parameter) => `\`{${parameter}}\``).join(', ')}.`;
  }
  const same = [...FIXED.keys()].filter((known) => known.startsWith(`${root}.`));
  if (root === 'identity') same.push('identity.claims.…');
  if (same.length > 0) return `Known are ${same.map((known) => `\`{${known}}\``).join(', ')}.`;
  return `Names begin with ${ROOTS.map((known) => `\`${known}.\``).join(', ')}.`;
}

/** The reader of a value as it is written in a position. */
export function encoderFor(source: TemplateValue, position: Position): (exchange: Exchange) => string | undefined {
  const { read } = source;
  const convert = CONVERT[source.form][position];
  const refusesEmpty = position === 'path' && !source.mayBeEmpty;
  if (convert === null && !refusesEmpty) return read;
  return (exchange) => {
    const text = read(exchange);
    // An empty segment would name another resource: the list instead of the item.
    if (text === undefined || (refusesEmpty && text === '')) return undefined;
    return convert === null ? text : convert(text);
  };
}

type Convert = ((text: string) => string | undefined) | null;
const encodeText = (text: string): string => encodeBytes(toWire(text));
/** White space around a value is no part of it (RFC 9110, 5.5): ` admin` would arrive as somebody else's name. */
const fieldText = (text: string): string | undefined => (text.trim() === text ? toWire(text) : undefined);
const decodeText = (text: string): string => fromWire(decodeBytes(text));

/** Null: it stands there as it is. */
const CONVERT: Readonly<Record<ValueForm, Readonly<Record<Position, Convert>>>> = {
  bytes: { header: null, path: encodeBytes, query: encodeBytes, text: fromWire, authority: encodeBytes },
  text: { header: fieldText, path: encodeText, query: encodeText, text: null, authority: encodeText },
  host: { header: null, path: encodeBytes, query: encodeBytes, text: null, authority: null },
  path: { header: null, path: null, query: encodeAroundEscapes, text: decodeText, authority: encodeAroundEscapes },
  query: { header: null, path: encodeBytes, query: null, text: null, authority: encodeBytes },
};
