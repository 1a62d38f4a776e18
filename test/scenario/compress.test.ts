import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  brotliCompressSync,
  brotliDecompressSync,
  createGunzip,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Dispatch } from '../../src/plan/call.ts';
import type { Route } from '../../src/plan/plan.ts';
import { compress } from '../../src/policies/compress.ts';
import { type ContentCoding, contentCodings } from '../../src/semantics/content-coding.ts';
import { until } from '../harness.ts';
import { handRoute } from '../support/plan.ts';
import { compilePolicy } from '../support/policy.ts';
import { connectRaw, type RawPeer, readResponses } from '../support/raw.ts';
import { openScene, type Scene } from '../support/scene.ts';
import type { StrictResponse } from '../support/strict-http.ts';

/** `compress` on the wire: between a client and a service that say exact bytes. */

const decompress = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync } as const;
const encode = { br: brotliCompressSync, zstd: zstdCompressSync, gzip: gzipSync } as const;
const BROWSER = 'gzip, deflate, br, zstd';

function compressing(options: unknown, dispatch: Dispatch, overrides: Partial<Route> = {}): Route {
  const { hooks } = compilePolicy(compress, options);
  const layer = hooks.find((hook) => hook.dispatch !== undefined)?.dispatch ?? assert.fail('there is no layer');
  const request = hooks.flatMap((hook) => hook.request ?? []);
  return handRoute({ dispatch: layer.wrap(dispatch, null), request, ...overrides });
}

function sceneWith(options: unknown = true, overrides: Partial<Route> = {}): Promise<Scene> {
  return openScene({ routes: (pool) => ({ '/*': compressing(options, pool('main').dispatch, overrides) }) });
}

function request(fields: Record<string, string> = { 'accept-encoding': BROWSER }, method = 'GET'): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} / HTTP/1.1\r\nhost: a\r\n${lines.join('')}\r\n`;
}

type Framing = 'length' | 'chunked' | 'close';

function head(status: string, fields: Record<string, string | number>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`;
}

function chunked(body: Uint8Array, size = body.length): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), Buffer.from(piece), Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

/** A whole response of JSON unless `fields` say otherwise. */
function response(body: Uint8Array, fields: Record<string, string | number> = {}, framing: Framing = 'length'): Buffer {
  const all = { 'content-type': 'application/json', ...fields };
  if (framing === 'length') {
    return Buffer.concat([Buffer.from(head('200 OK', { ...all, 'content-length': body.length })), body]);
  }
  if (framing === 'close') return Buffer.concat([Buffer.from(head('200 OK', { ...all, connection: 'close' })), body]);
  const begin = Buffer.from(head('200 OK', { ...all, 'transfer-encoding': 'chunked' }));
  return Buffer.concat([begin, chunked(body, 50_000), Buffer.from('0\r\n\r\n')]);
}

function json(length: number): Buffer {
  let text = '[';
  for (let i = 0; text.length < length; i++) text += `{"id":${i},"name":"item ${i}","price":${(i * 7919) % 1000}},`;
  return Buffer.from(text.slice(0, length));
}

async function answered(
  scene: Scene,
  asked: string,
  bytes: Uint8Array | string,
  method = 'GET',
  isUntilClosed = false,
): Promise<{ answer: StrictResponse; asked: string | undefined }> {
  scene.client.send(asked);
  const { server, requests } = await scene.asked();
  server.send(bytes);
  if (isUntilClosed) server.end();
  const answer = await scene.client.response(method);
  await scene.idle();
  return { answer, asked: requests[0]?.field('accept-encoding') };
}

function assertIncomplete({ bytes }: RawPeer): void {
  assert.deepEqual(readResponses(bytes, [], true), []);
}

function decoded(answer: StrictResponse): Buffer {
  const coding = answer.field('content-encoding');
  return coding === undefined ? answer.body : decompress[coding as ContentCoding](answer.body);
}

