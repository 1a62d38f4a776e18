import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CacheScore } from './http-cache.ts';

const SCRIPT = fileURLToPath(new URL('http-cache.ts', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/cache-conformance.md', import.meta.url));

/** In a process of its own: the suite keeps its results in a module. */
async function run(): Promise<CacheScore> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, '--json']);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

/** What the page says: the two scores, and the tests that fail, each of which it explains in a row of a table. */
function documented(): { required: string; optimal: string; failures: string[] } {
  const page = readFileSync(PAGE, 'utf8');
  const score = (kind: string) => new RegExp(`^\\| ${kind} \\| (\\d+ of \\d+) \\|`, 'm').exec(page)?.[1] ?? '';
  const failures = [...page.matchAll(/^\| `([\w=-]+)` \| (?:required|optimal) \|/gm)].map(([, id]) => id as string);
  return { required: score('required'), optimal: score('optimal'), failures: failures.sort() };
}

it('passes of the public suite of tests for caches what docs/cache-conformance.md says', async () => {
  const page = documented();
  const ids = (score: CacheScore) => score.failures.map(({ id }) => id);
  let score = await run();
  let failed = ids(score);
  if (failed.some((id) => !page.failures.includes(id))) {
    // Its tests go by the clock, in whole seconds: on a busy machine one of them may come too late.
    score = await run();
    const again = ids(score);
    failed = failed.filter((id) => again.includes(id));
  }
  const unexplained = score.failures.filter(({ id }) => failed.includes(id) && !page.failures.includes(id));
  assert.deepEqual(unexplained, []);
  assert.deepEqual(
    page.failures.filter((id) => !failed.includes(id)),
    [],
    'these pass: take them off the page',
  );
  const lost = (kind: string) =>
    score.failures.filter((failure) => failure.kind === kind && failed.includes(failure.id));
  for (const kind of ['required', 'optimal'] as const) {
    const { of } = score[kind];
    assert.equal(`${of - lost(kind).length} of ${of}`, page[kind]);
  }
});
