import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCaller } from '../../../src/cli/assumed-caller.ts';
import { checkConfig } from '../../../src/compile/check.ts';
import { Explainer } from '../../../src/compile/explain.ts';
import { renderExplanation } from '../../../src/compile/explain-text.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { renderProblems } from '../../../src/config/render.ts';
import { registry } from '../../../src/policies/registry.ts';

/**
 * Every folder under `cases` is a configuration and `problems.txt` what `check` says to it. `requests.txt`, where there
 * is one, has a request a line (`METHOD URL name=value ... @caller`), and `explain.txt` what `explain` says. `UPDATE_GOLDEN=1`
 * writes both.
 */
const cases = join(import.meta.dirname, 'cases');

for (const name of readdirSync(cases)) {
  const folder = join(cases, name);
  const strip = (text: string): string => text.replaceAll(`${folder}/`, '');

  test(`problems of ${name}`, async () => {
    const loaded = await loadConfig([join(folder, 'sluice.yaml')], { env: {} });
    const { problems, sources } = await checkConfig(loaded, { registry });
    expect(join(folder, 'problems.txt'), strip(renderProblems(problems, sources, { color: false })));
  });

  if (!existsSync(join(folder, 'requests.txt'))) continue;
  test(`explanations of ${name}`, async () => {
    const loaded = await loadConfig([join(folder, 'sluice.yaml')], { env: {} });
    const explainer = await Explainer.of(await checkConfig(loaded, { registry }), registry);
    assert.ok(explainer !== null);
    const said = readFileSync(join(folder, 'requests.txt'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [asked = '', who] = line.split(' @');
        const [method = '', url = '', ...fields] = asked.split(' ');
        const headers = fields.map((field): [string, string] => {
          const equals = field.indexOf('=');
          return [field.slice(0, equals), field.slice(equals + 1)];
        });
        const caller = who === undefined ? 'unknown' : who === 'anonymous' ? who : parseCaller(who);
        return renderExplanation(explainer.explain({ method, url, headers, caller }));
      });
    // Made anew for each request.
    const text = said.join('\n----\n\n').replaceAll(/x-request-id: \S+/g, 'x-request-id: …');
    expect(join(folder, 'explain.txt'), strip(text));
  });
}

function expect(path: string, actual: string): void {
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, actual);
  else assert.equal(actual, readFileSync(path, 'utf8'));
}
