import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalizeTarget, Target } from './url.ts';

function normalized(target: string): string | null {
  const out = new Target();
  if (!normalizeTarget(target, out)) return null;
  return out.query === '' ? out.path : `${out.path}?${out.query}`;
}

const table: readonly (readonly [string, string | null])[] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a//b', '/a//b'],
  ['//', '//'],
  ['/a/.', '/a/'],
  ['/a/./b', '/a/b'],
  ['/a/..', '/'],
  ['/a/../b', '/b'],
  ['/a/b/..', '/a/'],
  ['/a/b/../', '/a/'],
  ['/a//../b', '/a/b'],
  ['/a/%2e%2E/b', '/b'],
  ['/a/.%2e/b', '/b'],
  ['/a/%2e/b', '/a/b'],
  ['/a/...', '/a/...'],
  ['/a/.hidden', '/a/.hidden'],
  ['/a/b.c', '/a/b.c'],
  ['/..', null],
  ['/../x', null],
  ['/a/../../x', null],
  ['/%2e%2e/x', null],
  ['/a/..;/b', null],
  ['/a/.;x=1/b', null],
  ['/%7Euser', '/~user'],
  ['/%41%2d%5f', '/A-_'],
  ['/a%3ab', '/a%3Ab'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a%20b', '/a%20b'],
  ['/%252e%252e/x', '/%252e%252e/x'],
  ['/%25%32%65', '/%252e'],
  ['/a%2fb', '/a%2Fb'],
  ['/a%2f..%2fb', null],
  ['/a/..%2fb', null],
  ['/a%2f.', null],
  ['/a%2f%2e%2e;/b', null],
  ['/a%5cb', null],
  ['/a\\b', null],
  ['/a%00b', null],
  ['/a/%c0%ae%c0%ae/b', null],
  ['/a%e0%80%afb', null],
  ['/%ba', '/%BA'],
  ['/a%0ab', null],
  ['/a%7fb', null],
  ['/a b', null],
  ['/a\tb', null],
  ['/a\u0000b', null],
  ['/caf\u00e9', null],
  ['/\u0141', null],
  ['/a%', null],
  ['/a%4', null],
  ['/a%zz', null],
  ['/a%4?1', null],
  ['/a#b', null],
  ['/a?b#c', null],
  ['/a?b c', null],
  ['/a?\u00e9', null],
  ['/a?b=%zz&c=/../%2e', '/a?b=%zz&c=/../%2e'],
  ['/a?b?c', '/a?b?c'],
  ['/a/../b?c', '/b?c'],
  ['', null],
  ['*', null],
  ['a', null],
  ['http://h/', null],
];

for (const [target, expected] of table) {
  test(`normalises ${JSON.stringify(target)} to ${JSON.stringify(expected)}`, () => {
    assert.equal(normalized(target), expected);
  });
}

test('leaves a normal target as the same string, and marks encoded slashes', () => {
  const out = new Target();
  assert.ok(normalizeTarget('/a%2fb?q', out));
  assert.deepEqual({ ...out }, { path: '/a%2Fb', query: 'q', encodedSlash: true });
  assert.ok(normalizeTarget('/plain', out));
  assert.deepEqual({ ...out }, { path: '/plain', query: '', encodedSlash: false });
});

function unescapeBytes(path: string): string {
  return path.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const pieces = fc.constantFrom(
  ...['/', '.', '..', '/../', '/./', '%2e', '%2E', '%2f', '%41', '%25', '%c3%a9', 'a', 'b', ';', '//', '%', '?', '~'],
);
const targets = fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join('')}`);

test('property: what comes out is normal, free of dot segments and reads the same again', () => {
  fc.assert(
    fc.property(targets, (target) => {
      const once = normalized(target);
      if (once === null) return;
      assert.equal(normalized(once), once);
      const path = once.split('?')[0] as string;
      for (const segment of unescapeBytes(path).split('/')) assert.ok(segment !== '.' && segment !== '..', path);
      assert.match(path, /^\/(?:[!-~]*)$/);
      assert.doesNotMatch(path, /%(?![0-9A-F]{2})|%(?:2[DE]|5F|7E|3\d|[46][1-9A-F]|[57][0-9A])/);
    }),
    { numRuns: 2000 },
  );
});

test('property: a target without escapes and dots agrees with the WHATWG parser', () => {
  const segment = fc.constantFrom('.', '..', 'a', 'bc', '', '%41', '%2e', '%2E%2e');
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
      const target = `/${segments.join('/')}`;
      const ours = normalized(target);
      if (ours === null) return;
      assert.equal(ours, new URL(`http://h${target}`).pathname.replaceAll('%41', 'A'));
    }),
    { numRuns: 2000 },
  );
});
