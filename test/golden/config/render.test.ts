import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkDocument } from '../../../src/config/check.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { printConfig } from '../../../src/config/print.ts';
import { renderProblems } from '../../../src/config/render.ts';
import { sampleSchema } from './sample-schema.ts';

/**
 * Every folder under `cases` is a configuration, `sluice.yaml` or `sluice.config.ts` and, over it, `overlay.yaml`.
 * `expected.txt` holds what the reader sees, `printed.yaml` what `check --print` shows of it. `UPDATE_GOLDEN=1` writes both.
 */
const cases = join(import.meta.dirname, 'cases');
const env = { PORT: 'eighty', WORKERS: '4', SIGNING_KEY: 'hush-hush-1234', TEAM: '0042', ISSUER: 'ftp://intranet' };

for (const name of readdirSync(cases)) {
  test(name, async () => {
    const folder = join(cases, name);
    const files = ['sluice.yaml', 'sluice.config.ts', 'overlay.yaml'].filter((file) => existsSync(join(folder, file)));
    const loaded = await loadConfig(
      files.map((file) => join(folder, file)),
      { env },
    );
    const { problems } = checkDocument(loaded, sampleSchema);
    const strip = (text: string): string => text.replaceAll(`${folder}/`, '');
    expect(join(folder, 'expected.txt'), strip(renderProblems(problems, loaded.sources, { color: false })));
    if (existsSync(join(folder, 'printed.yaml'))) {
      expect(join(folder, 'printed.yaml'), strip(printConfig(loaded, sampleSchema)));
    }
  });
}

function expect(path: string, actual: string): void {
  assert.ok(!actual.includes('hush-hush'), 'a secret was printed');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, actual);
  else assert.equal(actual, readFileSync(path, 'utf8'));
}
