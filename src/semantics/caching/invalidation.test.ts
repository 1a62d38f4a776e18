import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderBlock } from '../../base/headers.ts';
import { invalidatedTargets, isUnsafe } from './invalidation.ts';

test('unsafe is what is not known to be safe (RFC 9110, 9.2.1)', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) assert.equal(isUnsafe(method), false);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'get']) assert.equal(isUnsafe(method), true);
});

function targets(status: number, fields: Record<string, string> = {}, target = '/a/b?q'): readonly string[] | null {
  return invalidatedTargets(status, 'http', 'shop.example', target, HeaderBlock.of(Object.entries(fields)));
}

test('a response that is no error invalidates its target (RFC 9111, 4.4)', () => {
  assert.deepEqual(targets(200), ['/a/b?q']);
  assert.deepEqual(targets(303), ['/a/b?q']);
  for (const status of [101, 400, 404, 500]) assert.equal(targets(status), null);
});

test('Location and Content-Location, on the same origin only (RFC 9111, 4.4 and 7.1)', () => {
  const table: [string, string | null][] = [
    ['c', '/a/c'],
    ['/c?d=1#e', '/c?d=1'],
    ['../x', '/x'],
    ['?z', '/a/b?z'],
    ['', null],
    ['http://shop.example/c', '/c'],
    ['http://SHOP.example:80/c', '/c'],
    ['//shop.example/c', '/c'],
    ['https://shop.example/c', null],
    ['http://shop.example:8080/c', null],
    ['http://evil.example/c', null],
    ['//evil.example/c', null],
    ['http://shop.example@evil.example/c', null],
    ['http://[', null],
    ['data:x', null],
  ];
  for (const [reference, expected] of table) {
    for (const name of ['location', 'content-location']) {
      assert.deepEqual(
        targets(201, { [name]: reference }),
        ['/a/b?q', ...(expected === null ? [] : [expected])],
        reference,
      );
    }
  }
  assert.deepEqual(targets(201, { location: '/c', 'content-location': '/d' }), ['/a/b?q', '/c', '/d']);
  assert.deepEqual(targets(201, { location: '/c', 'content-location': '/c' }), ['/a/b?q', '/c']);
});
