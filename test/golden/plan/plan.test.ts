import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { printPlan } from '../../../src/compile/print-plan.ts';
import { checkFile, planOf } from '../../support/compiled.ts';

/** Every folder under `cases` is a configuration, and `plan.txt` what becomes of it. `UPDATE_GOLDEN=1` writes it. */
const cases = join(import.meta.dirname, 'cases');

for (const name of readdirSync(cases)) {
  test(`plan of ${name}`, async () => {
    const actual = printPlan(await planOf(await checkFile(join(cases, name, 'sluice.yaml'))));
    const path = join(cases, name, 'plan.txt');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, actual);
    else assert.equal(actual, readFileSync(path, 'utf8'));
  });
}
