import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { duration, listOf, mapOf, secret } from '../plan/fields.ts';
import { checkDocument } from './check.ts';
import type { LoadOptions } from './document.ts';
import { loadConfig } from './load.ts';

async function check<S extends z.ZodType>(
  context: TestContext,
  text: string,
  schema: S,
  options: Partial<LoadOptions> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'sluice.yaml'), text);
  const loaded = await loadConfig([join(folder, 'sluice.yaml')], { env: {}, ...options });
  const { value, problems } = checkDocument(loaded, schema);
  return {
    value,
    said: problems.map(({ message }) => message),
    remedies: problems.map(({ remedy }) => remedy),
    problems,
  };
}

test('`x-*` keys are ignored where keys are fixed, and kept where they are free', async (context) => {
  const schema = z.strictObject({
    a: z.strictObject({ b: z.number() }),
    headers: mapOf(z.string()),
    routes: mapOf(z.union([z.string(), z.array(z.string()), z.strictObject({ to: z.string() })])),
  });
  const text = 'x-top: 1\na: { b: 1, x-note: why }\nheaders: { x-foo: bar }\nroutes: { /a: { to: b, x-owner: me } }\n';
  const { value } = await check(context, text, schema);
  assert.deepEqual(value, { a: { b: 1 }, headers: { 'x-foo': 'bar' }, routes: { '/a': { to: 'b' } } });
});

test('a typed reference becomes text again where text is wanted', async (context) => {
  const schema = z.strictObject({
    key: z.string(),
    either: z.union([z.number(), z.string()]),
    list: listOf(z.string()),
    n: z.int(),
  });
  const text = 'key: "${env:K}"\neither: "${env:K}"\nlist: ["${env:K}"]\nn: "${env:K}"\n';
  const { value, said } = await check(context, text, schema, { env: { K: '0042' } });
  assert.deepEqual(said, []);
  assert.deepEqual(value, { key: '0042', either: 42, list: ['0042'], n: 42 });
});

test('a value from outside is named, never shown', async (context) => {
  const word = z
    .string()
    .superRefine((text, issue) => issue.addIssue({ code: 'custom', message: `cannot use ${text}` }));
  const schema = z.strictObject({ a: z.int(), b: z.enum(['x']), c: word, d: duration() });
  const text = 'a: "${env:S}"\nb: "${env:S}"\nc: "so ${env:S}"\nd: "${env:S}"\n';
  const { said, remedies } = await check(context, text, schema, { env: { S: '5 hours-of-secret' } });
  assert.equal(said.length, 4);
  assert.ok(![...said, ...remedies].join().includes('of-secret'));
  assert.equal(said[2], 'cannot use so ${env:S}');
});

test('a default in the place of a secret is refused, but for a demo', async (context) => {
  const schema = z.strictObject({
    auth: z.union([z.string(), mapOf(z.strictObject({ key: secret().optional() }))]),
    other: z.string(),
  });
  const text = 'auth: { a: { key: "${env:K:-changeme}" } }\nother: "${env:K:-fine}"\n';
  const refused = await check(context, text, schema);
  assert.deepEqual(refused.said, ['a secret must not have a default']);
  assert.equal(refused.value, null);
  const demo = await check(context, text, schema, { allowSecretDefaults: true });
  assert.deepEqual(demo.value, { auth: { a: { key: 'changeme' } }, other: 'fine' });
});

test('what the loader could not resolve is not reported twice', async (context) => {
  const schema = z.strictObject({ n: z.union([z.int(), z.strictObject({ m: z.int() })]) });
  const { problems } = await check(context, 'n: { m: "${env:NONE}" }\n', schema);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['missing-env'],
  );
});

test('of a union, the branch that was meant speaks', async (context) => {
  const target = z.union([
    z.string(),
    mapOf(z.number()),
    z.strictObject({ url: z.url(), weight: z.number().optional() }),
  ]);
  const action = z.union([
    z.strictObject({ kind: z.literal('redirect'), to: z.string() }),
    z.strictObject({ kind: z.literal('respond'), status: z.int() }),
  ]);
  const schema = z.strictObject({
    a: target.optional(),
    b: action.optional(),
    c: z.discriminatedUnion('kind', action.options).optional(),
  });
  const cases: [text: string, said: string[]][] = [
    ['a: { x: many }', ['expected a number, found `many`']],
    ['a: { url: nothing, weight: 1 }', ['expected a URL, found `nothing`']],
    ['a: 5', ['expected text or a map, found the number 5']],
    ['b: { kind: respond, status: ok }', ['expected a whole number, found `ok`']],
    ['b: { kind: redirect, status: 200 }', ['`to` is missing', 'unknown key `status`']],
    ['c: { kind: respond, status: ok }', ['expected a whole number, found `ok`']],
    ['c: { kind: answer }', ['expected `redirect` or `respond`, found `answer`']],
    ['c: {}', ['`kind` is missing']],
  ];
  for (const [text, said] of cases) assert.deepEqual((await check(context, text, schema)).said, said, text);
});

test('a scalar where a list is allowed comes out as a list, and its place is found', async (context) => {
  const { value } = await check(
    context,
    'a: x\nb: [x, y]\n',
    z.strictObject({ a: listOf(z.string()), b: listOf(z.string()) }),
  );
  assert.deepEqual(value, { a: ['x'], b: ['x', 'y'] });
});
