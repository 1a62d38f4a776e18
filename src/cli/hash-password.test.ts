import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyPassword } from '../policies/auth/basic/password-verification.ts';
import { parsePasswordHash, weaknessOf } from '../semantics/password-hash.ts';

const shim = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

function run(input: string) {
  return spawnSync(process.execPath, [shim, 'hash-password'], { input, encoding: 'utf8' });
}

test('what it prints is the hash of the line, and strong', async () => {
  const { status, stdout } = run('wonder land\n');
  assert.equal(status, 0);
  const parsed = parsePasswordHash(stdout.trimEnd());
  assert.ok(parsed.ok);
  assert.equal(weaknessOf(parsed.value), null);
  assert.equal(await verifyPassword('wonder land', parsed.value), true);
  assert.equal(await verifyPassword('wonder land\n', parsed.value), false);
});

test('nothing, or what no client could send, is refused', () => {
  for (const input of ['', '\n', 'a\tb\n', 'two\nlines\n']) {
    const { status, stdout } = run(input);
    assert.equal(status, 1);
    assert.equal(stdout, '');
  }
});
