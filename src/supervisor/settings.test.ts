import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { processSchema } from '../compile/model/process.ts';
import { noStores } from '../stores/settings.ts';
import { type ProcessSettings, processSettings } from './settings.ts';

function settings(config: object, env: NodeJS.ProcessEnv = {}): ProcessSettings {
  return processSettings(processSchema.parse(config), ['/etc/sluice/sluice.yaml'], env);
}

describe('process settings', () => {
  it('has sensible values where nothing is said', () => {
    const made = settings({});
    assert.equal(made.workers, process.platform === 'darwin' ? 1 : availableParallelism());
    assert.deepEqual(made.admin, { host: '127.0.0.1', port: 9900, path: null, hosts: [] });
    assert.equal(made.stateDir, '/etc/sluice/.sluice');
  });

  it('means the same by the short and the long form', () => {
    assert.deepEqual(settings({ workers: 3 }), settings({ workers: { count: 3 } }));
    assert.deepEqual(settings({ workers: 'auto' }), settings({ workers: {} }));
    assert.deepEqual(settings({ admin: '[::1]:1' }), settings({ admin: { address: '[::1]:1' } }));
  });

  it('takes what is said', () => {
    const made = settings({
      workers: { count: 2, maxHeap: '256MiB', hangAfter: '3s' },
      drain: { delay: '5s', timeout: '1m' },
      admin: { address: 'unix:/run/sluice/admin.sock', hosts: 'gateway.internal' },
      stateDir: 'state',
    });
    assert.deepEqual(made, {
      workers: 2,
      maxHeapMegabytes: 256,
      hangAfterMs: 3_000,
      drain: { delayMs: 5_000, timeoutMs: 60_000 },
      admin: { host: null, port: 0, path: '/run/sluice/admin.sock', hosts: ['gateway.internal'] },
      stateDir: '/etc/sluice/state',
      stores: noStores,
    });
    assert.equal(settings({ admin: false }).admin, null);
    assert.equal(settings({}, { STATE_DIRECTORY: '/var/lib/sluice' }).stateDir, '/var/lib/sluice');
  });
});
