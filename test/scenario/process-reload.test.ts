import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocket, WebSocketServer } from 'ws';
import type { ReloadOutcome } from '../../src/supervisor/reloader.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { freePort, type Gateway, startGateway, startUpstream, until } from '../harness.ts';
import { KeepAliveLoad } from '../keep-alive-load.ts';
import { soak } from '../soak/scale.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
/** Whole, it is the 50 reloads of `npm run bench reload` again. */
const RELOADS = soak(10, 50);

const answering = (status: number): string => `routes:\n  /*: { respond: { status: ${status} } }\n`;

async function reload(gateway: Gateway): Promise<ReloadOutcome> {
  return (await gateway.admin('POST', '/reload')).body as ReloadOutcome;
}

async function statusOf(gateway: Gateway): Promise<Status> {
  return (await gateway.admin('GET', '/status')).body as Status;
}

describe('reload', () => {
  it('is in force for every request that begins after its answer', async () => {
    await using gateway = await startGateway(answering(200), { workers: 2 });
    for (const status of [201, 202, 203]) {
      gateway.write(answering(status));
      const outcome = await reload(gateway);
      assert.ok(outcome.ok);
      const seen = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(gateway.url)).status));
      assert.deepEqual([...new Set(seen)], [status]);
    }
  });

  it('comes by itself when the file changes, and by SIGHUP', async () => {
    await using gateway = await startGateway(answering(200));
    gateway.write(answering(201));
    await until('the change is in force', async () => (await fetch(gateway.url)).status === 201);
    gateway.signal('SIGHUP');
    await until('the signal was heard', async () => {
      return (await statusOf(gateway)).config.lastReload?.reasons.includes('signal') ?? false;
    });
    assert.equal((await statusOf(gateway)).config.version, 2, 'nothing has changed, so nothing was done');
  });

  it('loses no request and closes no connection under load, and tunnels live on', async () => {
    const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(sockets, 'listening');
    sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(`echo ${text}`)));
    const address = sockets.address();
    assert.ok(typeof address === 'object' && address !== null);
    await using upstream = await startUpstream();
    const config = (generation: number): string =>
      `routes:\n  GET /generation: { respond: { status: 200, body: "${generation}" } }\n  /ws: http://127.0.0.1:${address.port}\n  /*: ${upstream.url}\n`;
    await using gateway = await startGateway(config(0), { workers: 2 });
    const tunnel = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws`);
    await once(tunnel, 'open');
    await using load = new KeepAliveLoad(gateway.url, 16);
    for (let generation = 1; generation <= RELOADS; generation++) {
      gateway.write(config(generation));
      assert.equal((await reload(gateway)).ok, true);
      assert.equal(await (await fetch(`${gateway.url}/generation`)).text(), String(generation));
      const { completed } = load;
      await until('requests go on', () => load.completed > completed + 20);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.equal(load.closedUnannounced, 0);
    assert.deepEqual([...load.statuses.keys()], [200]);
    tunnel.send('still here');
    const [answer] = await once(tunnel, 'message');
    assert.equal(String(answer), 'echo still here');
    tunnel.close();
    await once(tunnel, 'close');
    sockets.close();
  });

  it('changes nothing when the configuration is wrong, and says so until it is right', async () => {
    await using gateway = await startGateway(answering(200));
    gateway.write('rutes: 1\n');
    const failed = spawnSync(process.execPath, [SHIM, 'reload', '-c', gateway.configFile], { encoding: 'utf8' });
    assert.equal(failed.status, 1);
    assert.match(failed.stdout, /`rutes`[\s\S]*version 1 stays in service/);
    assert.equal((await fetch(gateway.url)).status, 200);
    assert.match((await statusOf(gateway)).config.lastReload?.error ?? '', /rutes/);
    const metrics = async (): Promise<string> => (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.match(await metrics(), /^sluice_config_last_reload_failed 1$/m);
    gateway.write(answering(201));
    await until('the right one is in force', async () => (await fetch(gateway.url)).status === 201);
    assert.equal((await statusOf(gateway)).config.lastReload?.error, null);
    assert.match(await metrics(), /^sluice_config_last_reload_failed 0$/m);
  });

  it('changes nothing when an address cannot be had', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await once(other, 'listening');
    const address = other.address();
    assert.ok(typeof address === 'object' && address !== null);
    await using gateway = await startGateway(answering(200), { workers: 2 });
    const free = await freePort();
    const listen = `listen: [127.0.0.1:${gateway.port}, 127.0.0.1:${free}, 127.0.0.1:${address.port}]\n`;
    writeFileSync(gateway.configFile, `admin: 127.0.0.1:${gateway.adminPort}\nworkers: 2\n${listen}${answering(201)}`);
    const outcome = await reload(gateway);
    assert.equal(outcome.ok, false);
    assert.match(outcome.ok ? '' : outcome.error, new RegExp(`127\\.0\\.0\\.1:${address.port} is in use`));
    assert.equal((await fetch(gateway.url)).status, 200);
    await assert.rejects(fetch(`http://127.0.0.1:${free}`), 'the address that could be had was given back');
  });

  it('opens new addresses and closes old ones', async () => {
    await using gateway = await startGateway(answering(200), { workers: 2 });
    const moved = await freePort();
    const config = (listen: string): string =>
      `admin: 127.0.0.1:${gateway.adminPort}\nworkers: 2\nlisten: ${listen}\n${answering(200)}`;
    writeFileSync(gateway.configFile, config(`[127.0.0.1:${gateway.port}, 127.0.0.1:${moved}]`));
    assert.ok((await reload(gateway)).ok);
    assert.equal((await fetch(`http://127.0.0.1:${moved}`)).status, 200);
    assert.equal((await fetch(gateway.url)).status, 200);
    writeFileSync(gateway.configFile, config(`127.0.0.1:${moved}`));
    assert.ok((await reload(gateway)).ok);
    await until('the old address is closed', () =>
      fetch(gateway.url, { headers: { connection: 'close' } }).then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await fetch(`http://127.0.0.1:${moved}`)).status, 200);
  });

  it('moves the admin API', async () => {
    await using gateway = await startGateway(answering(200));
    const moved = await freePort();
    writeFileSync(
      gateway.configFile,
      `admin: 127.0.0.1:${moved}\nlisten: 127.0.0.1:${gateway.port}\n${answering(200)}`,
    );
    await until('it has moved', () => fetch(`http://127.0.0.1:${moved}/health/ready`).then(({ ok }) => ok));
    await until('the old address is closed', () =>
      fetch(`${gateway.adminUrl}/health/live`).then(
        () => false,
        () => true,
      ),
    );
  });

  it('brings changed TypeScript into force by fresh workers, and keeps the old ones when it is broken', async () => {
    const handler = (text: string): string =>
      `import { words } from './words.ts';\nexport default () => new Response(words + ${text});\n`;
    await using gateway = await startGateway('routes:\n  /*: { handler: ./answer.ts }\n', {
      workers: 2,
      files: { 'answer.ts': handler('1'), 'words.ts': `export const words = 'answer ';\n` },
    });
    const answer = async (): Promise<string> => (await fetch(gateway.url)).text();
    assert.equal(await answer(), 'answer 1');
    const before = (await statusOf(gateway)).workers.map(({ id }) => id);
    writeFileSync(join(gateway.directory, 'answer.ts'), handler('2'));
    await until('the handler is new', async () => (await answer()) === 'answer 2');
    writeFileSync(join(gateway.directory, 'words.ts'), `export const words = 'reply ';\n`);
    await until('what it imports is new', async () => (await answer()) === 'reply 2');
    const after = await until('the old workers are gone', async () => {
      const { workers } = await statusOf(gateway);
      return workers.length === 2 && workers;
    });
    assert.ok(after.every(({ id }) => !before.includes(id)));
    writeFileSync(join(gateway.directory, 'answer.ts'), 'export default 7;\n');
    await until('the failure shows', async () => (await statusOf(gateway)).config.lastReload?.ok === false);
    assert.equal(await answer(), 'reply 2');
  });
});
