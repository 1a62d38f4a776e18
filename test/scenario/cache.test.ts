import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';

/** The cache as clients, services and operators meet it, with two workers. */

const CONFIG = (url: string): string => `
upstreams: { main: ${url} }
defaults: { accessLog: true }
routes:
  /things/*:
    to: main
    cache:
      ttl: 60s
      staleIfError: 1h
      tags: { hide: true }
      purge: { when: "client.ip == '127.0.0.1' && header['x-purger'] == 'yes'" }
    fallback: [stale, { respond: 503 }]
  /plain/*: main
`;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

describe('a cache for all workers', () => {
  const agent = new Agent({ keepAlive: false });
  let upstream: Upstream;
  let gateway: Gateway;
  let respond: (asked: IncomingMessage, response: ServerResponse) => void = usual;

  function usual(asked: IncomingMessage, response: ServerResponse): void {
    response.setHeader('cache-tag', 'things');
    response.setHeader('etag', '"1"');
    response.end(`answer to ${asked.url}`);
  }

  before(async () => {
    upstream = await startUpstream((asked, response) => respond(asked, response));
    gateway = await startGateway(CONFIG(upstream.url), { workers: 2 });
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      request(gateway.url + path, { agent, headers, method }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
        response.once('error', reject);
      })
        .once('error', reject)
        .end();
    });
  }

  const askedFor = (path: string): number => upstream.requests.filter(({ url }) => url === path).length;

  test('stores once, whoever asks', async () => {
    const first = await ask('/things/once');
    assert.equal(first.body, 'answer to /things/once');
    assert.match(String(first.headers['cache-status']), /fwd=uri-miss/);
    assert.equal(first.headers['cache-tag'], undefined);
    for (let i = 0; i < 20; i++) {
      const again = await ask('/things/once');
      assert.equal(again.body, first.body);
      assert.match(String(again.headers['cache-status']), /^Sluice; hit/);
      assert.ok(Number(again.headers.age) >= 0);
    }
    assert.equal(askedFor('/things/once'), 1);
    await until('the lines of the log', () => gateway.stdout.includes('"cache":"hit"'));
    assert.match(gateway.stdout, /"cache":"miss"/);
    const metrics = await fetch(`${gateway.adminUrl}/metrics`);
    assert.match(await metrics.text(), /sluice_cache_requests_total\{[^}]*result="hit"\} 20/);
  });

  test('many at once make one request, over all workers', async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const body = Buffer.alloc(200_000, 'sluice ');
    const digest = createHash('sha256').update(body).digest('hex');
    respond = (_asked, response) => {
      void released.then(() => {
        response.setHeader('content-length', body.length);
        response.write(body.subarray(0, 70_000));
        setTimeout(() => response.end(body.subarray(70_000)), 50);
      });
    };
    const answers = Array.from({ length: 1_000 }, () => ask('/things/herd'));
    await until('the service is asked', () => askedFor('/things/herd') > 0);
    setTimeout(release, 100);
    for (const answer of await Promise.all(answers)) {
      assert.equal(createHash('sha256').update(answer.body).digest('hex'), digest);
    }
    respond = usual;
    assert.equal(askedFor('/things/herd'), 1);
  });

  test('many at once make one request for each variant', async () => {
    respond = (asked, response) => {
      setTimeout(() => {
        response.setHeader('vary', 'x-variant');
        response.end(`variant ${asked.headers['x-variant']}`);
      }, 50);
    };
    const answers = Array.from({ length: 200 }, async (_, index) => {
      const variant = String(index % 10);
      const { body } = await ask('/things/variants', { 'x-variant': variant });
      assert.equal(body, `variant ${variant}`);
    });
    await Promise.all(answers);
    respond = usual;
    assert.equal(askedFor('/things/variants'), 10);
  });

  test('a client that leaves takes nobody with it', async () => {
    respond = (_asked, response) => {
      response.write('one ');
      setTimeout(() => response.end('two'), 200);
    };
    const leaving = request(`${gateway.url}/things/leaving`, { agent });
    leaving.on('error', () => undefined);
    leaving.end();
    await until('the service is asked', () => askedFor('/things/leaving') > 0);
    const others = Promise.all(Array.from({ length: 10 }, () => ask('/things/leaving')));
    setTimeout(() => leaving.destroy(), 50);
    for (const { body } of await others) assert.equal(body, 'one two');
    respond = usual;
    assert.equal(askedFor('/things/leaving'), 1);
  });

  test('a service that is down is stood in for', async () => {
    respond = (_asked, response) => {
      response.setHeader('cache-control', 'max-age=1, stale-if-error=3600');
      response.end('good');
    };
    await ask('/things/down');
    respond = (asked) => asked.socket.destroy();
    await until('it is stale', async () => String((await ask('/things/down')).headers['cache-status']).includes('fwd'));
    const stale = await ask('/things/down');
    assert.deepEqual([stale.status, stale.body, stale.headers['x-sluice-fallback']], [200, 'good', 'stale']);
    assert.equal((await ask('/things/never')).status, 503);
    respond = usual;
  });

  test('PURGE and operators purge for all workers', async () => {
    for (const path of ['/things/a', '/things/b?x=1', '/things/c']) await ask(path);
    const refused = await ask('/things/a', {}, 'PURGE');
    assert.equal(refused.status, 403);
    const purged = await ask('/things/a', { 'x-purger': 'yes' }, 'PURGE');
    assert.deepEqual([purged.status, purged.body], [200, '{"purged":1}\n']);
    for (let i = 0; i < 4; i++) await ask('/things/a');
    assert.equal(askedFor('/things/a'), 2);

    const sluice = (...args: string[]): string => {
      const done = spawnSync(process.execPath, ['bin/sluice.js', 'cache', ...args, '-c', gateway.configFile], {
        encoding: 'utf8',
      });
      assert.equal(done.status, 0, done.stderr);
      return done.stdout;
    };
    assert.match(sluice('list', '--tag', 'things'), /http:\/\/127\.0\.0\.1:\d+\/things\/b\?x=1 +200 +\d+/);
    const host = `127.0.0.1:${gateway.port}`;
    const [shown] = JSON.parse(sluice('show', `${host}/things/b?x=1`, '--json'));
    assert.deepEqual([shown.status, shown.state, shown.etag], [200, 'fresh', '"1"']);
    assert.match(sluice('show', shown.id), /etag: "1"/);
    assert.match(sluice('stats'), /look-ups +\d+, found \d+/);
    assert.equal(sluice('purge', `${host}/things/b?x=1`), '1 entry removed.\n');
    await ask('/things/b?x=1');
    assert.equal(askedFor('/things/b?x=1'), 2);
    sluice('purge', '--prefix', `${host}/things/c`);
    await ask('/things/c');
    assert.equal(askedFor('/things/c'), 2);
    sluice('purge', '--tag', 'things', '--soft');
    const validated = await ask('/things/c');
    assert.match(String(validated.headers['cache-status']), /fwd=/);
    assert.equal(upstream.requests.at(-1)?.headers['if-none-match'], '"1"');
    assert.equal(JSON.parse(sluice('purge', '--all', '--json')).told, null);
    assert.equal(sluice('list'), 'Nothing of that is stored.\n');
  });

  test('explains what it would do', () => {
    const done = spawnSync(
      process.execPath,
      ['bin/sluice.js', 'explain', 'GET', `${gateway.url}/things/1?b=2`, '-c', gateway.configFile],
      { encoding: 'utf8' },
    );
    assert.match(done.stdout, /cache: 1m where the service says nothing/);
    assert.match(done.stdout, /is looked up by http:\/\/127\.0\.0\.1:\d+\/things\/1\?b=2/);
  });
});
