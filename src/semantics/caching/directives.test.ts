import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldName, HeaderBlock } from '../../base/headers.ts';
import { parseDeltaSeconds } from './delta-seconds.ts';
import { noDirectives, type ResponseDirectives } from './directives.ts';
import { type RequestDirectives, requestDirectives } from './request-directives.ts';
import { responseDirectives } from './response-directives.ts';

const targets = [fieldName('sluice-cache-control'), fieldName('cdn-cache-control'), fieldName('surrogate-control')];

function response(...fields: [string, string][]): ResponseDirectives {
  return responseDirectives(HeaderBlock.of(fields), targets, 'sluice');
}

function said(...fields: [string, string][]): Partial<ResponseDirectives> {
  const silent = noDirectives();
  const entries = Object.entries(response(...fields)) as [keyof ResponseDirectives, unknown][];
  return Object.fromEntries(entries.filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(silent[key])));
}

test('delta-seconds (RFC 9111, 1.2.2)', () => {
  assert.equal(parseDeltaSeconds('0'), 0);
  assert.equal(parseDeltaSeconds('003600'), 3600);
  assert.equal(parseDeltaSeconds('2147483648'), 2 ** 31);
  assert.equal(parseDeltaSeconds('99999999999'), 2 ** 31, 'too great is the greatest');
  assert.equal(parseDeltaSeconds('9'.repeat(1000)), 2 ** 31);
  for (const text of ['', '-1', '+1', '1.0', '1e3', ' 1', '1 ', 'a', '0x10', '१']) {
    assert.equal(parseDeltaSeconds(text), -1, text);
  }
});

test('directives of responses (RFC 9111, 5.2.2)', () => {
  const table: [string, Partial<ResponseDirectives>][] = [
    ['', {}],
    ['max-age=60', { maxAge: 60 }],
    ['MaX-aGe=60', { maxAge: 60 }],
    ['max-age="60"', { maxAge: 60 }],
    ['max-age="6\\0"', { maxAge: 60 }],
    ['max-age=99999999999', { maxAge: 2 ** 31 }],
    // What is no number is stale (4.2.1).
    ["max-age='60'", { maxAge: 0 }],
    ['max-age=60.0', { maxAge: 0 }],
    ['max-age=-60', { maxAge: 0 }],
    ['max-age=60a', { maxAge: 0 }],
    ['max-age =60', { maxAge: 0 }],
    ['max-age= 60', { maxAge: 0 }],
    ['max-age', { maxAge: 0 }],
    ['max-age=', { maxAge: 0 }],
    // Of several the first (4.2.1).
    ['max-age=1, max-age=60', { maxAge: 1 }],
    ['max-age=60, max-age=1', { maxAge: 60 }],
    ['s-maxage=5,max-age=60', { sharedMaxAge: 5, maxAge: 60 }],
    [' , no-store ,, public', { noStore: true, isPublic: true }],
    ['No-StOrE', { noStore: true }],
    ['no-store=1', { noStore: true }],
    ['no-cache', { noCache: true }],
    ['no-cache=""', { noCache: true }],
    ['no-cache="a, B"', { withheldFields: ['a', 'b'] }],
    ['no-cache=Set-Cookie', { withheldFields: ['set-cookie'] }],
    ['private="x", private', { withheldFields: ['x'], isPrivate: true }],
    ['private=" , "', { isPrivate: true }],
    // Named in a way that is not sure to be understood: the whole response.
    ['private ="x"', { isPrivate: true }],
    ['private="x y"', { isPrivate: true }],
    ['no-store =1', { noStore: true }],
    ['must-revalidate, proxy-revalidate', { mustRevalidate: true, proxyRevalidate: true }],
    ['must-understand, no-store, no-transform', { mustUnderstand: true, noStore: true, noTransform: true }],
    ['stale-while-revalidate=3, stale-if-error="4"', { staleWhileRevalidate: 3, staleIfError: 4 }],
    // Unknown extensions (5.2.3), whatever their arguments look like.
    ['foo, bar=1, baz="max-age=1, no-store", max-age=60', { maxAge: 60 }],
    ['max-age=60, baz="\\"no-store"', { maxAge: 60 }],
    ['community="UCI", immutable', {}],
    // A quote that never ends hides nothing.
    ['foo="bar, no-store', { noStore: true }],
    ['foo=bar", no-store, x="', {}],
  ];
  for (const [value, expected] of table) assert.deepEqual(said(['cache-control', value]), expected, value);
});

test('several lines are one list', () => {
  const lines: [string, string][] = [
    ['Cache-Control', 'max-age=3600'],
    ['Cache-Control', 's-maxage=1, no-cache="a"'],
  ];
  assert.deepEqual(said(...lines), { maxAge: 3600, sharedMaxAge: 1, withheldFields: ['a'] });
});

