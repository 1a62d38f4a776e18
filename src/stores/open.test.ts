import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { freePort } from '../../test/harness.ts';
import { redisSettings } from '../../test/support/redis.ts';
import { openRecords } from './open.ts';

it('opens the store that the settings ask for, and is back at once whatever is wrong with it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-open-'));
  const shared = redisSettings(await freePort());
  for (const [settings, directory, kind] of [
    [{ shared: null }, null, 'memory'],
    [{ shared: null }, folder, 'sqlite'],
    [{ shared: null }, join(folder, 'missing'), 'sqlite'],
    [{ shared }, folder, 'redis'],
    [{ shared }, null, 'redis'],
  ] as const) {
    const records = openRecords(settings, directory, () => undefined);
    assert.equal(records.state.kind, kind);
    await records.close();
  }
  assert.ok(existsSync(join(folder, 'records.db')));
  rmSync(folder, { recursive: true });
});
