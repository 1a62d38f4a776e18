import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { references } from '../build/docs.ts';

for (const [file, make] of references) {
  test(`${basename(file)} is what the modules say`, () => {
    assert.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', make(), 'run `npm run docs`');
  });
}
