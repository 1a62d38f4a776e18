import type { z } from 'zod';
import type { LoadedConfig, Sources } from './document.ts';
import type { KeyPath } from './key-path.ts';
import { isSecret } from './schema-walk.ts';

/** Shorter texts would be found in words that have nothing to do with them. */
const MIN_LENGTH = 4;
const MASK = '•';

/**
 * The files' texts with every secret that is written in them masked, character by character so that carets still point at
 * what they mean: whoever reads a problem, in a log perhaps, need not be allowed to read the file.
 */
export function withoutSecrets(loaded: LoadedConfig, schema: z.ZodType): Sources {
  const secrets = new Set<string>();
  collect(loaded, schema, loaded.value, [], secrets);
  if (secrets.size === 0) return loaded.sources;
  const longestFirst = [...secrets].sort((one, other) => other.length - one.length);
  return new Map(Array.from(loaded.sources, ([file, text]) => [file, masked(text, longestFirst)]));
}

function collect(loaded: LoadedConfig, schema: z.ZodType, value: unknown, path: KeyPath, secrets: Set<string>): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      collect(loaded, schema, child, [...path, Array.isArray(value) ? Number(key) : key], secrets);
    }
    return;
  }
  if (typeof value !== 'string' && typeof value !== 'number') return;
  // What a reference brings is not written here.
  if (loaded.origins.reference(path) !== null || !isSecret(schema, path, value)) return;
  for (const line of String(value).split('\n')) if (line.trim().length >= MIN_LENGTH) secrets.add(line.trim());
}

function masked(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets) result = result.replaceAll(secret, MASK.repeat(secret.length));
  return result;
}
