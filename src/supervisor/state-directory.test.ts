import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
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

  it('knows the process that serves, and only while it lives', () => {
    const state = new StateDirectory(parent);
    assert.equal(state.readPid(), null);
    state.writePid();
    // Itself is not a process to take over from.
    assert.equal(state.readPid(), null);
    writeFileSync(join(parent, 'pid'), `${process.ppid}\n`);
    assert.equal(state.readPid(), process.ppid);
    state.removePid();
    assert.ok(existsSync(join(parent, 'pid')), 'the file of another process stays');
    writeFileSync(join(parent, 'pid'), '999999999\n');
    assert.equal(state.readPid(), null);
    state.writePid();
    state.removePid();
    assert.ok(!existsSync(join(parent, 'pid')));
  });

  it('is where the configuration or the service manager says, else beside the configuration', () => {
    assert.equal(stateDirectoryPath(null, '/etc/sluice', {}), '/etc/sluice/.sluice');
    assert.equal(stateDirectoryPath(null, '/etc/sluice', { STATE_DIRECTORY: '/var/lib/sluice:/x' }), '/var/lib/sluice');
    assert.equal(stateDirectoryPath('/srv', '/etc/sluice', { STATE_DIRECTORY: '/var/lib/sluice' }), '/srv');
  });
});