for (const coding of contentCodings) {
  describe(coding, () => {
    for (const [what, body, framing] of [
      ['a short answer', json(5_000), 'length'],
      ['a long answer', json(400_000), 'length'],
      ['a short answer in chunks', json(5_000), 'chunked'],
      ['a long answer in chunks', json(400_000), 'chunked'],
      ['a short answer until the end of its connection', json(5_000), 'close'],
      ['a long answer until the end of its connection', json(400_000), 'close'],
      ['an answer of noise', randomBytes(200_000), 'length'],
    ] as const) {
      test(`${what} arrives as it was`, async () => {
        await using scene = await sceneWith();
        const { answer, asked } = await answered(
          scene,
          request({ 'accept-encoding': coding }),
          response(body, {}, framing),
          'GET',
          framing === 'close',
        );
        assert.equal(asked, coding);
        assert.equal(answer.field('content-encoding'), coding);
        assert.equal(answer.field('vary'), 'Accept-Encoding');
        // The end of a connection comes behind what was there with the head.
        assert.equal(answer.field('content-length') !== undefined, body.length === 5_000 && framing !== 'close');
        assert.ok(decoded(answer).equals(body));
      });
    }

    test('a stream has each event as soon as it comes', async () => {
      await using scene = await sceneWith({ types: ['text/event-stream'] });
      scene.client.send(request({ 'accept-encoding': coding }));
      const { server } = await scene.asked();
      server.send(head('200 OK', { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }));
      await scene.client.until('the head', ({ text }) => text.includes('\r\n\r\n'));
      for (let i = 1; i <= 3; i++) {
        const { received } = scene.client;
        server.send(chunked(Buffer.from(`data: ${i}\n\n`)));
        await scene.client.until(`event ${i}`, (client) => client.received > received);
      }
      server.send('0\r\n\r\n');
      const answer = await scene.client.response();
      assert.equal(decoded(answer).toString(), 'data: 1\n\ndata: 2\n\ndata: 3\n\n');
    });

    test('what a service sends in it goes to who does not accept it without', async () => {
      const other = coding === 'br' ? 'zstd' : 'br';
      for (const [body, framing] of [
        [json(5_000), 'length'],
        [json(5_000), 'chunked'],
        [json(400_000), 'length'],
      ] as const) {
        for (const accepts of ['identity', other]) {
          await using scene = await sceneWith();
          const sent = response(encode[coding](body), { 'content-encoding': coding, etag: '"a"' }, framing);
          const { answer } = await answered(scene, request({ 'accept-encoding': accepts }), sent);
          assert.equal(answer.field('content-encoding'), undefined);
          assert.equal(answer.field('etag'), 'W/"a"');
          assert.equal(answer.field('vary'), 'Accept-Encoding');
          assert.ok(answer.body.equals(body));
        }
      }
    });

    test('what a service sends in it, but is not in it, is 502, or incomplete', async () => {
      await using scene = await sceneWith();
      const short = response(Buffer.from('not at all'), { 'content-encoding': coding });
      const { answer } = await answered(scene, request({}), short);
      assert.equal(answer.status, 502);
      await using another = await sceneWith();
      another.client.send(request({}));
      const { server } = await another.asked();
      server.send(response(randomBytes(100_000), { 'content-encoding': coding }));
      await another.client.untilClosed();
      await another.idle();
      assertIncomplete(another.client);
    });
  });
}

test('the service is asked for what the answer will have, in the same words for all', async () => {
  const cases: [asked: Record<string, string>, options: unknown, told: string][] = [
    [{}, true, 'identity'],
    [{ 'accept-encoding': 'deflate' }, true, 'identity'],
    [{ 'accept-encoding': BROWSER }, true, 'br, gzip;q=0.5'],
    [{ 'accept-encoding': 'br;q=1.0, gzip;q=0.8' }, true, 'br, gzip;q=0.5'],
    [{ 'accept-encoding': BROWSER }, { codings: 'gzip' }, 'gzip'],
    [{ 'accept-encoding': BROWSER }, { upstream: 'identity' }, 'identity'],
    [{ 'accept-encoding': BROWSER, range: 'bytes=0-9' }, true, 'identity'],
  ];
  for (const [fields, options, told] of cases) {
    await using scene = await sceneWith(options);
    const { asked } = await answered(scene, request(fields), response(json(10)));
    assert.equal(asked, told);
  }
});

test('asked for no coding, the service still leaves the client its choice', async () => {
  await using scene = await sceneWith({ upstream: 'identity' });
  const { answer } = await answered(scene, request(), response(json(5_000)));
  assert.equal(answer.field('content-encoding'), 'br');
  assert.deepEqual(decoded(answer), json(5_000));
});

test('what the client accepts of a service passes as it is', async () => {
  for (const [coding, accepts] of [
    ['br', BROWSER],
    ['gzip', BROWSER],
    ['x-gzip', 'gzip'],
    ['deflate', BROWSER],
    ['gzip, br', 'gzip'],
  ] as const) {
    await using scene = await sceneWith();
    const body = randomBytes(3_000);
    const sent = response(body, { 'content-encoding': coding, etag: '"a"', vary: 'accept-encoding' });
    const { answer } = await answered(scene, request({ 'accept-encoding': accepts }), sent);
    assert.equal(answer.field('content-encoding'), coding);
    assert.equal(answer.field('etag'), '"a"');
    assert.equal(answer.field('vary'), 'accept-encoding');
    assert.deepEqual(answer.body, body);
  }
});

