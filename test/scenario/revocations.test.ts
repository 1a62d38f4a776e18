import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, startGateway, until } from '../harness.ts';
import { redisMissing, startRedis } from '../support/redis.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
const KEYS = { mobile: 'a-key-of-the-mobile-app-1', partner: 'a-key-of-the-partner-22' };

function config(stores: string): string {
  return `${stores}
auth:
  key: { apiKey: { header: x-api-key } }
consumers:
  mobile: { keys: { key: "${KEYS.mobile}" } }
  partner: { keys: { key: "${KEYS.partner}" } }
routes:
  /*: { auth: key, respond: { status: 204 } }
`;
}

async function ask(gateway: Gateway, key: string): Promise<number> {
  return (await fetch(gateway.url, { headers: { 'x-api-key': key } })).status;
}

async function sluice(gateway: Gateway, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [SHIM, ...args, '-c', gateway.configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

async function storeOf(gateway: Gateway): Promise<Status['records']> {
  return ((await gateway.admin('GET', '/status')).body as Status).records;
}

describe('revoking', () => {
  it('works by the command line, on every worker, and outlives the process', async () => {
    await using gateway = await startGateway(config(''), { workers: 2 });
    assert.equal(await ask(gateway, KEYS.mobile), 204);
    const revoked = await sluice(gateway, 'revoke', 'consumer', 'mobile', '--for', '1h', '--reason', 'phone stolen');
    assert.equal(revoked.code, 0, revoked.err);
    assert.match(revoked.out, /^The consumer mobile is revoked until 20/);
    for (let times = 0; times < 20; times++) assert.equal(await ask(gateway, KEYS.mobile), 401);
    assert.equal(await ask(gateway, KEYS.partner), 204);
    assert.match((await sluice(gateway, 'revoke', 'list')).out, /consumer {2}mobile .* phone stolen/);
    await using next = await startGateway('', { like: gateway, args: ['--take-over'] });
    await gateway.exited;
    assert.equal(await ask(next, KEYS.mobile), 401);
    const undone = await sluice(next, 'revoke', 'undo', 'consumer', 'mobile');
    assert.deepEqual([undone.code, undone.out], [0, 'The consumer mobile is not revoked any more.\n']);
    await until('it is good again', async () => (await ask(next, KEYS.mobile)) === 204);
    const none = await sluice(next, 'revoke', 'undo', 'consumer', 'mobile');
    assert.deepEqual([none.code, none.out], [1, '']);
    assert.match(none.err, /no such consumer is revoked/);
    assert.equal((await sluice(next, 'revoke', 'undo', 'user', 'mobile')).code, 2);
    assert.equal((await storeOf(next))?.kind, 'sqlite');
  });

  it('reaches every machine, and holds while Redis is away', { skip: redisMissing }, async () => {
    await using redis = await startRedis();
    const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}` };
    const text = config('stores:\n  shared: { redis: "${env:REDIS_URL}", onFailure: local }');
    await using one = await startGateway(text, { env });
    await using other = await startGateway(text, { env });
    assert.equal((await storeOf(one))?.kind, 'redis');
    assert.equal(await ask(other, KEYS.mobile), 204);
    const { status } = await post(one, '/revocations', { kind: 'consumer', id: 'mobile', block: true });
    assert.equal(status, 201);
    assert.equal(await ask(one, KEYS.mobile), 401);
    await until('the other knows', async () => (await ask(other, KEYS.mobile)) === 401);
    // What is known is written down a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await redis.kill();
    await until('it is noticed', async () => (await storeOf(one))?.failure !== null);
    assert.equal(await ask(one, KEYS.mobile), 401);
    assert.equal(await ask(one, KEYS.partner), 204);
    const refused = await sluice(one, 'revoke', 'consumer', 'partner');
    assert.deepEqual([refused.code, refused.out], [1, '']);
    assert.match(refused.err, /Redis at 127\.0\.0\.1:\d+ cannot be reached/);
    assert.equal((await post(one, '/revocations', { kind: 'token', id: 'a' })).status, 503);
    await using next = await startGateway('', { like: other, args: ['--take-over'], env });
    await other.exited;
    assert.equal(await ask(next, KEYS.mobile), 401, 'a start without Redis knows what was known');
    assert.match((await storeOf(next))?.failure ?? '', /cannot be reached/);
    await redis.start();
    await until('this Redis has forgotten it', async () => (await ask(next, KEYS.mobile)) === 204);
    assert.equal((await storeOf(next))?.failure, null);
  });
});

async function post(gateway: Gateway, path: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/json' };
  return fetch(`${gateway.adminUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}