test('targeted fields (RFC 9213)', () => {
  const own: [string, string] = ['cache-control', 'no-store'];
  const table: [[string, string][], Partial<ResponseDirectives>][] = [
    [[['cdn-cache-control', 'max-age=60'], own], { isTargeted: true, maxAge: 60 }],
    // The first of the list that says something.
    [
      [
        ['cdn-cache-control', 'max-age=60'],
        ['sluice-cache-control', 'max-age=5, must-revalidate'],
      ],
      { isTargeted: true, maxAge: 5, mustRevalidate: true },
    ],
    [
      [
        ['sluice-cache-control', ''],
        ['cdn-cache-control', 'private;x=1'],
      ],
      { isTargeted: true, isPrivate: true },
    ],
    // What does not parse counts as absent, all of it.
    [[['cdn-cache-control', 'max-age=60, MUST-revalidate'], own], { noStore: true }],
    [[['cdn-cache-control', 'max-age= 60'], own], { noStore: true }],
    [[['cdn-cache-control', ''], own], { noStore: true }],
    [[['other-cache-control', 'max-age=60'], own], { noStore: true }],
    // Types: `?0` takes a directive back; what is no integer is no number.
    [[['cdn-cache-control', 'no-store=?0, max-age=1']], { isTargeted: true, maxAge: 1 }],
    [[['cdn-cache-control', 'max-age=1.5']], { isTargeted: true, maxAge: 0 }],
    [[['cdn-cache-control', 'max-age=-5']], { isTargeted: true, maxAge: 0 }],
    [[['cdn-cache-control', 'max-age=5, max-age=7']], { isTargeted: true, maxAge: 7 }],
    [[['cdn-cache-control', 'no-cache="a, b", unknown=(1 2)']], { isTargeted: true, withheldFields: ['a', 'b'] }],
    [[['cdn-cache-control', 'no-store']], { isTargeted: true, noStore: true }],
    [[['cdn-cache-control', 'unknown'], own], { isTargeted: true }],
  ];
  for (const [fields, expected] of table) assert.deepEqual(said(...fields), expected, JSON.stringify(fields));
});

test('Surrogate-Control', () => {
  const own: [string, string] = ['cache-control', 'max-age=1'];
  const table: [string, Partial<ResponseDirectives>][] = [
    ['max-age=60', { isTargeted: true, maxAge: 60 }],
    ['MaX-aGe=60', { isTargeted: true, maxAge: 60 }],
    ['no-store', { isTargeted: true, noStore: true }],
    ['max-age=60+30', { isTargeted: true, maxAge: 60, staleWhileRevalidate: 30 }],
    ['max-age=60;sluice, no-store;other', { isTargeted: true, maxAge: 60 }],
    ['no-store;sluice', { isTargeted: true, noStore: true }],
    ['max-age=60;other', { maxAge: 1 }],
    ['content="ESI/1.0"', { maxAge: 1 }],
    ['foobar, max-age=60', { isTargeted: true, maxAge: 60 }],
  ];
  for (const [value, expected] of table) assert.deepEqual(said(['surrogate-control', value], own), expected, value);
});

test('directives of requests (RFC 9111, 5.2.1)', () => {
  const silent: RequestDirectives = {
    maxAge: -1,
    minFresh: -1,
    maxStale: -1,
    staleIfError: -1,
    noCache: false,
    noStore: false,
    onlyIfCached: false,
  };
  const table: [[string, string][], Partial<RequestDirectives> | null][] = [
    [[], null],
    [[['cache-control', 'nothing']], {}],
    [[['cache-control', 'no-cache']], { noCache: true }],
    [[['cache-control', 'max-age=0']], { maxAge: 0 }],
    [[['cache-control', 'max-age=x']], { maxAge: 0 }],
    [[['cache-control', 'max-stale']], { maxStale: Number.POSITIVE_INFINITY }],
    [[['cache-control', 'max-stale=10, min-fresh="5"']], { maxStale: 10, minFresh: 5 }],
    [[['cache-control', 'max-stale=x, min-fresh=x']], {}],
    [
      [['cache-control', 'ONLY-if-cached, no-store, stale-if-error=9']],
      { onlyIfCached: true, noStore: true, staleIfError: 9 },
    ],
    // RFC 9111, 5.4: Pragma has no say beside Cache-Control.
    [[['pragma', 'no-cache']], { noCache: true }],
    [[['pragma', 'foo, No-Cache']], { noCache: true }],
    [[['pragma', 'foo']], null],
    [
      [
        ['pragma', 'no-cache'],
        ['cache-control', 'max-age=5'],
      ],
      { maxAge: 5 },
    ],
  ];
  for (const [fields, expected] of table) {
    const found = requestDirectives(HeaderBlock.of(fields));
    assert.deepEqual(found, expected === null ? null : { ...silent, ...expected }, JSON.stringify(fields));
  }
});

test('a directive is found wherever it stands among others', () => {
  const other = fc.oneof(
    fc.constantFrom('public', 'foo', 'foo=bar', 'foo="b, a"', 'foo="\\"," ', 'max-age=5', '', ' ', 'x="=",y'),
    fc.stringMatching(/^[a-z]{1,5}="[ !#-[\]-~]{0,10}"$/),
  );
  fc.assert(
    fc.property(fc.array(other, { maxLength: 4 }), fc.array(other, { maxLength: 4 }), (before, after) => {
      const text = [...before, 'No-Store', ...after].join(',');
      assert.equal(response(['cache-control', text]).noStore, true, text);
      const without = [...before, ...after].join(',');
      assert.equal(response(['cache-control', without]).noStore, /(^|,)\s*no-store/.test(without), without);
    }),
  );
});
