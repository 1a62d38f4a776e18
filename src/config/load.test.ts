import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { LoadOptions } from './document.ts';
import { loadConfig } from './load.ts';

async function load(
  context: TestContext,
  files: Record<string, string>,
  options: Partial<LoadOptions> = {},
  names = ['sluice.yaml'],
) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-load-'));
  context.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const loaded = await loadConfig(
    names.map((name) => join(folder, name)),
    { env: {}, ...options },
  );
  const short = (text: string): string => text.replaceAll(`${folder}/`, '');
  return { loaded, folder, short, problems: loaded.problems.map(({ code }) => code) };
}

function where(loaded: Awaited<ReturnType<typeof loadConfig>>, path: (string | number)[], key = false): string {
  const { line, column } = key ? loaded.origins.keyPlace(path) : loaded.origins.place(path);
  return `${line}:${column}`;
}

test('every value and key knows its place, whatever the order of its keys', async (context) => {
  const { loaded } = await load(context, {
    'sluice.yaml': '\uFEFFroutes:\r\n  b: { to: [x, y] }\r\n  200: z\r\n  "q": {}\r\n  empty:\r\n',
  });
  assert.deepEqual(loaded.value, { routes: { 200: 'z', b: { to: ['x', 'y'] }, q: {}, empty: null } });
  assert.equal(where(loaded, ['routes', 'b', 'to', 1]), '2:16');
  assert.equal(where(loaded, ['routes', 'b', 'to'], true), '2:8');
  assert.equal(where(loaded, ['routes', '200']), '3:8');
  assert.equal(where(loaded, ['routes', '200'], true), '3:3');
  assert.equal(where(loaded, ['routes', 'q']), '4:8');
  assert.equal(where(loaded, ['routes', 'empty']), '5:3');
  assert.equal(where(loaded, ['routes', 'nowhere', 'at', 'all']), '2:3');
  assert.equal(loaded.origins.place(['routes', 'b', 'to', 1]).path, 'routes.b.to[1]');
});

test('later files overlay earlier ones: maps merge, the rest replaces', async (context) => {
  const files = {
    'a.yaml': 'a: { x: 1, y: [1, 2], z: { k: 1 } }\nb: 1\n',
    'b.yaml': 'a: { y: [3], z: 5, w: 6 }\n',
    'c.json': '{"b": {"c": 1}}',
  };
  const { loaded, short } = await load(context, files, {}, ['a.yaml', 'b.yaml', 'c.json']);
  assert.deepEqual(loaded.value, { a: { x: 1, y: [3], z: 5, w: 6 }, b: { c: 1 } });
  assert.equal(short(loaded.origins.place(['a', 'x']).file), 'a.yaml');
  assert.equal(short(loaded.origins.place(['a', 'y', 0]).file), 'b.yaml');
  assert.equal(short(loaded.origins.place(['b', 'c']).file), 'c.json');
  assert.deepEqual(loaded.watched.map(short), ['a.yaml', 'b.yaml', 'c.json']);
});

test('a replaced reference is never resolved', async (context) => {
  const files = { 'a.yaml': 'a: "${env:NONE}"', 'b.yaml': 'a: 1' };
  const { loaded, problems } = await load(context, files, {}, ['a.yaml', 'b.yaml']);
  assert.deepEqual(loaded.value, { a: 1 });
  assert.deepEqual(problems, []);
});

test('merge keys give way to keys in place, and earlier maps to later ones', async (context) => {
  const { loaded } = await load(context, {
    'sluice.yaml': 'x-a: &a { p: 1, q: 1 }\nx-b: &b { q: 2, r: 2 }\nm: { <<: [*a, *b], r: 3 }\n"<<": { plain: key }\n',
  });
  assert.deepEqual(loaded.value, { m: { r: 3, p: 1, q: 1 }, '<<': { plain: 'key' } });
  assert.equal(where(loaded, ['m', 'q']), '1:20');
});

test('an alias shares one escaped scalar without reading it twice', async (context) => {
  const { loaded, problems } = await load(context, { 'sluice.yaml': 'a: &a "$${env:X}"\nb: *a\nc: [*a]\n' });
  assert.deepEqual(loaded.value, { a: '${env:X}', b: '${env:X}', c: ['${env:X}'] });
  assert.deepEqual(problems, []);
});

