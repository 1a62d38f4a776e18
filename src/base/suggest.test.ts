import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, suggest } from './suggest.ts';

test('what is near is suggested, what is far is not', () => {
  const keys = ['upstreams', 'routes', 'maxAge', 'auth', 'to'];
  assert.equal(suggest('upstrems', keys), 'upstreams');
  assert.equal(suggest('rotues', keys), 'routes');
  assert.equal(suggest('max_age', keys), 'maxAge');
  assert.equal(suggest('Auth', keys), 'auth');
  assert.equal(suggest('too', keys), 'to');
  assert.equal(suggest('consumers', keys), null);
  assert.equal(suggest('', keys), null);
});

test('a distance is symmetric, zero for the same, and kept below its limit', () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, fc.integer({ min: 1, max: 10 }), (a, b, limit) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, a), 0);
      assert.equal(editDistance(a, b, limit), Math.min(editDistance(a, b), limit));
    }),
  );
});

test('one slip of a finger is one step', () => {
  assert.equal(editDistance('limits', 'limts'), 1);
  assert.equal(editDistance('limits', 'limtis'), 1);
  assert.equal(editDistance('limits', 'linits'), 1);
  assert.equal(editDistance('limits', 'limitss'), 1);
});
