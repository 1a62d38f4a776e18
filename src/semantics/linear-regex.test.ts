import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LinearRegex } from './linear-regex.ts';

function regex(source: string): LinearRegex {
  const parsed = LinearRegex.parse(source);
  if (!parsed.ok) assert.fail(`${source}: ${parsed.message}`);
  return parsed.value;
}

function trouble(source: string): string {
  const parsed = LinearRegex.parse(source);
  return parsed.ok ? assert.fail(`${source} was accepted`) : parsed.message;
}

test('it fits anywhere unless it is anchored', () => {
  assert.ok(regex('b+').test('abbc'));
  assert.ok(!regex('^b').test('ab'));
  assert.ok(!regex('b$').test('b\n'), 'the end of a line is not the end of the text');
  assert.ok(regex('^(?:eu|us)-[a-z]+-\\d$').test('eu-west-1'));
  assert.ok(!regex('^(?:eu|us)-[a-z]+-\\d$').test('eu-west-1x'));
  assert.ok(regex('').test(''));
});

test('characters are code points, and `.` takes any but a line break', () => {
  assert.ok(regex('^.$').test('😀'));
  assert.ok(regex('^[😀-😂]$').test('😁'));
  assert.ok(!regex('^.$').test('\n'));
  assert.ok(regex('(?s)^.$').test('\n'));
  assert.ok(regex('^\\x{1f600}\\x41$').test('😀A'));
});

test('case is ignored on demand, in ASCII only', () => {
  assert.ok(regex('(?i)^pr[O-o]d$').test('PROD'));
  assert.ok(!regex('(?i)^[^a]$').test('A'));
  assert.ok(!regex('(?i)^k$').test('\u212a'), 'the Kelvin sign is no letter K');
});

test('what does not terminate elsewhere takes the time of one pass', () => {
  const text = 'a'.repeat(8_192);
  for (const source of ['^(a+)+$', '(a*)*b', '^(a|a)*c', '.*a.*a.*a.*a.*b', '(?:a?){60}a{60}b']) {
    assert.equal(regex(source).test(text), source === '^(a+)+$', source);
  }
});

test('what cannot be done in linear time, or is a slip, is refused in words', () => {
  assert.match(trouble('(a)\\1'), /not accepted/);
  assert.match(trouble('(?=a)'), /look-around/);
  assert.match(trouble('(?<!a)b'), /look-around/);
  assert.match(trouble('((a{100}){100}){100}'), /steps/);
  assert.match(trouble('a{5,2}'), /ends before/);
  assert.match(trouble('a**'), /two quantifiers/);
  assert.match(trouble('*a'), /repeats nothing/);
  assert.match(trouble('(a'), /not closed/);
  assert.match(trouble('a)'), /closes nothing/);
  assert.match(trouble('[z-a]'), /range/);
  assert.match(trouble('[[:alpha:]]'), /named classes/);
  assert.match(trouble('\\pL'), /not accepted/);
  assert.match(trouble('a\\'), /middle/);
  assert.match(trouble('[a'), /middle/);
  assert.match(trouble(`${'('.repeat(50)}a${')'.repeat(50)}`), /deeply/);
});

test('it agrees with the engine of the language wherever both speak', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    '\\b',
    '\\B',
    '^',
    '$',
    'é',
    '\\.',
    '[a-c\\d]',
  );
  const piece = fc
    .tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{0,}', '*?'))
    .map(([text, quantifier]) => (/^(?:\\[bB]|[\^$])$/.test(text) ? text : text + quantifier));
  const { expression } = fc.letrec<{ expression: string; group: string }>((tie) => ({
    group: fc.tuple(tie('expression'), fc.constantFrom('', '*', '?', '{1,2}')).map(([inner, q]) => `(?:${inner})${q}`),
    expression: fc
      .array(fc.array(fc.oneof({ maxDepth: 3 }, piece, tie('group')), { maxLength: 4 }), { minLength: 1, maxLength: 3 })
      .map((choices) => choices.map((items) => items.join('')).join('|')),
  }));
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', '1', '.', 'é', ' ', '😀'), { maxLength: 8 })
    .map((t) => t.join(''));
  fc.assert(
    fc.property(expression, text, (source, input) => {
      const parsed = LinearRegex.parse(source);
      fc.pre(parsed.ok);
      assert.equal(parsed.value.test(input), new RegExp(source, 'u').test(input), `/${source}/ on ${input}`);
    }),
    { numRuns: 2_000 },
  );
});

test('what it remembers is bounded, and forgetting changes nothing', () => {
  const source = '(?:a|b)*a(?:a|b){9}$';
  const [ours, theirs] = [regex(source), new RegExp(source)];
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 60 });
  fc.assert(
    fc.property(text, (input) => assert.equal(ours.test(input), theirs.test(input))),
    { numRuns: 500 },
  );
});

test('any text is an expression or a problem, and never an exception', () => {
  const sign = fc.constantFrom(
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '*',
    '+',
    '?',
    '|',
    '\\',
    '^',
    '$',
    '.',
    '-',
    ',',
    '1',
    'x',
    'a',
    ':',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ maxLength: 20 }),
        fc.array(sign, { maxLength: 12 }).map((t) => t.join('')),
      ),
      (source) => {
        const parsed = LinearRegex.parse(source);
        if (parsed.ok) parsed.value.test(source);
        else assert.ok(parsed.message.length > 0 && parsed.remedy.endsWith('.'));
      },
    ),
    { numRuns: 2_000 },
  );
});
