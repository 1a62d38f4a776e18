import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDocument } from 'yaml';
import { escapeReferences, parseReferences, ReferenceResolver, typed } from './references.ts';

function resolve(text: string, env: Record<string, string | undefined> = {}, file = 'sluice.yaml') {
  const resolver = new ReferenceResolver(env);
  const resolved = resolver.resolve(text, file, () => null);
  return { value: resolved === null ? text : resolved.value, resolver, reference: resolved?.reference ?? null };
}

test('a whole scalar is typed, text around it makes it text', () => {
  const env = { N: '42', B: 'true', F: '1.5', S: 'words', E: '', Z: '~' };
  assert.equal(resolve('${env:N}', env).value, 42);
  assert.equal(resolve('${env:B}', env).value, true);
  assert.equal(resolve('${env:F}', env).value, 1.5);
  assert.equal(resolve('${env:S}', env).value, 'words');
  assert.equal(resolve('${env:E}', env).value, '');
  assert.equal(resolve('${env:Z}', env).value, null);
  assert.equal(resolve('${env:N} ', env).value, '42 ');
  assert.equal(resolve('${env:N}${env:N}', env).value, '4242');
});

test('a default stands in for what is unset or empty', () => {
  assert.equal(resolve('${env:A:-5}').value, 5);
  assert.equal(resolve('${env:A:-5}', { A: '' }).value, 5);
  assert.equal(resolve('${env:A:-5}', { A: '7' }).value, 7);
  assert.equal(resolve('${env:A:-}').value, '');
  assert.equal(resolve('a:${env:A:-b:-c}').value, 'a:b:-c');
});

test('what comes from outside is not read for references again', () => {
  assert.equal(resolve('${env:A}', { A: '${env:B}', B: 'no' }).value, '${env:B}');
  assert.equal(resolve('$${env:A}', { A: 'no' }).value, '${env:A}');
  assert.equal(resolve('${"template"} and $5 {id}').value, '${"template"} and $5 {id}');
});

test('files are relative to the configuration, and lose one newline at the end', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-references-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'key'), 'secret\n\n');
  writeFileSync(join(folder, 'windows'), 'secret\r\n');
  const file = join(folder, 'sluice.yaml');
  assert.equal(resolve('${file:key}', {}, file).value, 'secret\n');
  assert.equal(resolve('${file:windows}', {}, file).value, 'secret');
  const { resolver } = resolve('${file:none} ${file:.}', {}, file);
  assert.deepEqual(
    resolver.problems.map(({ message }) => message),
    ['the file `none` does not exist', 'the file `.` is a directory'],
  );
  assert.deepEqual([...resolver.files], [join(folder, 'none'), folder]);
});

test('what cannot be resolved is an error, and the text stays as it is', () => {
  const { value, reference, resolver } = resolve('a ${env:TOKEN} b ${env:OTHER}', { TOKENS: 'x' });
  assert.equal(value, 'a ${env:TOKEN} b ${env:OTHER}');
  assert.equal(reference?.text, null);
  assert.deepEqual(
    resolver.problems.map(({ code }) => code),
    ['missing-env', 'missing-env'],
  );
  assert.match(resolver.problems[0]?.remedy ?? '', /Did you mean `TOKENS`\?/);
});

test('typing is that of the YAML core schema', () => {
  const word = fc.oneof(
    fc.constantFrom(
      '~',
      'null',
      'Null',
      'TRUE',
      'False',
      'yes',
      '0x1F',
      '0o17',
      '017',
      '1e3',
      '.5',
      '5.',
      '+1',
      '-0',
      '1_0',
    ),
    fc.stringMatching(/^[-+.0-9a-fxoE]{1,6}$/),
  );
  fc.assert(
    fc.property(word, (text) => {
      const document = parseDocument(`a: ${text}`);
      fc.pre(document.errors.length === 0);
      const expected: unknown = document.toJS().a;
      const usable = typeof expected === 'number' && !Number.isFinite(expected) ? text : expected;
      if (typeof expected !== 'object' || expected === null) assert.deepEqual(typed(text), usable);
    }),
    { numRuns: 1000 },
  );
});

const alphabet = fc.constantFrom('$', '{', '}', 'env:', 'file:', 'A', ':-', ' ', 'x', '$${', '${env:A}', '\n');
const anyText = fc.oneof(
  fc.array(alphabet, { maxLength: 12 }).map((parts) => parts.join('')),
  fc.string(),
);

test('escaped text comes back as it was', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const escaped = escapeReferences(text);
      assert.equal(resolve(escaped, { A: 'wrong' }).value, text);
    }),
    { numRuns: 2000 },
  );
});

test('values put into text come out of it, whatever stands around them', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, (before, value, after) => {
      const text = `${escapeReferences(before)}\${env:VALUE}${escapeReferences(after)}`;
      // A dollar right before would turn the reference into an escape.
      fc.pre(!before.endsWith('$'));
      const { value: resolved } = resolve(text, { VALUE: value });
      assert.equal(
        String(before === '' && after === '' ? resolve(text, { VALUE: value }).reference?.text : resolved),
        before + value + after,
      );
    }),
    { numRuns: 2000 },
  );
});

test('any text can be parsed, and the pieces cover it', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const pieces = parseReferences(text);
      const length = pieces.reduce(
        (sum, piece) => sum + (piece.kind === 'text' ? escapeReferences(piece.text).length : piece.shown.length),
        0,
      );
      assert.ok(pieces.length > 0);
      assert.ok(length >= text.length);
    }),
    { numRuns: 2000 },
  );
});
