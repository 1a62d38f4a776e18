import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { KeyView } from '../../src/supervisor/key-view.ts';
import type { NewKey, RotatedKey } from '../../src/supervisor/keys.ts';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { redisMissing, startRedis } from '../support/redis.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
/** Enough new connections for the kernel to have given some to each of three workers. */
const CONNECTIONS = 24;

const configuration = ({ url }: Pick<Upstream, 'url'>, consumers = ''): string => `
upstreams: { orders: ${url} }
auth:
  partner: { apiKey: { header: x-api-key } }
  link: { apiKey: { query: link_key, store: false } }
consumers:
  acme: { groups: [partners], keys: { partner: "\${file:keys/acme}" } }
  initech: { keys: { link: "\${file:keys/initech}" } }
${consumers}
defaults: { accessLog: { headers: x-api-key } }
routes:
  /orders: { auth: partner, to: orders, request: { headers: { set: { x-consumer: "{identity.consumer}" } } } }
  /download: { auth: link, to: orders }
`;

const files = { 'keys/acme': 'the-key-of-acme-in-a-file\n', 'keys/initech': 'the-key-of-initech-in-a-file\n' };

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sluice(gateway: Gateway, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SHIM, ...args, '-c', gateway.configFile], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function sluiceJson<T>(gateway: Gateway, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await sluice(gateway, ...args, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

/** A key of the store, made without the command line, which takes a second. */
async function create(gateway: Gateway, request: object): Promise<NewKey> {
  const { status, body } = await gateway.admin('POST', '/keys', request);
  assert.equal(status, 201);
  return body as NewKey;
}

/** What comes back over a connection of its own: the status, and the code of a refusal. */
function ask(gateway: Gateway, key: string | null, path = '/orders'): Promise<string> {
  const headers = key === null ? {} : { 'x-api-key': key };
  return new Promise((resolve, reject) => {
    const sent = request(gateway.url + path, { headers, agent: new Agent({ keepAlive: false }) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => {
        const { statusCode = 0 } = response;
        resolve(statusCode < 400 ? String(statusCode) : `${statusCode} ${JSON.parse(text).code}`);
      });
    });
    sent.once('error', reject);
    sent.end();
  });
}

/** Until every worker says the same. */
async function untilAll(gateway: Gateway, key: string, expected: string): Promise<void> {
  await until(`all workers answer ${expected}`, async () => {
    const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(gateway, key)));
    return answers.every((answer) => answer === expected);
  });
}

