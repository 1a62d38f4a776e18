import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reloader, type ReloadOutcome, type ReloadReason } from './reloader.ts';

describe('reloader', () => {
  it('runs one at a time and makes one of all that is asked for meanwhile', async () => {
    const runs: { reasons: ReloadReason[]; finish: (outcome: ReloadOutcome) => void }[] = [];
    const reloader = new Reloader((reasons) => {
      const { promise, resolve } = Promise.withResolvers<ReloadOutcome>();
      runs.push({ reasons: [...reasons], finish: resolve });
      return promise;
    });
    const done = (version: number): ReloadOutcome => ({ ok: true, changed: true, version, warnings: '' });
    const first = reloader.request('file');
    const second = reloader.request('signal');
    const third = reloader.request('api');
    assert.equal(runs.length, 1);
    runs[0]?.finish(done(2));
    assert.deepEqual(await first, done(2));
    await new Promise(setImmediate);
    assert.equal(runs.length, 2);
    assert.deepEqual(runs[1]?.reasons, ['signal', 'api']);
    const fourth = reloader.request('file');
    runs[1]?.finish(done(3));
    assert.deepEqual(await second, done(3));
    assert.deepEqual(await third, done(3));
    await new Promise(setImmediate);
    runs[2]?.finish(done(4));
    assert.deepEqual(await fourth, done(4));
  });

  it('goes on after a run that threw', async () => {
    let runs = 0;
    const reloader = new Reloader(async () => {
      runs += 1;
      if (runs === 1) throw new Error('a bug');
      return { ok: true, changed: false, version: 1, warnings: '' };
    });
    const first = reloader.request('file');
    const second = reloader.request('file');
    await assert.rejects(first);
    assert.equal((await second).ok, true);
  });
});
