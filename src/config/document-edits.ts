import type { z } from 'zod';
import type { KeyPath } from './key-path.ts';
import { definitionOf, knownKeys, leavesAt } from './schema-walk.ts';

export function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/**
 * The value with one path replaced, copied along that path; `undefined` removes the key. What is in `owned` is a copy
 * already: ten thousand changes below one map must not copy it ten thousand times.
 */
export function replaced(value: unknown, path: KeyPath, replacement: unknown, owned: WeakSet<object>): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  if (typeof value !== 'object' || value === null) return value;
  let copy = value as Record<string | number, unknown>;
  if (!owned.has(value)) {
    copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>;
    owned.add(copy);
  }
  if (rest.length === 0 && replacement === undefined) delete copy[key];
  else copy[key] = replaced(copy[key], rest, replacement, owned);
  return copy;
}

/**
 * The document without the `x-*` keys of maps whose keys are fixed. Where a map might as well have free keys, such as
 * headers, they stay, and the schema decides.
 */
export function withoutIgnoredKeys(document: unknown, schema: z.ZodType, owned: WeakSet<object>): unknown {
  let result = document;
  for (const path of extensionPaths(document, [])) {
    const around = leavesAt(schema, path.slice(0, -1));
    const kinds = around
      .map((leaf) => definitionOf(leaf.schema))
      .filter(({ type }) => type === 'object' || type === 'record');
    const fixed = kinds.length > 0 && kinds.every(({ type, catchall }) => type === 'object' && isNever(catchall));
    if (fixed && !knownKeys(around).includes(String(path.at(-1)))) result = replaced(result, path, undefined, owned);
  }
  return result;
}

function isNever(schema: z.ZodType | undefined): boolean {
  return schema === undefined || definitionOf(schema).type === 'never';
}

function* extensionPaths(value: unknown, path: (string | number)[]): Generator<KeyPath> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    const at = Array.isArray(value) ? Number(key) : key;
    if (key.startsWith('x-')) yield [...path, at];
    else if (typeof child === 'object' && child !== null) yield* extensionPaths(child, [...path, at]);
  }
}
