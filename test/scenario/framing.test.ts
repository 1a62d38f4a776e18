import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { answering, connectRaw, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import type { StrictRequest } from '../support/strict-http.ts';

/** How messages are delimited on both sides, and what becomes of the connection afterwards (RFC 9112, 6 and 9). */

const seen: StrictRequest[] = [];
const answers: Record<string, string> = {
  '/length': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  '/empty': 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  '/chunked': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
  '/extensions': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0005;a=b\r\nhello\r\n6\r\n world\r\n0;z\r\n\r\n',
  '/no-chunks': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  '/trailers':
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n',
  '/204': 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nx-kept: yes\r\n\r\n',
  '/304': 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "a"\r\n\r\n',
  '/head': 'HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n',
  '/head-chunked': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
  '/1.0': 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  '/echo': OK,
};
const closing: Record<string, string> = {
  '/close': 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end',
  '/close-1.0': 'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  '/close-empty': 'HTTP/1.1 200 OK\r\n\r\n',
};

const upstream: RawUpstream = await startRawUpstream(
  answering((request, peer) => {
    seen.push(request);
    const path = request.target;
    const closed = closing[path];
    if (closed === undefined) return answers[path] ?? OK;
    setImmediate(() => peer.end());
    return closed;
  }),
);
const runtime: Runtime = await startRuntime({ upstreams: upstream.url });
after(async () => {
  runtime.stop();
  await upstream.close();
});

function request(path: string, version = '1.1', fields = '', method = 'GET'): string {
  return `${method} ${path} HTTP/${version}\r\nhost: shop.example\r\n${fields}\r\n`;
}

/** The last request that reached the upstream. */
function lastSeen(): StrictRequest {
  return seen.at(-1) as StrictRequest;
}

describe('responses to HTTP/1.1 clients', () => {
  const cases: [path: string, method: string, body: string, length: string | undefined, chunked: boolean][] = [
    ['/length', 'GET', 'hello', '5', false],
    ['/empty', 'GET', '', '0', false],
    ['/chunked', 'GET', 'hello world', undefined, true],
    ['/extensions', 'GET', 'hello world', undefined, true],
    ['/no-chunks', 'GET', '', undefined, true],
    ['/1.0', 'GET', 'hello', '5', false],
    ['/close', 'GET', 'until the end', undefined, true],
    ['/close-1.0', 'GET', 'until the end', undefined, true],
    ['/close-empty', 'GET', '', undefined, true],
    ['/204', 'GET', '', undefined, false],
    ['/304', 'GET', '', '5', false],
    ['/head', 'HEAD', '', '1234', false],
    ['/head-chunked', 'HEAD', '', undefined, false],
  ];
  for (const [path, method, body, length, chunked] of cases) {
    test(`${method} ${path}, with the connection alive after it`, async () => {
      const client = await connectRaw(runtime.port);
      client.send(request(path, '1.1', '', method));
      client.send(request('/length'));
      const [first, second] = await client.responses(2, [method, 'GET']);
      assert.equal(first?.body.toString(), body);
      assert.equal(first?.field('content-length'), length);
      assert.equal(first?.field('transfer-encoding'), chunked ? 'chunked' : undefined);
      assert.equal(first?.field('connection'), undefined);
      assert.equal(second?.body.toString(), 'hello');
      client.destroy();
    });
  }

  test('canonical chunks pass as they are', async () => {
    const client = await connectRaw(runtime.port);
    client.send(request('/chunked'));
    assert.deepEqual((await client.response()).chunks, [5, 6]);
    client.destroy();
  });

  test('the connection ends when the client says so', async () => {
    const client = await connectRaw(runtime.port);
    client.send(request('/length', '1.1', 'connection: close\r\n'));
    const answer = await client.response();
    assert.equal(answer.field('connection'), 'close');
    await client.untilClosed();
    client.destroy();
  });
});

describe('responses to HTTP/1.0 clients', () => {
  for (const path of ['/length', '/chunked', '/close', '/close-empty', '/trailers']) {
    test(`${path} ends with the connection`, async () => {
      const client = await connectRaw(runtime.port);
      client.send(request(path, '1.0'));
      await client.untilClosed();
      const answer = await client.response();
      assert.equal(answer.field('transfer-encoding'), undefined);
      assert.equal(answer.field('connection'), 'close');
      const expected: Record<string, string> = { '/length': 'hello', '/chunked': 'hello world', '/trailers': 'ok' };
      assert.equal(answer.body.toString(), expected[path] ?? (path === '/close' ? 'until the end' : ''));
      client.destroy();
    });
  }

  test('keep-alive works where the length is known', async () => {
    const client = await connectRaw(runtime.port);
    for (let i = 1; i <= 3; i++) {
      client.send(request('/length', '1.0', 'connection: keep-alive\r\n'));
      const answer = (await client.responses(i)).at(-1);
      assert.equal(answer?.field('connection'), 'keep-alive');
    }
    client.send(request('/chunked', '1.0', 'connection: keep-alive\r\n'));
    await client.untilClosed();
    assert.equal((await client.responses(4)).at(-1)?.body.toString(), 'hello world');
    client.destroy();
  });
});

describe('requests', () => {
  const post = (fields: string, body: string): string => `${request('/echo', '1.1', fields, 'POST')}${body}`;
  const cases: [what: string, fields: string, body: string, length: string | undefined, received: string][] = [
    ['a length', 'content-length: 5\r\n', 'hello', '5', 'hello'],
    ['a length of 0', 'content-length: 0\r\n', '', '0', ''],
    ['no framing at all', '', '', undefined, ''],
    ['chunks', 'transfer-encoding: chunked\r\n', '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n', undefined, 'hello!'],
    ['chunks with extensions', 'transfer-encoding: chunked\r\n', '005;x=1\r\nhello\r\n0;y\r\n\r\n', undefined, 'hello'],
    ['no chunk', 'transfer-encoding: chunked\r\n', '0\r\n\r\n', undefined, ''],
  ];
  for (const [what, fields, body, length, received] of cases) {
    test(`a body with ${what}`, async () => {
      const client = await connectRaw(runtime.port);
      client.send(post(fields, body));
      client.send(request('/length'));
      await client.responses(2);
      const arrived = seen.at(-2);
      assert.equal(arrived?.method, 'POST');
      assert.equal(arrived?.field('content-length'), length);
      assert.equal(arrived?.body.toString(), received);
      client.destroy();
    });
  }

  test('trailers go both ways', async () => {
    const client = await connectRaw(runtime.port);
    const fields = 'transfer-encoding: chunked\r\nte: trailers\r\nconnection: te\r\ntrailer: x-count\r\n';
    client.send(
      `${request('/trailers', '1.1', fields, 'POST')}2\r\nhi\r\n0\r\nx-count: 1\r\ncontent-length: 9\r\n\r\n`,
    );
    const answer = await client.response('POST');
    assert.deepEqual(answer.trailers, [['x-sum', '7']]);
    assert.deepEqual(lastSeen().trailers, [['x-count', '1']]);
    assert.equal(lastSeen().field('te'), 'trailers');
    assert.equal(lastSeen().field('connection'), 'te');
    client.destroy();
  });

  test('pieces of one byte are the same message', async () => {
    const client = await connectRaw(runtime.port);
    const text = post('transfer-encoding: chunked\r\n', '5\r\nhello\r\n0\r\nx-a: b\r\n\r\n');
    await client.sendPieces(text);
    assert.equal((await client.response('POST')).body.toString(), 'ok');
    assert.equal(lastSeen().body.toString(), 'hello');
    assert.deepEqual(lastSeen().trailers, [['x-a', 'b']]);
    client.destroy();
  });

  test('a hundred pipelined in one packet are answered in their order', async () => {
    const client = await connectRaw(runtime.port);
    const paths = Array.from({ length: 100 }, (_, i) => ['/length', '/chunked', '/close', '/204'][i % 4] as string);
    client.send(paths.map((path) => request(path)).join(''));
    const found = await client.responses(100);
    const expected: Record<string, string> = {
      '/length': 'hello',
      '/chunked': 'hello world',
      '/close': 'until the end',
      '/204': '',
    };
    assert.deepEqual(
      found.map(({ body }) => body.toString()),
      paths.map((path) => expected[path]),
    );
    client.destroy();
  });
});
