import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LinearRegex } from './linear-regex.ts';

function regex(source: string): LinearRegex {
  const parsed = LinearRegex.parse(source);
  if (!parsed.ok) assert.fail(`${source}: ${parsed.message}`);
  return parsed.value;
}

function whole(source: string): LinearRegex {
  const parsed = LinearRegex.parseWhole(source);
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

test('a whole text is fitted by all of the expression, and by its choices too', () => {
  assert.ok(whole('de|fr').test('fr'));
  assert.ok(!whole('de|fr').test('frx'));
  assert.ok(!whole('de|fr').test('xde'));
  assert.ok(whole('(?i)a|b').test('B'));
  assert.ok(whole('').test(''));
  assert.ok(!whole('').test('a'));
});

test('named groups are captured, by preference of quantifiers and choices', () => {
  const post = whole('/(?<year>\\d{4})/(?<slug>[^/]+?)(?:\\.(?<type>json|html))?');
  assert.deepEqual(post.groups, ['year', 'slug', 'type']);
  assert.deepEqual(post.capture('/2024/on-😀.json'), ['2024', 'on-😀', 'json']);
  assert.deepEqual(post.capture('/2024/a.b'), ['2024', 'a.b', '']);
  assert.equal(post.capture('/24/a'), null);
  assert.deepEqual(whole('(?<a>x*)(?<b>x*)').capture('xx'), ['xx', '']);
  assert.deepEqual(whole('(?<a>x*?)(?<b>x*)').capture('xx'), ['', 'xx']);
  assert.deepEqual(whole('(?<a>x|xy)(?<b>y?)').capture('xy'), ['x', 'y']);
  assert.deepEqual(regex('(?<a>b+)').capture('abbab'), ['bb'], 'the leftmost');
  assert.deepEqual(whole('(?:/(?P<last>\\w+))+').capture('/a/b'), ['b'], 'the last of a repetition');
  assert.deepEqual(regex('a').capture('a'), []);
});

test('case is ignored on demand, in ASCII only', () => {
  assert.ok(regex('(?i)^pr[O-o]d$').test('PROD'));
  assert.ok(!regex('(?i)^[^a]$').test('A'));
  assert.ok(!regex('(?i)^k$').test('\u212a'), 'the Kelvin sign is no letter K');
});

test('what does not terminate elsewhere takes the time of one pass', () => {
  const text = 'a'.repeat(8_192);
  for (const source of ['^(?<a>a+)+$', '(a*)*b', '^(a|a)*c', '.*a.*a.*a.*a.*b', '(?:a?){60}a{60}b']) {
    assert.equal(regex(source).test(text), source === '^(?<a>a+)+$', source);
    assert.equal(regex(source).capture(text) !== null, source === '^(?<a>a+)+$', source);
  }
});

test('what cannot be done in linear time, or is a slip, is refused in words', () => {
  assert.match(trouble('(a)\\1'), /not accepted/);
  assert.match(trouble('(?=a)'), /look-around/);
  assert.match(trouble('(?<!a)b'), /look-around/);
  assert.match(trouble('((a{100}){100}){100}'), /steps/);
  assert.match(trouble('(?<a>x)|(?<a>y)'), /two groups are named `a`/);
  assert.match(trouble(Array.from({ length: 17 }, (_, i) => `(?<g${i}>a)`).join('')), /more than 16/);
  assert.match(trouble('\\u00e9'), /not accepted/);
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
    // No pairs of surrogates: the language's engine finds `\B` between them, and misses `[^a]{2}$` behind them.
    .array(fc.constantFrom('a', 'b', 'c', '1', '.', 'é', ' '), { maxLength: 8 })
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

test('its groups agree with the engine of the language wherever both speak', () => {
  const quantifiers = fc.constantFrom('', '', '*', '+', '?', '*?', '+?', '??');
  const piece = fc
    .tuple(fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', 'é'), fc.oneof(quantifiers, fc.constantFrom('{2}', '{1,3}?')))
    .map((parts) => parts.join(''));
  // What is optional must take something in the language, and what repeats forgets what its names took before. In RE2
  // and here it is otherwise, so what has a quantifier takes something, and no names stand in what repeats.
  type Kind = 'expression' | 'plain' | 'solid' | 'named' | 'group';
  const { expression, plain } = fc.letrec<Record<Kind, string>>((tie) => {
    const depth = { maxDepth: 3, depthIdentifier: fc.createDepthIdentifier() };
    const choices = (item: fc.Arbitrary<string>, first = ''): fc.Arbitrary<string> =>
      fc
        .array(fc.array(item, { maxLength: 3 }), { minLength: 1, maxLength: 2 })
        .map((sequences) => sequences.map((items) => first + items.join('')).join('|'));
    return {
      plain: choices(fc.oneof(depth, piece, tie('group'))),
      solid: fc.constantFrom('a', '[ab]').chain((first) => choices(fc.oneof(depth, piece, tie('group')), first)),
      group: fc.oneof(
        tie('plain').map((inner) => `(?:${inner})`),
        fc.tuple(tie('solid'), quantifiers).map(([inner, quantifier]) => `(?:${inner})${quantifier}`),
      ),
      named: fc.oneof(
        tie('expression').map((inner) => `(?<#>${inner})`),
        fc.tuple(tie('solid'), fc.constantFrom('?', '??')).map(([inner, quantifier]) => `(?<#>${inner})${quantifier}`),
      ),
      expression: choices(fc.oneof(depth, piece, tie('group'), tie('named'))),
    };
  });
  const text = fc.array(fc.constantFrom('a', 'b', 'é'), { maxLength: 7 }).map((t) => t.join(''));
  fc.assert(
    fc.property(expression, plain, text, (before, behind, input) => {
      let names = 0;
      const source = `${before}(?<#>${behind})`.replaceAll('#', () => `g${names++}`);
      // Longer ones keep the language's engine busy.
      fc.pre(names <= 16 && source.length < 80);
      for (const [ours, theirs] of [
        [regex(source), new RegExp(source, 'u')],
        [whole(source), new RegExp(`^(?:${source})$`, 'u')],
      ] as const) {
        const groups = theirs.exec(input)?.groups;
        const expected = groups === undefined ? null : Object.values(groups).map((value) => value ?? '');
        assert.deepEqual(ours.capture(input), expected, `/${theirs.source}/ on ${input}`);
        assert.equal(ours.test(input), expected !== null);
      }
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
  // A text that is too long for the bits of its steps.
  const long = 'aabab'.repeat(20_000);
  assert.ok(ours.test(`${long}abbbbbbbbb`));
  assert.ok(!ours.test(`${long}bbbbbbbbbb`));
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
