import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SHIM = fileURLToPath(new URL('../bin/sluice.js', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

describe('the shim', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-shim-'));
  after(() => rmSync(directory, { recursive: true }));

  /** Runs it on a Node that says it is another. */
  const pretend = (
    name: string,
    properties: Record<string, unknown>,
  ): { status: number | null; stdout: string; stderr: string } => {
    const preload = join(directory, `${name}.cjs`);
    const lines = Object.entries(properties).map(
      ([key, value]) => `Object.defineProperty(process, '${key}', { value: ${JSON.stringify(value)} });`,
    );
    writeFileSync(preload, lines.join('\n'));
    return spawnSync(process.execPath, ['--require', preload, SHIM, '--version'], { encoding: 'utf8' });
  };

  it('runs on a Node that fits', () => {
    const { status, stdout } = spawnSync(process.execPath, [SHIM, '--version'], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.equal(stdout.trim(), version);
  });

  it('runs on the Node of the package when its own is too old', () => {
    const { status, stdout, stderr } = pretend('old', { versions: { node: '18.20.0' } });
    assert.equal(status, 0, stderr);
    assert.equal(stdout.trim(), version);
  });

  it('says in one line what is wrong and what to do when there is none', () => {
    const { status, stdout, stderr } = pretend('alone', { versions: { node: '18.20.0' }, arch: 'mips' });
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^sluice: Node 18\.20\.0 is too old: install Node 24 or later.*\n$/);
  });

  it('is readable to any Node that runs npm', () => {
    // What came after 2015 and parses differently: optional chaining, nullish coalescing, private names, a bare catch.
    const text = readFileSync(SHIM, 'utf8').replace(/\/\/.*$/gm, '');
    assert.doesNotMatch(text, /\?\.|\?\?|#\w|\bcatch \{|\bawait\b|\bimport\b|\.\.\.|node:[a-z]/);
  });
});
