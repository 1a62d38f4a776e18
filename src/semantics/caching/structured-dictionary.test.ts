import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MemberValue, parseDictionary } from './structured-dictionary.ts';

const read = (text: string): Record<string, unknown> | null => {
  const members = parseDictionary(text);
  return members === null ? null : Object.fromEntries([...members].map(([key, value]) => [key, plain(value)]));
};

function plain(value: MemberValue): unknown {
  if (value.kind === 'list') return 'list';
  if (value.kind === 'boolean') return value.isTrue;
  return 'number' in value ? value.number : value.text;
}

test('members of every type (RFC 9651, 3.2 and 3.3)', () => {
  assert.deepEqual(read(''), {});
  assert.deepEqual(read('   '), {});
  assert.deepEqual(read('a'), { a: true });
  assert.deepEqual(read('a=1,b , c=?0\t,\td="x\\"\\\\y"'), { a: 1, b: true, c: false, d: 'x"\\y' });
  assert.deepEqual(read('a=-12.5, b=*tok/en:1, c=:aGk=:, d=@1659578233, e=%"f%c3%bc"'), {
    a: -12.5,
    b: '*tok/en:1',
    c: 'aGk=',
    d: 1659578233,
    e: '%"f%c3%bc"',
  });
  assert.deepEqual(read('a=(1 "x";p  y), b=()'), { a: 'list', b: 'list' });
  assert.deepEqual(read('a;p=1;q, b=2; r="s"'), { a: true, b: 2 }, 'parameters are dropped');
  assert.deepEqual(read('a=1, a=2'), { a: 2 }, 'the last of a name');
  assert.deepEqual(read('*a_b-c.d=999999999999999'), { '*a_b-c.d': 999999999999999 });
});

test('what does not parse says nothing', () => {
  for (const text of [
    'A=1',
    '1',
    'a=',
    'a =1',
    'a= 1',
    'a,',
    'a,,b',
    'a b',
    ',a',
    'a=1000000000000000',
    'a=1.',
    'a=1.2345',
    'a=1234567890123.1',
    'a=--1',
    'a="x',
    'a="\u00fc"',
    'a="\\x"',
    'a=?2',
    'a=(1',
    'a=(1,2)',
    'a=(1)2',
    'a=("x""y")',
    'a=@1.5',
    'a;P=1',
    'a;',
    'a=:?:',
    '\ta',
  ]) {
    assert.equal(read(text), null, text);
  }
});

test('any text ends, and comes out the same for each spelling of optional white space', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '=', ',', ' ', '"', '1', '.', '(', ')', ';', '\\', '?', '-') });
  fc.assert(
    fc.property(text, (value) => {
      const members = read(value);
      if (members !== null && !value.includes('"')) assert.deepEqual(read(value.replaceAll(',', ' , ')), members);
    }),
  );
});
