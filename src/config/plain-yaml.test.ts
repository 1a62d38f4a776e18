import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Lines } from './lines.ts';
import { readPlainYaml } from './plain-yaml.ts';
import { readAnyYaml } from './yaml-reader.ts';

/** Whether the fast reader took it; what it takes, the library must read as the same nodes at the same offsets. */
function compare(text: string): boolean {
  const plain = readPlainYaml(text, 0);
  if (plain === null) return false;
  const { root, problems } = readAnyYaml(text, 'sluice.yaml', 0, new Lines(new Map([['sluice.yaml', text]])));
  assert.deepEqual(problems, [], `the library refuses ${JSON.stringify(text)}`);
  assert.deepEqual(plain, root, JSON.stringify(text));
  return true;
}

test('it takes what configurations are made of', () => {
  const texts = [
    readFileSync(join(import.meta.dirname, '../../test/golden/config/cases/sound/sluice.yaml'), 'utf8'),
    'a: 1\n',
    '# only a comment above\n\na: b # and behind\n\n\nc: d',
    'routes: { /*: http://127.0.0.1:3000 }',
    'GET /v1/users/{id}: users\n/legacy/*:\n  to: "https://shop.example/v1/{path.rest}"\n',
    'a:\n- x\n- to: y\n  auth: public\n-   deep:\n      - z\nb: c\n',
    'a:\n  - { b: c,\n      d: [e, f], # comment\n      "g":1 }\n  - [\n    x,\n    ]\n',
    'text: |\n  one\n    two\n\n  three\nnext: |-\n  four\nlist:\n  - |\n    five\n',
    '{\n  "a": [1, 2.5, true, null],\n  "b": { "c": "d\\n\\u00e9" }\n}\n',
    "a: 'it''s'\n'b': -1\n\"c\": 0x1F\n",
    'empty:\nlist: []\nmap: {}\nafter: ~\n',
    'a: x:y\nb: a#b\nc: -x\nd: ?x\ne: :x\nf: x, y\n',
  ];
  for (const text of texts) assert.ok(compare(text), text);
});

test('it leaves the rest to the library', () => {
  const texts = [
    'a: &b c\nd: *b\n',
    'a: !tag b\n',
    '<<: { a: 1 }\n',
    'a: 1\na: 2\n',
    'a: b: c\n',
    'a: b\n  c\n',
    'a:\n\tb: c\n',
    'a: >\n  folded\n',
    'a: "two\n  lines"\n',
    '---\na: 1\n',
    'a: {b, c}\n',
    'a: |\n',
    'a: [b: c]\n',
    '? a\n: b\n',
    'just text',
    '- - a\n',
    'a: 1e999\n',
    'a: .inf\n',
    '__proto__: 1\n',
    'a: {b: c\n',
    '',
  ];
  for (const text of texts) assert.equal(compare(text), false, text);
});

test('any text: it gives up, or agrees with the library', () => {
  const token = fc.constantFrom(
    ...[
      'a',
      'b: ',
      'c:',
      ': ',
      ' ',
      '  ',
      '\n',
      '\n  ',
      '\n    ',
      '- ',
      '-',
      '[',
      ']',
      '{',
      '}',
      ', ',
      ',',
      '"',
      "'",
      '#',
      ' # x',
    ],
    ...[
      '1',
      '0',
      '.5',
      '-',
      '+',
      'e3',
      'null',
      '~',
      'true',
      '|',
      '|-',
      '>',
      '&x',
      '*x',
      '!',
      '?',
      '? ',
      '%',
      '@',
      '\\',
      '\\n',
      '---',
    ],
    ...['é', '<<', '0x', '\u00a0', '=', '$', '/', '*', 'a: b\n', '- a\n', 'a:\n  '],
  );
  const text = fc.array(token, { maxLength: 14 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (input) => void compare(input)),
    { numRuns: 20_000 },
  );
});

test('any data that the library writes: it mostly reads it, and as the library does', () => {
  const word = fc.oneof(
    fc.constantFrom(
      'GET /v1/{id}',
      'a b',
      '10/min by address',
      '',
      'x: y',
      '# no',
      'null',
      '12',
      '-',
      '{x}',
      "it's",
      'a\nb',
      ' x',
      'é"\\',
    ),
    fc.string({ maxLength: 6 }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(
        word,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
      ),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  const document = fc.dictionary(word, tree, { minKeys: 1, maxKeys: 4, noNullPrototype: true });
  let taken = 0;
  const runs = 3000;
  const styles = fc.record({
    collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
    lineWidth: fc.constantFrom(0, 40),
  });
  fc.assert(
    fc.property(document, styles, (data, style) => {
      if (compare(stringify(data, style))) taken += 1;
    }),
    { numRuns: runs },
  );
  assert.ok(taken > runs / 4, `it took only ${taken} of ${runs}`);
});
