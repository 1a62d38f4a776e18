import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderBlock } from '../../base/headers.ts';
import { normalPreferences, reducedCodings, reducedLanguages } from './preferences.ts';
import { selectingFields, type VaryRules, variantText, varyNames } from './vary.ts';

const asItIs: VaryRules = { codings: null, languages: null, ignored: null };
const vary = (rules: VaryRules, ...values: string[]) =>
  varyNames(HeaderBlock.of(values.map((value) => ['vary', value] as const)), rules);

test('names (RFC 9110, 12.5.5)', () => {
  assert.equal(vary(asItIs), '');
  assert.equal(vary(asItIs, ''), '');
  assert.equal(vary(asItIs, 'Foo'), 'foo');
  assert.equal(vary(asItIs, 'Foo , bar', 'FOO,, Baz'), 'bar,baz,foo');
  assert.deepEqual(
    selectingFields('bar,foo').map((name) => name.lower),
    ['bar', 'foo'],
  );
  assert.deepEqual(selectingFields(''), []);
  assert.equal(vary({ ...asItIs, ignored: new Set(['user-agent']) }, 'User-Agent, Foo'), 'foo');
});

test('`*` among the members means that nothing matches (RFC 9111, 4.1)', () => {
  for (const values of [['*'], ['*, *'], ['*', '*'], [', *'], ['', '*'], ['*, Foo'], ['Foo, *'], ['Foo,*,Bar']]) {
    assert.equal(vary(asItIs, ...values), '*', values.join('|'));
  }
});

function text(fields: [string, string][], names = 'foo', rules = asItIs): string {
  return variantText(selectingFields(names), HeaderBlock.of(fields), rules);
}

const foo = (...values: string[]) => text(values.map((value) => ['Foo', value]));

test('requests that match (RFC 9111, 4.1)', () => {
  assert.equal(foo('1, 2'), foo('1', '2'), 'several lines are one list');
  assert.equal(foo('1,2'), foo('1 ,\t2'), 'white space in lists');
  assert.notEqual(foo('1'), foo('2'));
  assert.notEqual(foo('a'), foo('A'));
  assert.notEqual(foo(), foo(''), 'absent is not empty');
  assert.notEqual(foo('1 2'), foo('12'));
  assert.notEqual(foo('"1, 2"'), foo('"1,2"'), 'not in quoted strings');
  assert.equal(foo('"1, \\", 2" , 3'), foo('"1, \\", 2",3'));
  const two = (a: string, b: string) =>
    text(
      [
        ['a', a],
        ['b', b],
      ],
      'a,b',
    );
  assert.notEqual(two('1b:', ''), two('1', 'b:'));
  assert.equal(text([['x', '1']], ''), '');
});

test('white space in cookies and credentials is theirs', () => {
  for (const name of ['cookie', 'authorization']) {
    assert.notEqual(text([[name, 'a=1, b']], name), text([[name, 'a=1,b']], name));
  }
});

test('lists with weights mean the same in any order (RFC 9110, 12.4.2)', () => {
  const table: [string, string][] = [
    ['en, de', 'de, en'],
    ['en, de', 'eN,  De '],
    ['en;q=0.5, de', 'de;q=1.0, en; q=0.50'],
    ['en;q=1', 'en'],
    ['gzip, gzip', 'gzip'],
    ['*;q=0', '*;Q=0.000'],
  ];
  for (const [one, other] of table) assert.equal(normalPreferences(one, true), normalPreferences(other, true), one);
  for (const [one, other] of [
    ['en, de', 'en'],
    ['en;q=0.5, de', 'de;q=0.5, en'],
    ['en;q=0', 'en'],
    ['text/html;level=1', 'text/html'],
  ] as const) {
    assert.notEqual(normalPreferences(one, true), normalPreferences(other, true), one);
  }
  const headers = (name: string, value: string) => text([[name, value]], name);
  assert.equal(headers('accept-encoding', 'gzip, br'), headers('accept-encoding', 'BR,gzip'));
  assert.equal(headers('accept', 'text/html, */*;q=0.1'), headers('accept', '*/*;q=0.1,text/html'));
  assert.notEqual(headers('accept', 'a/b;x=C'), headers('accept', 'a/b;x=c'), 'values of parameters have a case');
});

test('shuffled preferences are the same variant', () => {
  const member = fc
    .tuple(fc.constantFrom('a', 'b', 'de-at', '*', 'x'), fc.constantFrom('', ';q=0.5', '; q=0', ';q=1.000'))
    .map(([what, weight]) => what + weight);
  const lists = fc
    .array(member, { maxLength: 6 })
    .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })));
  fc.assert(
    fc.property(lists, ([one, other]) =>
      assert.equal(normalPreferences(one.join(','), true), normalPreferences(other.join(' , '), true)),
    ),
  );
});

test('codings reduced to those there are', () => {
  const codings = ['br', 'gzip'];
  const table: [string, string][] = [
    ['gzip, deflate, br, zstd', 'br,gzip'],
    ['br;q=0.1, gzip', 'br,gzip'],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br;q=0, *', 'gzip'],
    ['*;q=0', ',!identity'],
    ['gzip, identity;q=0', 'gzip,!identity'],
    ['deflate', ''],
    ['', ''],
    ['identity', ''],
  ];
  for (const [value, expected] of table) assert.equal(reducedCodings(value, codings), expected, value);
  const rules = { ...asItIs, codings };
  const variant = (value: string) => text([['accept-encoding', value]], 'accept-encoding', rules);
  assert.equal(variant('gzip, deflate'), variant('gzip;q=0.5'));
});

test('languages reduced to the best there is (RFC 4647, 3.4)', () => {
  const languages = ['en', 'de-CH', 'fr'];
  const table: [string, string][] = [
    ['en-GB, de;q=0.5', 'en'],
    ['de', 'de-CH'],
    ['de-CH-1996', 'de-CH'],
    ['de-AT', ''],
    ['fr;q=0.5, en;q=0.9', 'en'],
    ['es, fr', 'fr'],
    ['*', 'en'],
    ['en;q=0, *;q=0.1', 'de-CH'],
    ['en;q=0', ''],
    ['', ''],
    ['de, en', 'de-CH'],
  ];
  for (const [value, expected] of table) assert.equal(reducedLanguages(value, languages), expected, value);
  const rules = { ...asItIs, languages };
  const variant = (value: string) => text([['accept-language', value]], 'accept-language', rules);
  assert.equal(variant('en-US,en;q=0.9'), variant('en'));
});

test('white space around the commas of a list, but not in quoted strings', () => {
  const variant = (value: string) => text([['x-list', value]], 'x-list', asItIs);
  assert.equal(variant('a ,\tb,  c'), variant('a,b,c'));
  assert.equal(variant('a, "b , \\" , c" , d'), 'x-list:a,"b , \\" , c",d\n');
  assert.notEqual(variant('"a , b"'), variant('"a,b"'));
  // In time that grows with the length, as nobody would notice otherwise.
  assert.equal(variant(`a${' '.repeat(1_000_000)}b,c`).length, 'x-list:'.length + 1_000_004 + 1);
});
