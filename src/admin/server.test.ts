import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { acceptsHost } from './host-check.ts';
import { buildAdmin, type Controls, openAdmin } from './server.ts';
import { carriesToken } from './token.ts';

const TOKEN = 'a-token-of-more-than-thirty-two-characters';

function controls(overrides: Partial<Controls> = {}): Controls & { reloads: number; drains: number } {
  const made = {
    reloads: 0,
    drains: 0,
    ready: () => true,
    draining: () => false,
    metrics: () => ({ type: 'text/plain; version=0.0.4', text: 'x 1\n' }),
    status: () => null,
    reload: async () => {
      made.reloads += 1;
      return { ok: true as const, changed: true, version: 2, warnings: '' };
    },
    drain: () => {
      made.drains += 1;
    },
    handOver: () => {
      made.drains += 1;
    },
    keys: () => null,
    revocations: () => null,
    usage: () => null,
    responses: () => null,
    upstreams: () => null,
    breakers: () => null,
    token: () => TOKEN,
    hosts: () => ['gateway.internal'],
    ...overrides,
  };
  return made;
}

const bearer = { authorization: `Bearer ${TOKEN}` };

describe('admin API', () => {
  it('answers probes and scrapers without a token', async () => {
    let ready = false;
    const app = buildAdmin(controls({ ready: () => ready, draining: () => true }));
    assert.equal((await app.inject('/health/live')).statusCode, 200);
    const notReady = await app.inject('/health/ready');
    assert.equal(notReady.statusCode, 503);
    assert.deepEqual(notReady.json(), { status: 'draining' });
    ready = true;
    assert.equal((await app.inject('/health/ready')).statusCode, 200);
    const metrics = await app.inject('/metrics');
    assert.equal(metrics.body, 'x 1\n');
    assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  });

  it('changes nothing without the token', async () => {
    const made = controls();
    const app = buildAdmin(made);
    for (const path of ['/reload', '/drain', '/hand-over'] as const) {
      for (const authorization of [undefined, 'Bearer wrong', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, 'Bearer ']) {
        const headers = authorization === undefined ? {} : { authorization };
        const response = await app.inject({ method: 'POST', url: path, headers });
        assert.equal(response.statusCode, 401);
        assert.match(String(response.headers['www-authenticate']), /^Bearer/);
        assert.match(String(response.headers['content-type']), /^application\/problem\+json/);
      }
    }
    assert.equal((await app.inject('/status')).statusCode, 401);
    assert.deepEqual([made.reloads, made.drains], [0, 0]);
    assert.equal((await app.inject({ method: 'POST', url: '/reload', headers: bearer })).statusCode, 200);
    assert.equal((await app.inject({ method: 'POST', url: '/drain', headers: bearer })).statusCode, 202);
    assert.equal((await app.inject({ method: 'POST', url: '/hand-over', headers: bearer })).statusCode, 202);
    assert.deepEqual([made.reloads, made.drains], [1, 2]);
    assert.equal((await app.inject({ method: 'GET', url: '/reload', headers: bearer })).statusCode, 404);
  });

  it('offers no changes where there is no token to know', async () => {
    const app = buildAdmin(controls({ token: () => null }));
    assert.equal((await app.inject({ method: 'POST', url: '/reload', headers: bearer })).statusCode, 503);
  });

  it('hands on why a reload failed', async () => {
    const refused = { ok: false as const, version: 1, error: 'sluice.yaml:3:1 error', problems: [] };
    const app = buildAdmin(controls({ reload: async () => refused }));
    const response = await app.inject({ method: 'POST', url: '/reload', headers: bearer });
    assert.equal(response.statusCode, 422);
    assert.deepEqual(response.json(), refused);
  });

  it('refuses names that could be rebound, and never speaks CORS', async () => {
    const app = buildAdmin(controls());
    const rebound = await app.inject({ url: '/metrics', headers: { host: 'evil.example:9900' } });
    assert.equal(rebound.statusCode, 421);
    for (const host of ['127.0.0.1:9900', '[::1]:9900', 'localhost', 'gateway.internal:9900', '10.1.2.3:9900']) {
      const response = await app.inject({ url: '/metrics', headers: { host, origin: 'http://evil.example' } });
      assert.equal(response.statusCode, 200, host);
      assert.equal(response.headers['access-control-allow-origin'], undefined);
    }
    const preflight = await app.inject({ method: 'OPTIONS', url: '/reload', headers: { host: 'localhost' } });
    assert.equal(preflight.statusCode, 404);
  });

  it('bounds bodies', async () => {
    const app = buildAdmin(controls());
    const headers = { ...bearer, 'content-type': 'application/json' };
    const response = await app.inject({ method: 'POST', url: '/reload', headers, payload: `"${'x'.repeat(70_000)}"` });
    assert.equal(response.statusCode, 413);
  });

  it('says that an address is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    const settings = { host: '127.0.0.1', port: address.port, path: null, hosts: [] };
    await assert.rejects(openAdmin(settings, controls()), { code: 'EADDRINUSE' });
    other.close();
  });

  it('listens on a Unix socket, in the place of one that was left over', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
    const path = join(directory, 'admin.sock');
    const settings = { host: null, port: 0, path, hosts: [] };
    const first = await openAdmin(settings, controls());
    await assert.rejects(openAdmin(settings, controls()), { code: 'EADDRINUSE' });
    assert.equal(await statusOver(path), 200);
    await first.close();
    assert.ok(!existsSync(path));
    rmSync(directory, { recursive: true });
  });

  it('closes although a probe keeps its connection', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-admin-'));
    const path = join(directory, 'admin.sock');
    const admin = await openAdmin({ host: null, port: 0, path, hosts: [] }, controls());
    const socket = connect(path);
    await new Promise((resolve) => socket.once('connect', resolve));
    await admin.close();
    socket.destroy();
    rmSync(directory, { recursive: true });
  });
});

describe('admin token', () => {
  it('is compared whole', () => {
    assert.ok(carriesToken(`Bearer ${TOKEN}`, TOKEN));
    assert.ok(carriesToken(`bearer ${TOKEN}`, TOKEN));
    for (const wrong of [undefined, '', 'Bearer', TOKEN, `Bearer ${TOKEN.slice(0, -1)}`, `Bearer  ${TOKEN}`]) {
      assert.ok(!carriesToken(wrong, TOKEN), String(wrong));
    }
  });
});

describe('admin host', () => {
  it('takes addresses, names of this machine and configured names', () => {
    for (const host of ['[::1]', '[fe80::1]:80', '1.2.3.4', 'x.localhost:1', 'LOCALHOST', 'Gateway.Internal']) {
      assert.ok(acceptsHost(host, ['gateway.internal']), host);
    }
    for (const host of [
      '',
      'evil.example',
      'localhost.evil.example',
      '1.2.3.4.evil.example',
      'a b',
      '[::1',
      '1.2.3.4:x',
    ]) {
      assert.ok(!acceptsHost(host, ['gateway.internal']), host);
    }
    assert.ok(!acceptsHost(undefined, []));
  });
});

function statusOver(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/health/live', agent: false, headers: { host: 'anything' } });
    sent.once('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.once('error', reject);
    sent.end();
  });
}
