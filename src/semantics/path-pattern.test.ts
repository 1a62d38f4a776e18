import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePathPattern, parseRouteKey } from './path-pattern.ts';

function shape(text: string): string {
  const parsed = parsePathPattern(text);
  return parsed.ok ? parsed.value.shape : `${parsed.message} | ${parsed.remedy}`;
}

test('patterns that fit the same paths have the same shape', () => {
  assert.equal(shape('/a/{id}'), shape('/a/{name}'));
  assert.equal(shape('/%61/b'), '/a/b');
  assert.equal(shape('/café au lait'), '/caf%C3%A9%20au%20lait');
  assert.equal(shape('/a%2fb/*'), '/a%2Fb/*');
  assert.equal(shape('/*'), '/*');
  assert.equal(shape('~^/a/[0-9]+$'), '~/a/[0-9]+');
});

test('parameters are named, `rest` for the wildcard', () => {
  const parsed = parsePathPattern('/a/{id}/b/{n_2}/*');
  assert.ok(parsed.ok && parsed.value.kind === 'segments');
  assert.deepEqual(parsed.value.parameters, ['id', 'n_2', 'rest']);
  assert.deepEqual(parsed.value.literals, ['/a/', '/b/', '']);
  const regex = parsePathPattern('~/(?<year>\\d{4})/(?<slug>[a-z-]+)');
  assert.ok(regex.ok);
  assert.deepEqual(regex.value.parameters, ['year', 'slug']);
});

test('a regular expression covers the whole path, anchors written or not', () => {
  for (const text of ['~/a/[0-9]+', '~^/a/[0-9]+$', '~(?i)/A/[0-9]+']) {
    const parsed = parsePathPattern(text);
    assert.ok(parsed.ok && parsed.value.kind === 'regex', text);
    assert.ok(parsed.value.regex.test('/a/12'), text);
    assert.ok(!parsed.value.regex.test('/a/12/b'), text);
    assert.ok(!parsed.value.regex.test('/x/a/12'), text);
  }
});

test('a route key is methods and a path', () => {
  const parsed = parseRouteKey('POST,GET /a');
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.methods, ['GET', 'POST']);
  assert.deepEqual(parseRouteKey('/a').ok && parseRouteKey('/a'), parseRouteKey(' /a '));
});

for (const [text, remedy] of [
  ['a/b', 'Write `/a/b`.'],
  ['/a/:id', 'Write `{id}`.'],
  ['/a/*/b', 'Name the segment: `{id}`, or end the path with `/*`.'],
  ['/a/**', 'Name the segment: `{id}`, or end the path with `/*`.'],
  ['/a*', 'End the path with `/*`, or use a regular expression: `~…`.'],
  ['/a/{id}.json', 'Use a regular expression: `~/files/(?<name>[^/]+)\\.json`.'],
  ['/a/{1}', 'Use letters, digits and `_`.'],
  ['/{a}/{a}', 'Give each a name of its own.'],
  ['/{rest}/*', 'Give each a name of its own.'],
  ['/a?b=1', 'Put conditions on the query under `match: { query: … }`.'],
  ['/a/./b', 'Write `/a/b`.'],
  ['/a/%5c', 'Leave out dot segments, backslashes and malformed escapes.'],
  ['~a', 'Write `~/a`.'],
  ['~/(?=a)', 'Use plain groups, and `(?i)` in front.'],
  ['~/(a)\\1', 'Use classes such as `[A-Za-z]`, and plain groups.'],
  ['~/[a', 'Complete it.'],
  ['~/(?<a>x)/(?<a>y)', 'Give each a name of its own.'],
  ['~/[a-z]{1,1000}', 'Shorten it, and repeat less often: `{1,20}`.'],
] as const) {
  test(`refuses \`${text}\` with a remedy`, () => {
    const parsed = parsePathPattern(text);
    assert.ok(!parsed.ok);
    assert.equal(parsed.remedy, remedy);
  });
}

test('a route key with other notations says what to write', () => {
  const remedy = (text: string): string => {
    const parsed = parseRouteKey(text);
    return parsed.ok ? 'accepted' : parsed.remedy;
  };
  assert.equal(remedy('GET, POST /a'), 'Write `GET,POST /a`.');
  assert.equal(remedy('get /a'), 'Write `GET`.');
  assert.equal(remedy('ANY /a'), 'Leave the method out.');
  assert.equal(remedy('users'), 'Write `/users`.');
});
