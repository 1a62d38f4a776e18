import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBytes, fromWire, toWire } from './percent.ts';
import { maskValues, queryValue, withoutParameter, withParameter } from './query.ts';

test('values by name', () => {
  assert.equal(queryValue('a=1&b=2', 'b'), '2');
  assert.equal(queryValue('a=1&a=2', 'a'), '1', 'the first');
  assert.equal(queryValue('ab=1', 'a'), undefined);
  assert.equal(queryValue('a&b=1', 'a'), '');
  assert.equal(queryValue('a=b=c', 'a'), 'b=c');
  assert.equal(queryValue('a+b=1+2%2B', 'a b'), '1 2+');
  assert.equal(queryValue('x=%zz%4', 'x'), '%zz%4', 'what is no escape stays');
  assert.equal(queryValue('', 'a'), undefined);
  assert.equal(queryValue('&&=x', 'a'), undefined);
});

test('removal leaves the rest as it was', () => {
  assert.equal(withoutParameter('a=1&b=%41&a=2&c', 'a'), 'b=%41&c');
  assert.equal(withoutParameter('%61=1', 'a'), '');
  const untouched = 'b=%41&&c=+';
  assert.equal(withoutParameter(untouched, 'a'), untouched);
  assert.equal(withParameter(withoutParameter('a=1', 'a'), 'a', '2'), 'a=2');
});

test('secret values are masked in every spelling of their names', () => {
  const isSecret = (name: string) => name.toLowerCase() === 'token';
  assert.equal(maskValues('a=1&token=x%20y&b=2', isSecret, '***'), 'a=1&token=***&b=2');
  assert.equal(maskValues('TOKEN=x&t%6fken=y&token', isSecret, '***'), 'TOKEN=***&t%6fken=***&token');
  const untouched = 'a=1&tokens=2';
  assert.equal(maskValues(untouched, isSecret, '***'), untouched);
});

test('agrees with URLSearchParams', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '&', '=', '+', ' ', '%', '4', '1'), maxLength: 5 });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), text, (pairs, name) => {
      const oracle = new URLSearchParams(pairs);
      const value = queryValue(oracle.toString(), toWire(name));
      assert.equal(value === undefined ? null : fromWire(value), oracle.get(name));
      const left = withoutParameter(oracle.toString(), toWire(name));
      const expected = pairs.filter(([key]) => key !== name);
      assert.deepEqual([...new URLSearchParams(left)], expected);
      const added = withParameter(left, encodeBytes(toWire(name)), encodeBytes('x y'));
      assert.equal(new URLSearchParams(added).get(name), 'x y');
    }),
    { numRuns: 500 },
  );
});
