import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonName, distinguishedName } from './distinguished-name.ts';

test('the most specific part comes first, and escapes stay', () => {
  assert.equal(distinguishedName('C=DE\nO=A\\, B\nCN=orders'), 'CN=orders,O=A\\, B,C=DE');
  assert.equal(distinguishedName(''), '');
});

test('the common name is read as it was meant', () => {
  assert.equal(commonName('C=DE\nCN=orders\\, second \\+ third'), 'orders, second + third');
  assert.equal(commonName('CN=a\\0Ab \\\\CN=c'), 'a\nb \\CN=c');
  assert.equal(commonName('OU=x + CN=y'), 'y');
});

test('of none, and of several, there is none', () => {
  assert.equal(commonName('O=Example'), null);
  assert.equal(commonName('CN=a\nCN=b'), null);
  assert.equal(commonName('CN=a + CN=b'), null);
  assert.equal(commonName('O=x\\nCN=forged'), null);
});