test('with `decode: false` a coding of the service stays', async () => {
  await using scene = await sceneWith({ decode: false });
  const body = gzipSync(json(3_000));
  const { answer } = await answered(scene, request({}), response(body, { 'content-encoding': 'gzip' }));
  assert.deepEqual([answer.field('content-encoding'), answer.body], ['gzip', body]);
});

test('what stays as it is', async () => {
  const cases: [
    what: string,
    fields: Record<string, string>,
    asked: Record<string, string>,
    vary: string | undefined,
  ][] = [
    ['another type', { 'content-type': 'image/png' }, {}, undefined],
    ['events', { 'content-type': 'text/event-stream' }, {}, undefined],
    ['what must not be changed', { 'cache-control': 'public, no-transform' }, {}, undefined],
    ['what the client wants unchanged', {}, { 'cache-control': 'no-transform' }, undefined],
    ['what is signed', { 'signature-input': 'a=("content-digest")' }, {}, undefined],
    ['what nobody can undo', {}, { 'accept-encoding': 'deflate' }, 'Accept-Encoding'],
    ['what has a range', {}, { range: 'bytes=0-99999' }, 'Accept-Encoding'],
  ];
  for (const [what, fields, asked, vary] of cases) {
    await using scene = await sceneWith();
    const body = json(5_000);
    const { answer } = await answered(
      scene,
      request({ 'accept-encoding': BROWSER, ...asked }),
      response(body, { etag: '"a"', 'accept-ranges': 'bytes', ...fields }),
    );
    assert.equal(answer.field('content-encoding'), undefined, what);
    assert.equal(answer.field('etag'), '"a"', what);
    assert.equal(answer.field('accept-ranges'), 'bytes', what);
    assert.equal(answer.field('vary'), vary, what);
    assert.deepEqual(answer.body, body, what);
  }
});

test('short answers stay as they are, unless the client refuses that', async () => {
  for (const framing of ['length', 'chunked'] as const) {
    await using scene = await sceneWith();
    const { answer } = await answered(scene, request(), response(json(1_023), {}, framing));
    assert.equal(answer.field('content-encoding'), undefined);
    assert.equal(answer.field('content-length'), '1023');
    assert.equal(answer.field('vary'), 'Accept-Encoding');
    await using strict = await sceneWith();
    const refusing = request({ 'accept-encoding': 'gzip, identity;q=0' });
    const { answer: encoded } = await answered(strict, refusing, response(json(100), {}, framing));
    assert.equal(encoded.field('content-encoding'), 'gzip');
  }
  await using scene = await sceneWith({ minSize: '10B' });
  const { answer } = await answered(scene, request(), response(json(200)));
  assert.equal(answer.field('content-encoding'), 'br');
});

test('what would not become shorter stays', async () => {
  await using scene = await sceneWith();
  const body = randomBytes(2_000);
  const { answer } = await answered(scene, request(), response(body, { etag: '"a"' }));
  assert.deepEqual([answer.field('content-encoding'), answer.field('etag')], [undefined, '"a"']);
  assert.deepEqual(answer.body, body);
});

test('what is true of one coding alone is not said of another', async () => {
  const fields = {
    etag: '"a"',
    'accept-ranges': 'bytes',
    'content-md5': 'x',
    digest: 'sha-256=x',
    'content-digest': 'sha-256=:x:',
    'repr-digest': 'sha-256=:x:',
    'last-modified': 'Tue, 24 Nov 2026 10:00:00 GMT',
    vary: 'Origin',
  };
  for (const size of [5_000, 100_000]) {
    await using scene = await sceneWith();
    const { answer } = await answered(scene, request(), response(json(size), fields));
    assert.equal(answer.field('etag'), 'W/"a"');
    assert.equal(answer.field('vary'), 'Origin, Accept-Encoding');
    assert.equal(answer.field('last-modified'), fields['last-modified']);
    for (const name of ['accept-ranges', 'content-md5', 'digest', 'content-digest', 'repr-digest']) {
      assert.equal(answer.field(name), undefined, name);
    }
  }
});

test('HEAD is told what GET would be', async () => {
  for (const [fields, coding, length] of [
    [{ 'content-length': 5_000 }, 'br', undefined],
    [{ 'content-length': 500 }, undefined, '500'],
    [{}, 'br', undefined],
  ] as const) {
    await using scene = await sceneWith();
    const sent = head('200 OK', { 'content-type': 'text/html', etag: '"a"', ...fields });
    const { answer } = await answered(scene, request({ 'accept-encoding': BROWSER }, 'HEAD'), sent, 'HEAD');
    assert.equal(answer.field('content-encoding'), coding);
    assert.equal(answer.field('content-length'), length);
    assert.equal(answer.field('etag'), coding === undefined ? '"a"' : 'W/"a"');
    assert.equal(answer.field('vary'), 'Accept-Encoding');
  }
});

