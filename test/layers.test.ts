import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

/**
 * Imports go one way: a folder may import those before it, and folders on one level never import each other. Tests may
 * import anything.
 */
const levels: readonly (readonly string[])[] = [
  ['base'],
  ['semantics'],
  ['plan'],
  ['shared-memory'],
  ['runtime', 'stores', 'policies', 'observability', 'config'],
  ['compile'],
  ['supervisor'],
  ['admin'],
  ['cli'],
];
const level = new Map(levels.flatMap((folders, index) => folders.map((folder) => [folder, index] as const)));

const source = resolve(import.meta.dirname, '../src');
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+\.ts)['"]/g;

function* sourceFiles(): Generator<string> {
  for (const entry of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (entry.endsWith('.ts') && !entry.endsWith('.test.ts')) yield entry;
  }
}

function* importsOf(file: string): Generator<string> {
  const text = readFileSync(join(source, file), 'utf8');
  for (const match of text.matchAll(importPattern)) {
    const target = match[1] ?? match[2] ?? match[3];
    if (target?.startsWith('.')) yield relative(source, resolve(source, dirname(file), target));
  }
}

function folderOf(file: string): string | null {
  const [first, ...rest] = file.split('/');
  return rest.length === 0 || first === undefined ? null : first;
}

test('imports follow the layers', () => {
  const violations: string[] = [];
  for (const file of sourceFiles()) {
    const from = folderOf(file);
    // Files directly in src are composition roots.
    if (from === null) continue;
    const fromLevel = level.get(from);
    assert.notEqual(fromLevel, undefined, `src/${from} is in no layer: add it to this test and to the docs`);
    for (const target of importsOf(file)) {
      const to = folderOf(target);
      const toLevel = to === null ? Number.POSITIVE_INFINITY : level.get(to);
      if (to === from) continue;
      if (toLevel === undefined || (fromLevel as number) <= toLevel) violations.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(violations, []);
});

test('policies never import policies, nor entries of `auth` one another', () => {
  const registries = new Set(['policies/registry.ts', 'policies/auth/registry.ts']);
  const listed = [...registries].flatMap((file) => [...importsOf(file)]);
  const modules = new Set(listed.filter((file) => folderOf(file) === 'policies' && !registries.has(file)));
  const violations: string[] = [];
  for (const file of sourceFiles()) {
    if (folderOf(file) !== 'policies' || registries.has(file)) continue;
    for (const target of importsOf(file)) if (modules.has(target)) violations.push(`${file} imports ${target}`);
  }
  assert.deepEqual(violations, []);
});

test('only one file touches undocumented handle methods', () => {
  const users = [...sourceFiles()].filter((file) =>
    /process\.binding|\._handle|_handle:/.test(readFileSync(join(source, file), 'utf8')),
  );
  assert.deepEqual(users, ['runtime/raw-transport.ts']);
});
