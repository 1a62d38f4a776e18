import { decodeBytes } from '../../semantics/percent.ts';
import type { QueryParts } from './options.ts';

/** Makes of a query what the key has of it, and the service gets. */
export type QueryPart = (query: string) => string;

/** Null: the query as it came. */
export function queryPart(parts: QueryParts): QueryPart | null {
  if (parts === 'all') return null;
  if (parts === 'none') return () => '';
  if (parts === 'sorted') return sorted;
  return Array.isArray(parts) ? (query) => chosen(query, parts) : without(parts.without);
}

/** Parameters of one name keep their order: it may mean something. */
function sorted(query: string): string {
  if (!query.includes('&')) return query;
  const pairs = pairsOf(query);
  return pairs.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)).reduce(joined, '');
}

function chosen(query: string, names: readonly string[]): string {
  if (query === '') return '';
  const pairs = pairsOf(query);
  let text = '';
  for (const name of names) for (const pair of pairs) if (pair.name === name) text = joined(text, pair);
  return text;
}

function without(names: readonly string[]): QueryPart {
  const whole = new Set(names.filter((name) => !name.endsWith('*')));
  const beginnings = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  const goes = ({ name }: Pair): boolean =>
    whole.has(name) || beginnings.some((beginning) => name.startsWith(beginning));
  return (query) => {
    if (query === '') return '';
    const pairs = pairsOf(query);
    const kept = pairs.filter((pair) => !goes(pair));
    return kept.length === pairs.length ? query : kept.reduce(joined, '');
  };
}

interface Pair {
  /** Decoded: spellings of one name are one name to the service. */
  readonly name: string;
  readonly text: string;
}

function pairsOf(query: string): Pair[] {
  return query.split('&').map((text) => {
    const name = text.split('=', 1)[0] ?? '';
    return { name: /[%+]/.test(name) ? decodeBytes(name.replaceAll('+', ' ')) : name, text };
  });
}

function joined(query: string, { text }: Pair): string {
  return query === '' ? text : `${query}&${text}`;
}
