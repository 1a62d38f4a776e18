import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64url } from './base64url.ts';

test('what was encoded comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(decodeBase64url(Buffer.from(bytes).toString('base64url')), Buffer.from(bytes));
    }),
  );
});

test('no two texts are the same bytes', () => {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n';
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...digits), maxLength: 9 }), (text) => {
      const bytes = decodeBase64url(text);
      if (bytes !== null) assert.equal(bytes.toString('base64url'), text);
      else assert.notEqual(Buffer.from(text, 'base64url').toString('base64url'), text);
    }),
  );
  for (const text of ['A', 'AAAAA', 'AB', 'AAB', 'AA==', 'A+', 'A/', 'A A', 'AA\n', 'AÁ', '\0A']) {
    assert.equal(decodeBase64url(text), null, JSON.stringify(text));
  }
});
