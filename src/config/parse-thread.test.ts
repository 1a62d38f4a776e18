import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from './load.ts';
import { loadConfigInThread } from './parse-thread.ts';

test('a thread brings back what loading here would', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-thread-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sluice.yaml');
  writeFileSync(file, 'b: 1\n10: [x, "${env:WORD}"]\na: { missing: "${env:NONE}" }\n');
  const options = { env: { WORD: 'five', ABSENT: undefined } };
  const [there, here] = await Promise.all([loadConfigInThread([file], options), loadConfig([file], options)]);
  assert.deepEqual(there, here);
  assert.deepEqual(there.origins.origin(['10', 1]), here.origins.origin(['10', 1]));
});
