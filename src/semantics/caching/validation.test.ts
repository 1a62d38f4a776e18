import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderBlock } from '../../base/headers.ts';
import { isEntityTag, listsWeakly, matchesStrongly, matchesWeakly } from './entity-tag.ts';
import { formatHttpDate } from './http-date.ts';
import type { StoredPolicy } from './policy.ts';
import { readFields } from './stored-fields.ts';
import {
  hasValidator,
  headSays,
  isFreshenedBy,
  makeConditional,
  makeUnconditional,
  mergedFields,
} from './validation.ts';

const NOW = Date.UTC(2026, 5, 1);
const MODIFIED = formatHttpDate(NOW - 5000);

function stored(values: Partial<StoredPolicy>): StoredPolicy {
  return {
    status: 200,
    responseTime: NOW,
    initialAge: 0,
    lifetime: 0,
    isHeuristic: false,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    mustValidate: false,
    forbidsStale: false,
    etag: '',
    lastModified: '',
    lastModifiedTime: -1,
    date: NOW,
    vary: '',
    ...values,
  };
}

const list = (headers: HeaderBlock) => {
  const fields: string[] = [];
  headers.forEach((name, value) => {
    fields.push(`${name}: ${value}`);
  });
  return fields;
};

test('entity tags (RFC 9110, 8.8.3)', () => {
  for (const text of ['""', '"a"', 'W/"a"', '"a,b"', '"\u00fc"', '"a\\"']) assert.equal(isEntityTag(text), true, text);
  for (const text of ['', 'a', '"a', "'a'", 'w/"a"', 'W"a"', 'W\\"a"', '"a b"', '"a"b"', ' "a"', '*']) {
    assert.equal(isEntityTag(text), false, text);
  }
  // RFC 9110, 8.8.3.2
  const table: [string, string, boolean, boolean][] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
    ['', '', false, false],
  ];
  for (const [one, other, strong, weak] of table) {
    assert.equal(matchesStrongly(one, other), strong);
    assert.equal(matchesWeakly(one, other), weak);
  }
});

test('lists of entity tags', () => {
  for (const value of ['"1"', 'W/"1"', '"0", "1"', '"1","2" , "3"', '"a,b", W/"1"', '*', ', "1",,']) {
    assert.equal(listsWeakly(value, '"1"'), true, value);
  }
  for (const value of ['', '1', '"2"', '"0,"1""', '"x\u0020"1"', 'x"1"', '"1"x']) {
    assert.equal(listsWeakly(value, '"1"'), false, value);
  }
  assert.equal(listsWeakly('*', ''), true);
  assert.equal(listsWeakly('"1"', ''), false);
});

test('a request that validates (RFC 9111, 4.3.1)', () => {
  const request = HeaderBlock.of([
    ['accept', '*/*'],
    ['if-none-match', '"9"'],
    ['if-modified-since', formatHttpDate(0)],
    ['range', 'bytes=0-1'],
    ['if-range', '"9"'],
    ['if-match', '"8"'],
  ]);
  const both = request.clone();
  makeConditional(both, stored({ etag: 'W/"1"', lastModified: MODIFIED }));
  assert.deepEqual(list(both), [
    'accept: */*',
    'if-match: "8"',
    'if-none-match: W/"1"',
    `if-modified-since: ${MODIFIED}`,
  ]);
  const tagged = request.clone();
  makeConditional(tagged, stored({ etag: '"1"' }));
  assert.deepEqual(list(tagged), ['accept: */*', 'if-match: "8"', 'if-none-match: "1"']);
  const whole = request.clone();
  makeUnconditional(whole);
  assert.deepEqual(list(whole), ['accept: */*', 'if-match: "8"']);
  assert.equal(hasValidator(stored({})), false);
  assert.equal(hasValidator(stored({ lastModified: MODIFIED })), true);
});

