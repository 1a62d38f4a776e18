import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStrictJson } from './strict-json.ts';

const parse = (text: string | Buffer) => parseStrictJson(Buffer.from(text), 16);

test('JSON means what it means to everybody', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      const expected = JSON.parse(text);
      const isStrict = !/\\ud[89a-f]/.test(text);
      assert.deepEqual(parse(text), isStrict ? expected : undefined);
    }),
  );
});

test('no member is named twice, however it is spelt', () => {
  const refused = [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"a":1,"b":2,"a":3}}',
    '[{"a":1},{"a":1,"a":2}]',
    '{"__proto__":1,"__proto__":2}',
    '{"":1,"":2}',
    '{"1":0,"1":0}',
  ];
  for (const text of refused) assert.equal(parse(text), undefined, text);
  assert.deepEqual(parse('{"a":{"a":":{\\"a\\":"},"b":[{"a":1},{"a":2}]}'), {
    a: { a: ':{"a":' },
    b: [{ a: 1 }, { a: 2 }],
  });
  assert.deepEqual(Object.keys(parse('{"__proto__":{"admin":true}}') as object), ['__proto__']);
  assert.equal((parse('{"__proto__":{"admin":true}}') as { admin?: boolean }).admin, undefined);
});

test('two members of one name are found wherever they are', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.nat(), { minKeys: 1 }), fc.nat(), (object, index) => {
      const names = Object.keys(object);
      const again = names[index % names.length] as string;
      const members = [...names, again].map((name) => `${JSON.stringify(name)}:1`);
      assert.equal(parse(`{${members.join(',')}}`), undefined);
    }),
  );
});

test('what others read in another way is refused', () => {
  const texts = [
    '',
    ' ',
    '{',
    '{"a"}',
    '{"a":}',
    "{'a':1}",
    '{"a":1,}',
    '[1,]',
    '01',
    '.5',
    '+1',
    'NaN',
    'Infinity',
    'nul',
    '// x',
    '1 2',
  ];
  texts.push('{"a":1}}', '"\\ud800"', '{"\\udc00":1}', '1e999', '[-1e400]', '"\n"', '"\\x"', '"abc', '"\\', '\ufeff{}');
  for (const text of texts) assert.equal(parse(text), undefined, JSON.stringify(text));
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0xaf, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xe2, 0x82, 0x22],
  ]) {
    assert.equal(parse(Buffer.from(bytes)), undefined, 'not UTF-8');
  }
});

test('any bytes at all: a value or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      parse(Buffer.from(bytes));
    }),
  );
  const pieces = fc.array(fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', 'a', '1', ' '), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, (list) => {
      const text = list.join('');
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expected = undefined;
      }
      const value = parse(text);
      if (value !== undefined) assert.deepEqual(value, expected);
    }),
  );
});

test('depth is bounded, and values are frozen to the ground', () => {
  const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  assert.notEqual(parse(nested(16)), undefined);
  assert.equal(parse(nested(17)), undefined);
  assert.equal(parse('['.repeat(1_000_000)), undefined);
  assert.notEqual(parse(`"${'['.repeat(100)}"`), undefined);
  const value = parse('{"a":[{"b":1}]}') as { a: { b: number }[] };
  assert.ok(Object.isFrozen(value) && Object.isFrozen(value.a) && Object.isFrozen(value.a[0]));
});
