import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** `import … from './x.ts'`, `export … from`, `import './x.ts'` and `import('./x.ts')` of files next to each other. */
const RELATIVE_IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}\/[^"'\n]+)\1/g;

export interface CodeFiles {
  /** Absolute paths, imported ones included. */
  readonly files: readonly string[];
  /** Of their names and contents; empty when there are none. */
  readonly hash: string;
}

/**
 * Users' modules and what they import from beside them. A module stays in a thread for good, so a change of any of these
 * needs fresh workers. Packages are left out: who updates one restarts.
 */
export async function readCodeFiles(entries: readonly string[]): Promise<CodeFiles> {
  const contents = new Map<string, string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (contents.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    contents.set(file, text);
    for (const [, , imported = ''] of text.matchAll(RELATIVE_IMPORT)) waiting.push(resolve(dirname(file), imported));
  }
  const files = [...contents.keys()].sort();
  if (files.length === 0) return { files, hash: '' };
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0${contents.get(file)}\0`);
  return { files, hash: hash.digest('hex') };
}
