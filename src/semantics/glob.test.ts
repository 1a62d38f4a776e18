import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesGlob } from './glob.ts';

test('a star stands for anything, the rest for itself', () => {
  assert.ok(matchesGlob('spiffe://shop/*', 'spiffe://shop/ns/orders'));
  assert.ok(matchesGlob('spiffe://shop/*', 'spiffe://shop/'));
  assert.ok(!matchesGlob('spiffe://shop/*', 'spiffe://shop.evil/orders'));
  assert.ok(matchesGlob('*.svc.example', 'orders.svc.example'));
  assert.ok(!matchesGlob('*.svc.example', 'svc.example'));
  assert.ok(!matchesGlob('a.b', 'axb'), 'nothing else is special');
  assert.ok(!matchesGlob('ab*ba', 'aba'), 'no character counts twice');
  assert.ok(!matchesGlob('', 'x') && matchesGlob('', '') && matchesGlob('*', ''));
});

test('the same as a regular expression would say', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (pattern, given) => {
      const subject = given.replaceAll('*', 'a');
      assert.equal(matchesGlob(pattern, subject), new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(subject));
    }),
  );
});