test('which stored response a 304 is about (RFC 9111, 4.3.4)', () => {
  const table: [Partial<StoredPolicy>, Record<string, string>, boolean][] = [
    [{ etag: '"1"' }, { etag: '"1"' }, true],
    [{ etag: '"1"' }, { etag: '"2"' }, false],
    [{ etag: 'W/"1"' }, { etag: '"1"' }, false],
    [{ etag: '"1"' }, { etag: 'W/"1"' }, true],
    [{ etag: '"1"' }, { etag: 'W/"2"' }, false],
    [{ etag: '"1"' }, {}, true],
    [{ etag: '"1"' }, { etag: 'unquoted' }, true],
    [{ lastModified: MODIFIED }, { 'last-modified': MODIFIED }, true],
    [{ lastModified: MODIFIED }, { 'last-modified': formatHttpDate(NOW) }, false],
    [{ lastModified: MODIFIED }, {}, true],
    [{ lastModified: MODIFIED }, { etag: '"1"' }, false],
    [{ etag: '"1"' }, { 'last-modified': MODIFIED }, true],
    [{ etag: '"1"', lastModified: MODIFIED }, { etag: '"1"', 'last-modified': formatHttpDate(NOW) }, true],
  ];
  for (const [policy, fields, expected] of table) {
    const found = isFreshenedBy(stored(policy), HeaderBlock.of(Object.entries(fields)));
    assert.equal(found, expected, JSON.stringify([policy, fields]));
  }
});

test('what a HEAD says (RFC 9111, 4.3.5)', () => {
  const policy = stored({ etag: '"1"', lastModified: MODIFIED });
  const says = (status: number, fields: Record<string, string>, of = policy) =>
    headSays(of, status, HeaderBlock.of(Object.entries(fields)), 10);
  assert.equal(says(200, {}), 'freshens');
  assert.equal(says(200, { etag: '"1"', 'last-modified': MODIFIED, 'content-length': '10' }), 'freshens');
  assert.equal(says(200, { etag: '"2"' }), 'invalidates');
  assert.equal(says(200, { 'last-modified': formatHttpDate(0) }), 'invalidates');
  assert.equal(says(200, { 'content-length': '11' }), 'invalidates');
  assert.equal(says(200, { etag: '"1"' }, stored({})), 'invalidates');
  assert.equal(says(410, {}), 'nothing');
  assert.equal(says(200, {}, stored({ status: 404 })), 'nothing');
});

test('merged fields (RFC 9111, 3.2)', () => {
  const before = readFields(
    `Date: ${formatHttpDate(0)}\r\nA: 1\r\nB: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=1\r\n` +
      'Content-Length: 5\r\nContent-Encoding: gzip\r\nContent-Type: a/b\r\nETag: "1"\r\n',
  );
  assert.ok(before);
  const received = HeaderBlock.of([
    ['b', '2'],
    ['set-cookie', 'c=1'],
    ['set-cookie', 'd=1'],
    ['content-length', '0'],
    ['content-encoding', 'br'],
    ['content-range', 'bytes 0-1/2'],
    ['content-md5', 'x'],
    ['content-type', 'c/d'],
    ['etag', 'W/"1"'],
    ['age', '3'],
    ['new', '1'],
  ]);
  const merged = mergedFields(before, received, NOW);
  assert.deepEqual(list(merged).sort(), [
    'a: 1',
    'age: 3',
    'b: 2',
    'content-encoding: gzip',
    'content-length: 5',
    'content-type: c/d',
    `date: ${formatHttpDate(NOW)}`,
    'etag: "1"',
    'new: 1',
    'set-cookie: c=1',
    'set-cookie: d=1',
  ]);
  assert.equal(list(before).length, 9, 'the stored section is not touched');
  const dated = HeaderBlock.of([['date', formatHttpDate(1000)]]);
  assert.deepEqual(list(mergedFields(HeaderBlock.of([]), dated, NOW)), [`date: ${formatHttpDate(1000)}`]);
  const tagged = HeaderBlock.of([['etag', '"2"'], ...[['date', 'x'] as const]]);
  assert.ok(list(mergedFields(HeaderBlock.of([]), tagged, NOW)).includes('etag: "2"'));
});
