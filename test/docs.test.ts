import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { policyReference, policyReferenceFile } from '../build/docs.ts';

test('the reference of the policies is what the policies say', () => {
  const written = readFileSync(policyReferenceFile, 'utf8');
  assert.equal(written, policyReference(), 'run `npm run docs`');
});
