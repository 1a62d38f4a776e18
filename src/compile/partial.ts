import type { z } from 'zod';
import type { KeyPath } from '../config/key-path.ts';

const MAX_ROUNDS = 8;
/** Each problem copies the maps around it. A file with more of them is wrong as a whole, and its reader has enough to do. */
const MAX_PROBLEMS = 500;

/**
 * The sound part of a document that has errors, so that what else is wrong with it comes out in the same run. Null when
 * too little of it is left.
 */
export function soundPart<T>(schema: z.ZodType<T>, document: unknown): T | null {
  let value = document;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    if (result.error.issues.length > MAX_PROBLEMS) return null;
    const paths = result.error.issues.flatMap((issue): KeyPath[] => {
      const at = issue.path.filter((key) => typeof key !== 'symbol');
      return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...at, key]) : [at];
    });
    // What is missing cannot be taken out: its parent is.
    for (const path of paths) value = without(value, isPresent(value, path) ? path : path.slice(0, -1));
    if (value === undefined) return null;
  }
  return null;
}

function isPresent(root: unknown, path: KeyPath): boolean {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string | number, unknown>)[key];
  }
  return true;
}

function without(value: unknown, path: KeyPath): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map((item, index) => (index === Number(key) ? without(item, rest) : item));
    return items.filter((item) => item !== undefined);
  }
  const copy: Record<string, unknown> = { ...value };
  const below = without(copy[key], rest);
  if (below === undefined) delete copy[key];
  else copy[key] = below;
  return copy;
}
