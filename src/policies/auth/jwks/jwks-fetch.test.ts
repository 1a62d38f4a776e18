import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { makeAuthority } from '../../../../test/support/certificates.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { type FetchedDocument, FetchFailure, fetchDocument } from './jwks-fetch.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Peer {
  readonly origin: string;
  readonly requests: IncomingMessage[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function serve(handler: Handler, tls?: { cert: string; key: string }): Promise<Peer> {
  const requests: IncomingMessage[] = [];
  const note: Handler = (request, response) => {
    requests.push(request);
    handler(request, response);
  };
  const server: Server = tls === undefined ? createHttpServer(note) : createHttpsServer(tls, note);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function read(url: string, options: { clock?: FakeClock; ca?: string; signal?: AbortSignal } = {}) {
  const { clock = new FakeClock(), ca, signal = new AbortController().signal } = options;
  return fetchDocument(new URL(url), { timeout: 1000, ca, clock, signal });
}

async function failureOf(promise: Promise<FetchedDocument>): Promise<FetchFailure> {
  const error = await promise.then(
    () => assert.fail('there is a document'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FetchFailure, String(error));
  return error;
}

const answering =
  (headers: Record<string, string>, body = '{}', status = 200): Handler =>
  (_request, response) =>
    response.writeHead(status, headers).end(body);

suite('a document', () => {
  test('is asked for plainly, on a connection of its own', async () => {
    await using peer = await serve(answering({}, '{"keys":[1]}'));
    const { document } = await read(`${peer.origin}/jwks?tenant=1`);
    assert.deepEqual(document, { keys: [1] });
    const [request] = peer.requests;
    assert.equal(request?.method, 'GET');
    assert.equal(request.url, '/jwks?tenant=1');
    assert.match(request.headers.accept ?? '', /application\/json/);
    assert.equal(request.headers['accept-encoding'], 'identity');
    assert.equal(request.headers.connection, 'close');
  });

  for (const [control, lifetime] of [
    [{}, null],
    [{ 'cache-control': 'public, max-age=300' }, 300_000],
    [{ 'cache-control': 'MAX-AGE="300"', age: '100' }, 200_000],
    [{ 'cache-control': 'max-age=300', age: '400' }, 0],
    [{ 'cache-control': 's-maxage=5' }, null],
    [{ 'cache-control': 'no-store, max-age=300' }, 0],
    [{ 'cache-control': 'max-age=soon' }, null],
  ] as [Record<string, string>, number | null][]) {
    test(`is good for ${lifetime} ms by ${JSON.stringify(control)}`, async () => {
      await using peer = await serve(answering(control));
      assert.equal((await read(peer.origin)).lifetime, lifetime);
    });
  }
});

suite('no document', () => {
  const cases: Record<string, [handler: Handler, reason: RegExp]> = {
    'an error': [answering({}, '', 500), /answers 500/],
    'an empty success': [answering({}, '', 204), /answers 204/],
    'no JSON': [answering({}, '<html>password</html>'), /does not answer with JSON$/],
    'no UTF-8': [(_request, response) => response.end(Buffer.from([0x22, 0xff, 0x22])), /JSON/],
    'a compressed one': [answering({ 'content-encoding': 'gzip' }), /content coding/],
    'an announced huge one': [answering({ 'content-length': '99999999' }), /more than/],
    'a huge one': [(_request, response) => response.end(Buffer.alloc(2 ** 20, ' ')), /more than/],
    'a huge head': [answering({ 'x-much': 'x'.repeat(20_000) }), /Parse Error|overflow/i],
    'half of one': [
      (_request, response) => {
        response.writeHead(200, { 'content-length': '10' });
        response.write('{', () => response.destroy());
      },
      /aborted|terminated|premature/i,
    ],
    'a closed connection': [(request) => request.socket.destroy(), /hang up|reset/i],
    'a way nowhere': [answering({ location: 'http://[' }, '', 302), /nowhere/],
    'no way': [answering({}, '', 302), /more than 3 redirects/],
    'a file': [answering({ location: 'file:///etc/passwd' }, '', 302), /scheme file:/],
    'another scheme': [answering({ location: 'https://127.0.0.1/' }, '', 307), /scheme https:/],
    'a circle': [(request, response) => response.writeHead(302, { location: request.url }).end(), /redirects/],
  };
  for (const [what, [handler, reason]] of Object.entries(cases)) {
    test(what, async () => {
      await using peer = await serve(handler);
      assert.match((await failureOf(read(`${peer.origin}/jwks?secret`))).message, reason);
    });
  }

  test('the reason names the place without what may be secret', async () => {
    await using peer = await serve(answering({}, '', 403));
    const { message } = await failureOf(read(`${peer.origin.replace('//', '//me:secret@')}/jwks?key=secret`));
    assert.equal(message, `${peer.origin}/jwks: answers 403`);
  });

  test('nobody there', async () => {
    const peer = await serve(answering({}));
    await peer[Symbol.asyncDispose]();
    assert.match((await failureOf(read(peer.origin))).message, /ECONNREFUSED/);
  });

  test('the issuer says when to ask again, within bounds', async () => {
    await using peer = await serve((request, response) => {
      response.writeHead(503, { 'retry-after': (request.url ?? '').slice(1) }).end();
    });
    const retryAfter = async (value: string) => (await failureOf(read(`${peer.origin}/${value}`))).retryAfter;
    assert.equal(await retryAfter('7'), 7000);
    assert.equal(await retryAfter('86400'), 60_000);
    assert.equal(await retryAfter('soon'), 0);
  });
});

suite('time', () => {
  for (const [what, begin] of Object.entries({
    'before the head': () => undefined,
    'within the body': (response: ServerResponse) => void response.write('{'),
  })) {
    test(`ends a request that stops ${what}`, async () => {
      const clock = new FakeClock();
      const { promise: arrived, resolve } = Promise.withResolvers<void>();
      await using peer = await serve((_request, response) => {
        begin(response);
        resolve();
      });
      const failure = failureOf(read(peer.origin, { clock }));
      await arrived;
      clock.advance(1000);
      assert.match((await failure).message, /within 1000 ms/);
      assert.equal(clock.pending, 0);
    });
  }

  test('whoever gives up ends it', async () => {
    const giveUp = new AbortController();
    await using peer = await serve(() => giveUp.abort(new FetchFailure('given up')));
    assert.equal((await failureOf(read(peer.origin, { signal: giveUp.signal }))).message, 'given up');
  });

  test('a redirect is followed within its scheme', async () => {
    await using other = await serve(answering({}, '{"here":true}'));
    await using peer = await serve(answering({ location: `${other.origin}/keys` }, '', 301));
    assert.deepEqual((await read(`${peer.origin}/jwks`)).document, { here: true });
    assert.equal(other.requests[0]?.url, '/keys');
  });
});

suite('https', () => {
  const authority = makeAuthority();
  const { certificate: cert, key } = authority.issue(['127.0.0.1']);

  test('the certificate has to come from a trusted authority', async () => {
    await using peer = await serve(answering({}), { cert, key });
    assert.match((await failureOf(read(peer.origin))).message, /certificate/i);
    assert.deepEqual(peer.requests, []);
    assert.deepEqual((await read(peer.origin, { ca: authority.certificate })).document, {});
  });

  test('and to name the host', async () => {
    const other = authority.issue(['other.example']);
    await using peer = await serve(answering({}), { cert: other.certificate, key: other.key });
    assert.match((await failureOf(read(peer.origin, { ca: authority.certificate }))).message, /altnames/i);
  });

  test('it never redirects to plain http', async () => {
    await using plain = await serve(answering({}));
    await using peer = await serve(answering({ location: plain.origin }, '', 302), { cert, key });
    const { message } = await failureOf(read(peer.origin, { ca: authority.certificate }));
    assert.match(message, /scheme http:/);
    assert.deepEqual(plain.requests, []);
  });

  test('authorities that make no sense are a failure, not a crash', async () => {
    await using peer = await serve(answering({}), { cert, key });
    assert.ok((await failureOf(read(peer.origin, { ca: 'nonsense' }))).message.startsWith(peer.origin));
  });
});