test('a client that asks whether its encoded answer is still good hears of that one', async () => {
  for (const [asked, tag] of [
    ['W/"a"', 'W/"a"'],
    ['"b", W/"a"', 'W/"a"'],
    ['"a"', '"a"'],
  ]) {
    await using scene = await sceneWith();
    const fields = { 'accept-encoding': BROWSER, 'if-none-match': asked as string };
    scene.client.send(request(fields));
    const { server, requests } = await scene.asked();
    assert.equal(requests[0]?.field('if-none-match'), asked);
    server.send(head('304 Not Modified', { etag: '"a"' }));
    const answer = await scene.client.response();
    assert.deepEqual([answer.status, answer.field('etag')], [304, tag]);
    assert.equal(answer.field('vary'), 'Accept-Encoding');
    assert.equal(answer.field('content-encoding'), undefined);
  }
});

test('no content, parts and empty answers stay', async () => {
  for (const [sent, status] of [
    [head('204 No Content', { 'content-type': 'text/plain' }), 204],
    [head('200 OK', { 'content-type': 'text/plain', 'content-length': 0 }), 200],
    [`${head('200 OK', { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' })}0\r\n\r\n`, 200],
  ] as const) {
    await using scene = await sceneWith({ minSize: 0 });
    const { answer } = await answered(scene, request(), sent);
    assert.deepEqual([answer.status, answer.field('content-encoding'), answer.body.length], [status, undefined, 0]);
  }
  await using scene = await sceneWith();
  const fields = { 'content-type': 'text/plain', 'content-range': 'bytes 0-1999/9000', 'content-length': 2_000 };
  const part = Buffer.concat([Buffer.from(head('206 Partial Content', fields)), json(2_000)]);
  const { answer } = await answered(scene, request({ 'accept-encoding': BROWSER, range: 'bytes=0-1999' }), part);
  assert.deepEqual([answer.status, answer.field('content-encoding')], [206, undefined]);
  assert.deepEqual(answer.body, json(2_000));
});

test('trailers come behind what was encoded', async () => {
  for (const size of [5_000, 100_000]) {
    await using scene = await sceneWith();
    scene.client.send(request());
    const { server } = await scene.asked();
    server.send(head('200 OK', { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }));
    server.send(chunked(json(size), 30_000));
    server.send('0\r\nx-sum: 7\r\ncontent-digest: sha-256=:x:\r\n\r\n');
    const answer = await scene.client.response();
    assert.deepEqual(decoded(answer), json(size));
    assert.deepEqual(answer.trailers, [['x-sum', '7']]);
  }
});

test('a connection serves on, whichever way each answer went', async () => {
  await using scene = await sceneWith();
  const bodies = [json(5_000), json(300_000), json(100), json(40_000), json(5_000)];
  for (const [index, body] of bodies.entries()) {
    scene.client.send(request());
    const { server } = await scene.asked(0, index + 1);
    server.send(response(body, {}, index % 2 === 0 ? 'length' : 'chunked'));
    const answer = (await scene.client.responses(index + 1))[index];
    assert.ok(answer !== undefined && decoded(answer).equals(body));
  }
  assert.equal(scene.upstream.connections.length, 1);
});

test('pipelined requests are answered in order', async () => {
  await using scene = await sceneWith();
  scene.client.send(request().repeat(2));
  const { server } = await scene.asked();
  server.send(response(json(300_000)));
  (await scene.asked(0, 2)).server.send(response(json(2_000)));
  const answers = await scene.client.responses(2);
  assert.deepEqual(
    answers.map((answer) => decoded(answer).length),
    [300_000, 2_000],
  );
});

test('a response hook that waits loses nothing', async () => {
  for (const size of [5_000, 300_000]) {
    const hook = {
      run: async () => await new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 5)),
    };
    await using scene = await sceneWith(true, { response: [hook] });
    const { answer } = await answered(scene, request(), response(json(size)));
    assert.ok(decoded(answer).equals(json(size)));
  }
});

test('HTTP/1.0 clients get a long encoded answer until the end of the connection', async () => {
  await using scene = await sceneWith();
  scene.client.send(request().replace('HTTP/1.1', 'HTTP/1.0'));
  (await scene.asked()).server.send(response(json(100_000)));
  await scene.client.untilClosed();
  const answer = await scene.client.response();
  assert.ok(decoded(answer).equals(json(100_000)));
});