test('references inside ignored keys are not asked for', async (context) => {
  const { problems } = await load(context, { 'sluice.yaml': '$schema: x\nx-later: { key: "${env:NONE}" }\na: 1\n' });
  assert.deepEqual(problems, []);
});

test('includes are watched, with their patterns, and one file counts once', async (context) => {
  const { loaded, short, problems } = await load(
    context,
    {
      'sluice.yaml': 'include: ["${env:DIR}/*.yaml", teams/b.yaml]\nroutes: { /own: a }\n',
      'teams/a.yaml': 'include: deeper/c.yaml\nroutes: { /a: a }\nversion: 1\n',
      'teams/b.yaml': 'routes: { /b: "${file:../key}" }\n',
      'teams/deeper/c.yaml': 'upstreams: { c: http://c }\n',
      key: 'word\n',
    },
    { env: { DIR: 'teams' } },
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(loaded.value, { routes: { '/own': 'a', '/a': 'a', '/b': 'word' }, upstreams: { c: 'http://c' } });
  assert.deepEqual(loaded.watched.map(short), [
    'sluice.yaml',
    'teams/a.yaml',
    'teams/deeper/c.yaml',
    'teams/b.yaml',
    'key',
  ]);
  assert.deepEqual(loaded.watchedPatterns.map(short), ['teams/*.yaml']);
  const origin = loaded.origins.origin(['routes', '/b']);
  assert.equal(origin.reference?.from, 'file ../key');
  assert.equal(loaded.origins.redact('it says word', ['routes']), 'it says ${file:../key}');
});

test('a file that cannot be read leaves nothing to check', async (context) => {
  for (const text of ['a: [1', '- a\n', 'a: *b\n']) {
    const { loaded } = await load(context, { 'sluice.yaml': text });
    assert.equal(loaded.complete, false, text);
    assert.equal(loaded.problems.length, 1);
  }
  const { loaded, problems } = await load(context, {});
  assert.equal(loaded.complete, false);
  assert.deepEqual(problems, ['missing-file']);
});

test('an empty file is an empty map', async (context) => {
  const { loaded } = await load(context, { 'sluice.yaml': '# nothing yet\n' });
  assert.deepEqual([loaded.value, loaded.problems], [{}, []]);
});

test('a TypeScript configuration is evaluated to data, and what it imports is watched', async (context) => {
  const { loaded, short, problems } = await load(
    context,
    {
      'sluice.config.ts': `
        import { port } from './port.ts';
        interface Shape { listen: string }
        const shape: Shape = { listen: '127.0.0.1:' + port };
        setInterval(() => {}, 1000);
        console.log('noise');
        export default Promise.resolve({ ...shape, env: process.env.TEAM, file: '\${file:key}', gone: undefined });
      `,
      'port.ts': 'export const port: number = 8080;',
      key: '5',
    },
    { env: { ...process.env, TEAM: 'red' } },
    ['sluice.config.ts'],
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(loaded.value, { listen: '127.0.0.1:8080', env: 'red', file: 5 });
  assert.deepEqual(loaded.watched.map(short).sort(), ['key', 'port.ts', 'sluice.config.ts']);
  assert.deepEqual(loaded.origins.place(['env']).line, 0);
});

test('a TypeScript configuration that loops, exits, or exports nothing is a problem, not a hang', async (context) => {
  const cases: [text: string, code: string][] = [
    ['while (true) {}', 'config-timeout'],
    ['await new Promise((resolve) => setTimeout(resolve, 60_000)); export default {};', 'config-timeout'],
    ['process.exit(3);', 'config-crash'],
    ['export const config = {};', 'config-export'],
    ['export default () => ({});', 'config-export'],
    ['export default { a: ;', 'config-thrown'],
    ['const a: any = { n: 1n, d: new Date(0) }; a.self = a; export default a;', 'not-data'],
  ];
  await Promise.all(
    cases.map(async ([text, code]) => {
      const options = { evaluationTimeout: code === 'config-timeout' ? 700 : 20_000 };
      const { problems } = await load(context, { 'sluice.config.ts': text }, options, ['sluice.config.ts']);
      assert.equal(problems[0], code, text);
    }),
  );
});
