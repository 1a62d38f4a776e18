import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readCodeFiles } from './code-files.ts';

describe('code files', () => {
  let directory = '';
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-code-'));
    mkdirSync(join(directory, 'lib'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('is nothing for no modules', async () => {
    assert.deepEqual(await readCodeFiles([]), { files: [], hash: '' });
  });

  it('follows imports of every form, in circles too, and leaves packages out', async () => {
    const entry = file(
      'entry.ts',
      `import { a } from './lib/a.ts';\nimport fs from 'node:fs';\nimport "./lib/b.ts";\nexport * from './c.ts';\nconst d = await import('./d.ts');`,
    );
    file('lib/a.ts', `import type { X } from "../entry.ts";`);
    file('lib/b.ts', '');
    file('c.ts', '');
    file('d.ts', '');
    const { files } = await readCodeFiles([entry]);
    assert.deepEqual(
      files,
      ['c.ts', 'd.ts', 'entry.ts', 'lib/a.ts', 'lib/b.ts'].map((name) => join(directory, name)),
    );
  });

  it('changes with any of them, and with nothing else', async () => {
    const entry = file('entry.ts', `import './lib/a.ts';`);
    file('lib/a.ts', '1');
    const { hash } = await readCodeFiles([entry]);
    file('unrelated.ts', '1');
    assert.equal((await readCodeFiles([entry])).hash, hash);
    file('lib/a.ts', '2');
    assert.notEqual((await readCodeFiles([entry])).hash, hash);
  });

  it('notes a missing module, so that its coming is a change', async () => {
    const entry = file('entry.ts', `import './later.ts';`);
    const before = await readCodeFiles([entry]);
    assert.ok(before.files.includes(join(directory, 'later.ts')));
    file('later.ts', '1');
    assert.notEqual((await readCodeFiles([entry])).hash, before.hash);
  });
});
