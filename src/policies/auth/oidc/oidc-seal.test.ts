import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Seal } from './oidc-seal.ts';

const SECRET = 'the first secret, of 32 characters';
const OTHER = 'the other secret, of 32 characters';
const seal = new Seal([SECRET], ['session', 'web']);

test('text comes out as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.deepEqual(seal.open(seal.seal(text)), { text, isOld: false });
    }),
  );
});

test('the same text is never sealed to the same', () => {
  assert.notEqual(seal.seal('a'), seal.seal('a'));
});

test('a change of any bit, and any cut, is noticed', () => {
  const sealed = Buffer.from(seal.seal('who it is'), 'base64url');
  const position = fc.nat({ max: sealed.length * 8 - 1 });
  fc.assert(
    fc.property(position, (bit) => {
      const forged = Buffer.from(sealed);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(seal.open(forged.toString('base64url')), null);
    }),
  );
  for (let end = 0; end < sealed.length; end++) {
    assert.equal(seal.open(sealed.subarray(0, end).toString('base64url')), null);
  }
});

test('what is no base64url is nothing, also where a decoder would pass it over', () => {
  const sealed = seal.seal('text');
  for (const text of ['', ' ', `${sealed}=`, `${sealed} `, `${sealed}%`, `\n${sealed}`, 'ä'.repeat(60)]) {
    assert.equal(seal.open(text), null);
  }
  fc.assert(fc.property(fc.string(), (text) => seal.open(text) === null));
});

test('the first secret seals, and all of them open', () => {
  const before = new Seal([OTHER], ['session', 'web']);
  const rotated = new Seal([SECRET, OTHER], ['session', 'web']);
  assert.deepEqual(rotated.open(before.seal('text')), { text: 'text', isOld: true });
  assert.deepEqual(rotated.open(rotated.seal('text')), { text: 'text', isOld: false });
  assert.equal(before.open(rotated.seal('text')), null);
});

test('nothing is good for another purpose', () => {
  for (const purpose of [['login', 'web'], ['session', 'other'], ['session', 'web', ''], ['sessionweb']]) {
    assert.equal(new Seal([SECRET], purpose).open(seal.seal('text')), null);
  }
});