describe('API keys', () => {
  it('are made, rotated and revoked while all workers serve', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(configuration(upstream), { workers: 3, files });
    assert.equal(await ask(gateway, null), '401 credential_missing');

    const made = await sluiceJson<NewKey>(gateway, 'keys', 'create', '--consumer', 'acme', '--auth', 'partner');
    await untilAll(gateway, made.key, '200');
    assert.equal(upstream.requests.at(-1)?.headers['x-consumer'], 'acme');
    assert.equal(upstream.requests.at(-1)?.headers['x-api-key'], undefined);

    const rotated = await sluiceJson<RotatedKey>(gateway, 'keys', 'rotate', made.id, '--grace', '1h');
    await untilAll(gateway, rotated.key, '200');
    await untilAll(gateway, made.key, '200');
    await sluiceJson(gateway, 'keys', 'revoke', made.id);
    await untilAll(gateway, made.key, '401 credential_revoked');

    await gateway.admin('POST', `/keys/${rotated.id}/disable`);
    await untilAll(gateway, rotated.key, '401 credential_revoked');
    await gateway.admin('POST', `/keys/${rotated.id}/enable`);
    await untilAll(gateway, rotated.key, '200');
    assert.equal(await ask(gateway, `${rotated.key}x`), '401 credential_invalid');

    const all = await sluiceJson<KeyView[]>(gateway, 'keys', 'list', '--all');
    assert.deepEqual(
      new Map(all.map(({ id, state }) => [id, state])),
      new Map([
        [rotated.id, 'active'],
        [made.id, 'revoked'],
      ]),
    );
  });

  it('end with their time', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(configuration(upstream), { files });
    const { key } = await create(gateway, { consumer: 'acme', expires: '2s' });
    await until('it was good', async () => (await ask(gateway, key)) !== '401 credential_invalid');
    await until('it has ended', async () => (await ask(gateway, key)) === '401 credential_expired');
  });

  it('outlive the process', async () => {
    await using upstream = await startUpstream();
    const config = configuration(upstream);
    const gateway = await startGateway(config, { files });
    const { key } = await create(gateway, { consumer: 'initech' });
    gateway.signal('SIGTERM');
    assert.equal(await gateway.exited, 0);
    await using again = await startGateway(config, { like: gateway, workers: 2 });
    assert.equal(await ask(again, key), '200');
  });

  it('come from the configuration, and change with their file', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(configuration(upstream), { workers: 2, files });
    await untilAll(gateway, 'the-key-of-acme-in-a-file', '200');
    gateway.writeFile('keys/acme', 'another-key-of-acme\n');
    await untilAll(gateway, 'another-key-of-acme', '200');
    await untilAll(gateway, 'the-key-of-acme-in-a-file', '401 credential_invalid');
    // In the query, and for the one entry alone that it is configured for.
    assert.equal(await ask(gateway, null, '/download?x=1&link_key=the-key-of-initech-in-a-file&y=2'), '200');
    assert.equal(upstream.requests.at(-1)?.url, '/download?x=1&y=2');
    assert.equal(await ask(gateway, null, '/download?link_key=another-key-of-acme'), '401 credential_invalid');
    assert.equal(await ask(gateway, 'the-key-of-initech-in-a-file'), '401 credential_invalid');
  });

  it('are the current ones after two reloads, though a request still holds on to the first configuration', async () => {
    await using upstream = await startUpstream((request, response) => {
      response.writeHead(200);
      if (request.url === '/orders?stays') response.write('and stays');
      else response.end();
    });
    await using gateway = await startGateway(configuration(upstream), { files });
    const { id, key } = await create(gateway, { consumer: 'acme' });
    await untilAll(gateway, key, '200');
    const leaving = new AbortController();
    const headers = { 'x-api-key': key };
    assert.equal((await fetch(`${gateway.url}/orders?stays`, { headers, signal: leaving.signal })).status, 200);
    for (const text of ['another-key-of-acme\n', files['keys/acme']]) {
      gateway.writeFile('keys/acme', text);
      await untilAll(gateway, text.trim(), '200');
    }
    await gateway.admin('POST', `/keys/${id}/revoke`);
    await untilAll(gateway, key, '401 credential_revoked');
    leaving.abort();
  });

  it('go with their consumer, and come back with it', async () => {
    await using upstream = await startUpstream();
    const consumers = '  hooli: {}\n';
    await using gateway = await startGateway(configuration(upstream, consumers), { workers: 2, files });
    const { key } = await create(gateway, { consumer: 'hooli' });
    await untilAll(gateway, key, '200');
    gateway.write(configuration(upstream));
    await untilAll(gateway, key, '401 credential_invalid');
    const { keys } = (await gateway.admin('GET', '/keys')).body as { keys: KeyView[] };
    assert.deepEqual(
      keys.map(({ state }) => state),
      ['unknown-consumer'],
    );
    gateway.write(configuration(upstream, consumers));
    await untilAll(gateway, key, '200');
  });

  it('are taken over from a file, all or none, and refused with words', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(configuration(upstream), { files });
    const file = join(gateway.directory, 'old.csv');
    gateway.writeFile('old.csv', 'key,consumer\na-key-of-the-old-gateway,acme\nanother-key-of-the-old-one,acmee\n');
    const refused = await sluice(gateway, 'keys', 'import', file);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /old\.csv:3: the configuration has no consumer `acmee`: did you mean `acme`\?/);
    assert.equal(await ask(gateway, 'a-key-of-the-old-gateway'), '401 credential_invalid');
    gateway.writeFile('old.csv', 'key,consumer\na-key-of-the-old-gateway,acme\n');
    assert.deepEqual(await sluiceJson(gateway, 'keys', 'import', file), { imported: 1, skipped: 0 });
    await until('it is good', async () => (await ask(gateway, 'a-key-of-the-old-gateway')) === '200');
    const entry = await sluice(gateway, 'keys', 'create', '--consumer', 'acme', '--auth', 'link');
    assert.deepEqual(
      [entry.code, entry.stderr],
      [1, 'sluice: no entry `link` of `auth` takes stored keys; there are: partner\n'],
    );
    assert.match((await sluice(gateway, 'keys', 'revoke', 'nobody')).stderr, /there is no such key/);
  });

  it('are nowhere to be read', async () => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway(configuration(upstream), { files });
    const { key } = await create(gateway, { consumer: 'acme' });
    await until('it is good', async () => (await ask(gateway, key)) === '200');
    await ask(gateway, key.slice(0, -1));
    await ask(gateway, null, '/download?link_key=the-key-of-initech-in-a-file');
    await ask(gateway, null, '/download?link_key=the-key-of-initech-in-a-file&link_key=');
    await until('the requests are logged', () => gateway.stdout.split('\n').length > 4);
    const status = JSON.stringify(await gateway.admin('GET', '/status'));
    const metrics = JSON.stringify(await gateway.admin('GET', '/metrics'));
    const list = JSON.stringify(await gateway.admin('GET', '/keys'));
    const check = await sluice(gateway, 'check', '--print');
    const texts: Record<string, string> = { status, metrics, list, check: check.stdout + check.stderr };
    texts.log = gateway.stdout + gateway.stderr;
    const state = join(gateway.directory, '.sluice');
    for (const name of readdirSync(state, { withFileTypes: true })) {
      if (name.isFile()) texts[name.name] = readFileSync(join(state, name.name), 'latin1');
    }
    for (const [where, text] of Object.entries(texts)) {
      for (const secret of [key, key.slice(15, 45), 'the-key-of-acme-in-a-file', 'the-key-of-initech-in-a-file']) {
        assert.ok(!text.includes(secret), `a key is in ${where}`);
      }
    }
  });

  it('are shared by machines that share a store, and outlive its failure', { skip: redisMissing }, async () => {
    await using redis = await startRedis();
    await using upstream = await startUpstream();
    const config = `${configuration(upstream)}stores: { shared: { redis: "redis://127.0.0.1:${redis.port}" } }\n`;
    await using one = await startGateway(config, { files });
    await using other = await startGateway(config, { files });
    const made = await create(one, { consumer: 'acme' });
    const second = await create(other, { consumer: 'initech' });
    for (const gateway of [one, other]) {
      for (const { key } of [made, second]) await untilAll(gateway, key, '200');
    }
    await other.admin('POST', `/keys/${made.id}/revoke`);
    await untilAll(one, made.key, '401 credential_revoked');

    await redis.kill();
    await until('the outage is noticed', async () => {
      return (await one.admin('POST', '/keys', { consumer: 'acme' })).status === 503;
    });
    assert.deepEqual([await ask(one, second.key), await ask(one, made.key)], ['200', '401 credential_revoked']);
    // This one has never seen the store.
    await using third = await startGateway(config, { files });
    assert.equal(await ask(third, 'the-key-of-acme-in-a-file'), '200');
    assert.equal(await ask(third, second.key), '503 identity_unavailable');
    await redis.start();
    await until('it has read the store, which is empty now', async () => {
      return (await ask(third, second.key)) === '401 credential_invalid';
    });
  });
});
