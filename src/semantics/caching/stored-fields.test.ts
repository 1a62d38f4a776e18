import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fieldName, HeaderBlock } from '../../base/headers.ts';
import { formatHttpDate } from './http-date.ts';
import type { CacheRules } from './policy.ts';
import { readFields, storedFields } from './stored-fields.ts';

const NOW = Date.UTC(2026, 5, 1);
const rules: CacheRules = {
  name: 'sluice',
  targets: [],
  ttl: -1,
  ttlByStatus: null,
  override: false,
  heuristicShare: 0,
  heuristicMost: 0,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  authorized: 'no',
  setCookie: 'strip',
  vary: { codings: null, languages: null, ignored: null },
};

test('what is not stored (RFC 9111, 3.1)', () => {
  const headers = HeaderBlock.of([
    ['date', 'd'],
    ['Connection', 'a, B'],
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
    ['keep-alive', '1'],
    ['transfer-encoding', 'chunked'],
    ['upgrade', 'x'],
    ['te', 'x'],
    ['trailer', 'x'],
    ['proxy-authenticate', 'x'],
    ['proxy-authentication-info', 'x'],
    ['age', '5'],
    ['set-cookie', 'a=b'],
    ['cache-control', 'max-age=60, private="x, Y", no-cache="z"'],
    ['x', '1'],
    ['y', '1'],
    ['z', '1'],
    ['content-length', '5'],
    ['cache-status', 'origin; hit'],
  ]);
  const cacheControl = 'cache-control: max-age=60, private="x, Y", no-cache="z"\r\n';
  const rest = 'content-length: 5\r\ncache-status: origin; hit\r\n';
  assert.equal(storedFields(headers, rules, NOW).serialize(), `date: d\r\nc: 1\r\n${cacheControl}${rest}`);
  assert.equal(
    storedFields(headers, { ...rules, setCookie: 'keep' }, NOW).serialize(),
    `date: d\r\nc: 1\r\nset-cookie: a=b\r\n${cacheControl}${rest}`,
  );
});

test('a response without a Date gets one (RFC 9110, 6.6.1)', () => {
  assert.equal(storedFields(HeaderBlock.of([]), rules, NOW).serialize(), `date: ${formatHttpDate(NOW)}\r\n`);
});

test('lines are read as they were written', () => {
  const name = fc.stringMatching(/^x[a-z0-9-]{0,8}$/);
  const value = fc.stringMatching(/^([!-~]([ -~]{0,8}[!-~])?)?$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (fields) => {
      const written = HeaderBlock.of(fields).serialize();
      const read = readFields(written);
      assert.ok(read);
      assert.equal(read.serialize(), written);
      for (const [own] of fields) {
        assert.equal(read.getAll(fieldName(own)), HeaderBlock.of(fields).getAll(fieldName(own)));
      }
    }),
  );
});
