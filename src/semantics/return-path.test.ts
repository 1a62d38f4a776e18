import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { safeReturnPath } from './return-path.ts';

test('paths of the same host are kept as they are', () => {
  for (const path of ['/', '/a/b?x=1&y=%2F', '/a//b', "/it's(~)?q[]=1", '/?next=https://elsewhere.example/']) {
    assert.equal(safeReturnPath(path), path);
  }
});

test('everything that could lead elsewhere, or be read in two ways, is none', () => {
  const hostile = [
    '',
    'a',
    'https://elsewhere.example/',
    'javascript:alert(1)',
    '//',
    '//elsewhere.example',
    '///elsewhere.example',
    '/\\elsewhere.example',
    '\\\\elsewhere.example',
    '/a\\b',
    '/.//elsewhere.example',
    '/..//elsewhere.example',
    '/a/..//elsewhere.example',
    '/%2e//elsewhere.example',
    '/\t/elsewhere.example',
    '/a\r\nset-cookie: b=c',
    '/a b',
    '/a#b',
    '/"><script>',
    '/caf\xe9',
    '/\0',
    `/${'a'.repeat(2048)}`,
  ];
  for (const text of hostile) assert.equal(safeReturnPath(text), null, JSON.stringify(text));
});

test('whatever passes stays on its host and puts nothing into a header', () => {
  const piece = fc.constantFrom(
    '/',
    '//',
    '\\',
    '.',
    '..',
    '%2f',
    '%5c',
    '@',
    ':',
    '?',
    '#',
    '\t',
    '\n',
    'a',
    'evil.example',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
    fc.webUrl(),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      const path = safeReturnPath(candidate);
      if (path === null) return;
      assert.equal(path, candidate);
      assert.match(path, /^\/[!-~]*$/);
      const url = new URL(path, 'https://shop.example/oauth2/callback');
      assert.equal(url.origin, 'https://shop.example');
      // Resolved once more, as clients do that normalise before they follow.
      assert.equal(new URL(url.pathname, 'https://shop.example').origin, 'https://shop.example');
    }),
    { numRuns: 2000 },
  );
});
