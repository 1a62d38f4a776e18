import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { StateDirectory, stateDirectoryPath } from './state-directory.ts';

describe('state directory', () => {
  let parent = '';
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'sluice-state-'));
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  it('makes a token once, for this user alone', () => {
    const state = new StateDirectory(join(parent, 'deep', '.sluice'));
    state.create();
    const token = state.ensureToken();
    assert.equal(statSync(state.tokenFile).mode & 0o777, 0o600);
    assert.equal(statSync(state.path).mode & 0o777, 0o700);
    assert.equal(state.ensureToken(), token);
    assert.equal(new StateDirectory(state.path).readToken(), token);
  });

  it('replaces a token file that holds no token, and closes one that is open to others', () => {
    const state = new StateDirectory(parent);
    writeFileSync(state.tokenFile, 'short\n');
    const token = state.ensureToken();
    assert.ok(token.length >= 32);
    writeFileSync(state.tokenFile, `${token}\n`, { mode: 0o644 });
    assert.equal(state.ensureToken(), token);
    assert.equal(statSync(state.tokenFile).mode & 0o777, 0o600);
  });

  it('keeps compiled code for workers once it is usable', () => {
    const state = new StateDirectory(join(parent, 'state'));
    assert.deepEqual(state.workerEnv({ A: '1' }), { A: '1' });
    state.create();
    assert.deepEqual(state.workerEnv({ A: '1' }), { A: '1', NODE_COMPILE_CACHE: join(parent, 'state', 'compiled') });
    assert.deepEqual(state.workerEnv({ NODE_COMPILE_CACHE: '/x' }), { NODE_COMPILE_CACHE: '/x' });
  });

  it('is where the configuration or the service manager says, else beside the configuration', () => {
    assert.equal(stateDirectoryPath(null, '/etc/sluice', {}), '/etc/sluice/.sluice');
    assert.equal(stateDirectoryPath(null, '/etc/sluice', { STATE_DIRECTORY: '/var/lib/sluice:/x' }), '/var/lib/sluice');
    assert.equal(stateDirectoryPath('/srv', '/etc/sluice', { STATE_DIRECTORY: '/var/lib/sluice' }), '/srv');
  });
});
