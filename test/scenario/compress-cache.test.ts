import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';

/** `compress` inside `cache`: what is kept is compressed already, once for each coding. */

const BODY = JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, name: `thing ${id}` })));

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  field(name: string): string | undefined;
}

describe('compressed and kept', () => {
  let upstream: Upstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await startUpstream((asked, response) => {
      const tag = `"${asked.url}"`;
      if (asked.headers['if-none-match']?.includes(tag) === true) response.writeHead(304, { etag: tag }).end();
      else {
        const fields = { 'content-type': 'application/json', 'content-length': BODY.length, etag: tag };
        response.writeHead(200, fields).end(BODY);
      }
    });
    gateway = await startGateway(
      `
upstreams: { main: ${upstream.url} }
routes:
  /short/*: { to: main, compress: true, cache: { ttl: 100ms } }
  /*: { to: main, compress: true, cache: { ttl: 1h } }
`,
      { workers: 2 },
    );
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  function ask(path: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      request(gateway.url + path, { agent: false, headers, method }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (bytes: Buffer) => pieces.push(bytes));
        response.once('end', () => {
          const field = (name: string) => response.headers[name]?.toString();
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces), field });
        });
      })
        .once('error', reject)
        .end();
    });
  }

  const askedFor = (path: string) => upstream.requests.filter(({ url }) => url === path).length;

  test('the service makes each variant once, however clients word what they take', async () => {
    const path = '/variants';
    const clients: [accepts: string | undefined, coding: string | undefined][] = [
      ['gzip, deflate, br, zstd', 'br'],
      ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'br'],
      ['gzip, deflate, br', 'br'],
      ['gzip, deflate', 'gzip'],
      ['deflate, gzip;q=1.0', 'gzip'],
      ['identity', undefined],
      ['deflate', undefined],
      [undefined, undefined],
    ];
    const bodies = new Map<string | undefined, Buffer>();
    for (const [accepts, coding] of [...clients, ...clients]) {
      const answer = await ask(path, accepts === undefined ? {} : { 'accept-encoding': accepts });
      assert.equal(answer.field('content-encoding'), coding, accepts ?? 'nothing');
      assert.equal(answer.field('vary'), 'Accept-Encoding');
      assert.equal(answer.field('content-length'), String(answer.body.length));
      assert.equal(answer.field('etag'), coding === undefined ? `"${path}"` : `W/"${path}"`);
      assert.deepEqual(answer.body, bodies.get(coding) ?? answer.body);
      bodies.set(coding, answer.body);
    }
    assert.equal(askedFor(path), 3);
    assert.equal(brotliDecompressSync(bodies.get('br') ?? '').toString(), BODY);
    assert.equal(gunzipSync(bodies.get('gzip') ?? '').toString(), BODY);
    assert.equal(bodies.get(undefined)?.toString(), BODY);
  });

  test('a client that asks whether what it has is still good is answered from what is kept', async () => {
    const path = '/conditional';
    const first = await ask(path, { 'accept-encoding': 'br' });
    const again = await ask(path, { 'accept-encoding': 'br', 'if-none-match': first.field('etag') ?? '' });
    assert.deepEqual([again.status, again.field('etag')], [304, `W/"${path}"`]);
    assert.equal(again.field('vary'), 'Accept-Encoding');
    assert.equal(askedFor(path), 1);
  });

  test('parts are parts of what has no coding', async () => {
    const path = '/parts';
    await ask(path, { 'accept-encoding': 'br' });
    await ask(path, {});
    const part = await ask(path, { 'accept-encoding': 'br', range: 'bytes=10-19' });
    assert.deepEqual([part.status, part.body.toString()], [206, BODY.slice(10, 20)]);
    assert.equal(part.field('content-encoding'), undefined);
    assert.equal(askedFor(path), 2);
  });

  test('HEAD is answered from what GET left', async () => {
    const path = '/head';
    const got = await ask(path, { 'accept-encoding': 'gzip' });
    const head = await ask(path, { 'accept-encoding': 'gzip' }, 'HEAD');
    for (const name of ['content-encoding', 'content-length', 'etag', 'vary']) {
      assert.equal(head.field(name), got.field(name), name);
    }
    assert.equal(askedFor(path), 1);
  });

  test('what was validated stays compressed, and what it was', async () => {
    const path = '/short/validated';
    const first = await ask(path, { 'accept-encoding': 'br' });
    await until('the service was asked whether it is still good', async () => {
      const answer = await ask(path, { 'accept-encoding': 'br' });
      assert.deepEqual([answer.status, answer.field('content-encoding')], [200, 'br']);
      assert.deepEqual([answer.field('etag'), answer.field('vary')], [`W/"${path}"`, 'Accept-Encoding']);
      assert.deepEqual(answer.body, first.body);
      return upstream.requests.some(({ url, headers }) => url === path && headers['if-none-match'] !== undefined);
    });
    const other = await ask(path, {});
    assert.deepEqual([other.field('content-encoding'), other.body.toString()], [undefined, BODY]);
  });

  test('many at once make one request for each variant', async () => {
    const path = '/together';
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        ask(path, { 'accept-encoding': ['br', 'gzip', 'zstd'][index % 3] ?? '' }),
      ),
    );
    for (const [index, answer] of answers.entries()) {
      assert.equal(answer.field('content-encoding'), ['br', 'gzip', 'zstd'][index % 3]);
    }
    assert.equal(askedFor(path), 3);
  });
});