describe('a long answer', () => {
  /** Long enough that no buffer on the way holds it. */
  const SIZE = 30_000_000;

  async function flood(server: RawPeer): Promise<void> {
    server.send(head('200 OK', { 'content-type': 'text/plain', 'content-length': SIZE }));
    const noise = randomBytes(1_000_000);
    for (let i = 0; i < SIZE / noise.length; i++) server.send(noise);
    await until('the service has to wait', () => server.socket.writableLength > 0);
  }

  async function waits(server: RawPeer): Promise<number> {
    for (let last = -1; ; ) {
      const left = server.socket.writableLength;
      if (left === last) return left;
      last = left;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test('waits for a slow client, and then goes on', async () => {
    await using scene = await sceneWith();
    scene.client.socket.pause();
    scene.client.send(request());
    const { server } = await scene.asked();
    await flood(server);
    assert.ok((await waits(server)) > SIZE / 2, 'most of it stays where it comes from');
    scene.client.socket.resume();
    await scene.client.until('all of it', ({ received }) => received > SIZE);
    assert.equal(decoded(await scene.client.response()).length, SIZE);
  });

  test('ends with its client, and gives its place free', async () => {
    await using scene = await sceneWith({ maxStreams: 1 });
    scene.client.socket.pause();
    scene.client.send(request());
    const { server } = await scene.asked();
    await flood(server);
    const second = await connectRaw(scene.runtime.port);
    second.send(request());
    (await scene.asked(1)).server.send(response(json(100_000)));
    assert.equal((await second.response()).field('content-encoding'), undefined, 'there is no place for another');
    scene.client.reset();
    await server.until('the service hears of it', ({ closed }) => closed);
    await scene.idle();
    second.send(request());
    (await scene.asked(1, 2)).server.send(response(json(100_000)));
    const again = (await second.responses(2))[1] ?? assert.fail();
    assert.equal(again.field('content-encoding'), 'br');
    assert.ok(decoded(again).equals(json(100_000)));
    second.destroy();
  });

  test('that breaks off is incomplete for the client, too', async () => {
    for (const size of [10_000, 10_000_000]) {
      await using scene = await sceneWith();
      scene.client.send(request());
      const { server } = await scene.asked();
      server.send(head('200 OK', { 'content-type': 'text/plain', 'content-length': size }));
      server.send(json(size - 1));
      server.reset();
      // Of a short one nothing has gone out yet.
      if (size === 10_000) {
        assert.equal((await scene.client.response()).status, 502);
      } else {
        await scene.client.untilClosed();
        assertIncomplete(scene.client);
      }
      await scene.idle();
    }
  });
});

test('a bomb does not go off here', async () => {
  await using scene = await sceneWith();
  scene.client.send(request({}));
  const { server } = await scene.asked();
  server.send(response(gzipSync(Buffer.alloc(60_000_000)), { 'content-encoding': 'gzip' }));
  await scene.client.untilClosed();
  await scene.idle();
  assertIncomplete(scene.client);
  assert.ok(scene.client.received < 18_000_000);
});

test('what flows slowly is not held back', async () => {
  await using scene = await sceneWith();
  scene.client.send(request({ 'accept-encoding': 'gzip' }));
  const { server } = await scene.asked();
  server.send(head('200 OK', { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }));
  await scene.client.until('the head', ({ text }) => text.includes('\r\n\r\n'));
  server.send(chunked(Buffer.from('first')));
  const gunzip = createGunzip();
  let text = '';
  gunzip.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await scene.client.until('the first piece', ({ bytes }) => {
    const at = bytes.indexOf('\r\n\r\n') + 4;
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return false;
    gunzip.write(bytes.subarray(line + 2, line + 2 + Number.parseInt(bytes.toString('latin1', at, line), 16)));
    return true;
  });
  await until('its text', () => text === 'first' || undefined);
  server.send('0\r\n\r\n');
  assert.equal(decoded(await scene.client.response()).toString(), 'first');
});

test('an upgrade is asked for and granted as it was', async () => {
  await using scene = await sceneWith();
  scene.client.send(request({ connection: 'upgrade', upgrade: 'websocket', 'accept-encoding': BROWSER }));
  const { server, requests } = await scene.asked();
  assert.equal(requests[0]?.field('accept-encoding'), BROWSER);
  server.send('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello');
  await scene.client.until('the tunnel', ({ text }) => text.endsWith('\r\n\r\nhello'));
  assert.ok(!scene.client.text.includes('ary:'));
});
