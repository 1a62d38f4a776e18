import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, request as nodeRequest } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import { startUpstream, type UpstreamHandler, until } from '../../test/harness.ts';
import { handRoute } from '../../test/support/plan.ts';
import { type Runtime, startRuntime } from '../../test/support/runtime.ts';
import { type Handler, UpstreamError } from '../plan/handler.ts';
import { handlerDispatch } from './handler.ts';

const stops: (() => unknown)[] = [];
after(async () => {
  for (const stop of stops) await stop();
});

interface Scene extends Runtime {
  readonly url: string;
  /** What handlers threw. */
  readonly failures: unknown[];
}

async function serve(handler: Handler, upstream: UpstreamHandler | null = null, timeout = 0): Promise<Scene> {
  const service = upstream === null ? null : await startUpstream(upstream);
  const failures: unknown[] = [];
  const runtime = await startRuntime({
    upstreams: { main: service?.url ?? 'http://127.0.0.1:1' },
    routes: (pool) => ({
      '/*': handRoute({
        parameters: ['rest'],
        dispatch: handlerDispatch(handler, {
          timeout,
          upstream: (name) => (name === 'main' ? pool('main') : null),
          failed: (error) => failures.push(error),
        }),
      }),
    }),
  });
  stops.push(() => runtime.stop());
  if (service !== null) stops.push(() => service.close());
  return { ...runtime, url: `http://127.0.0.1:${runtime.port}`, failures };
}

async function problemOf(response: Response): Promise<[number, string]> {
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
}

test('a function answers', async () => {
  const { url, failures } = await serve((request, { exchange }) => {
    const { pathname, search } = new URL(request.url);
    const facts = [request.method, pathname + search, exchange.path, exchange.clientAddress, exchange.route.name];
    return Response.json(facts, {
      status: 201,
      headers: { 'x-id': exchange.id, 'x-seen': request.headers.get('x-a') ?? '' },
    });
  });
  const response = await fetch(`${url}/a/b%20c?d=e`, { headers: { 'x-a': 'b' } });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.match(response.headers.get('x-id') ?? '', /^[0-9a-f]{32}$/);
  assert.equal(response.headers.get('x-seen'), 'b');
  assert.ok(response.headers.has('date'));
  assert.deepEqual(await response.json(), ['GET', '/a/b%20c?d=e', '/a/b%20c', '127.0.0.1', 'test']);
  assert.deepEqual(failures, []);
});

test('answers without content', async () => {
  const { url } = await serve((request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/204') return new Response(null, { status: 204 });
    if (pathname === '/304') return new Response(null, { status: 304, headers: { etag: '"x"' } });
    if (pathname === '/303') return Response.redirect('https://shop.example/', 303);
    if (pathname === '/empty') return new Response(null);
    return new Response('12345', { headers: { 'content-length': '5' } });
  });
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(url + path, { method, redirect: 'manual' });
    return [response.status, response.headers.get('content-length'), await response.text()];
  };
  assert.deepEqual(await ask('/204'), [204, null, '']);
  assert.deepEqual(await ask('/304'), [304, null, '']);
  assert.deepEqual(await ask('/303'), [303, '0', '']);
  assert.deepEqual(await ask('/empty'), [200, '0', '']);
  assert.deepEqual(await ask('/five', 'HEAD'), [200, '5', '']);
  assert.deepEqual(await ask('/five'), [200, '5', '12345']);
});

test('bodies stream both ways', async () => {
  const { url, failures } = await serve((request) => new Response(request.body));
  const sent = Buffer.alloc(3_000_000, 'abcdefg');
  const response = await fetch(url, { method: 'POST', body: sent });
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(sent));
  assert.deepEqual(failures, []);
});

test('a request is passed on, an answer passed back', async () => {
  const { url } = await serve(
    (request, { upstream }) => upstream('main').fetch(request),
    (request, response) => {
      response.writeHead(207, { 'x-host': request.headers.host ?? '', 'set-cookie': ['a=1', 'b=2'] });
      response.write(
        `${request.method} ${request.url} ${request.headers['x-a']} ${request.headers['content-length']} `,
      );
      request.pipe(response);
    },
  );
  const response = await fetch(`${url}/a?b`, { method: 'PUT', body: 'body', headers: { 'x-a': 'c' } });
  assert.equal(response.status, 207);
  assert.equal(response.headers.get('x-host'), new URL(url).host);
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(await response.text(), 'PUT /a?b c 4 body');
});

test('an upstream is asked for something else, several times', async () => {
  const { url } = await serve(
    async (_request, { upstream }) => {
      const main = upstream('main');
      const [one, two, three] = await Promise.all([
        main.fetch('/one?a=b c', { headers: { 'x-a': 'd' } }),
        main.fetch('/two', { method: 'POST', body: JSON.stringify({ e: 1 }) }),
        main.fetch('/three', { method: 'POST', body: new Blob(['piece']).stream() }),
      ]);
      return Response.json([await one.text(), await two.text(), await three.text()]);
    },
    (request, response) => {
      const { 'x-a': a, 'content-length': length, 'transfer-encoding': coding } = request.headers;
      response.write([request.method, request.url, a, length, coding].join(' '));
      request.pipe(response);
    },
  );
  const response = await fetch(url, { headers: { 'x-a': 'not added by itself' } });
  assert.deepEqual(await response.json(), [
    'GET /one?a=b%20c d  ',
    'POST /two  7 {"e":1}',
    'POST /three   chunkedpiece',
  ]);
});

test('what is thrown is 500, told to the log and not to the client', async () => {
  const secret = new Error('the database password is hunter2');
  const handlers: Handler[] = [
    () => {
      throw secret;
    },
    async () => Promise.reject(secret),
    () => 'text' as unknown as Response,
    () => undefined as unknown as Response,
    () => Response.error(),
    async (request) => {
      await request.text();
      return new Response(request.body);
    },
    (_request, { upstream }) => upstream('nobody').fetch('/'),
    (_request, { upstream }) => upstream('main').fetch('no/slash'),
  ];
  for (const [index, handler] of handlers.entries()) {
    const { url, failures } = await serve(handler);
    const response = await fetch(url, { method: 'POST', body: 'x' });
    const text = await response.text();
    assert.equal(response.status, 500, String(index));
    assert.equal((JSON.parse(text) as { code: string }).code, 'internal_error');
    assert.equal(text.includes('hunter2'), false);
    assert.equal(failures.length, 1);
  }
});

test('an answer that breaks off is seen as broken', async () => {
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode('first'));
      controller.error(new Error('no more'));
    },
  });
  const tooShort: Handler = () => new Response('123', { headers: { 'content-length': '4' } });
  const tooLong: Handler = () => new Response('12345', { headers: { 'content-length': '4' } });
  const noBytes: Handler = () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(1 as unknown as Uint8Array) }));
  for (const handler of [() => new Response(broken), tooShort, tooLong, noBytes]) {
    const { url, failures } = await serve(handler);
    await assert.rejects(async () => (await fetch(url)).text());
    assert.equal(failures.length, 1);
  }
});

test('an upstream’s failure has its own status, unless the handler has a better idea', async () => {
  const plain = await serve((_request, { upstream }) => upstream('main').fetch('/'));
  assert.deepEqual(await problemOf(await fetch(plain.url)), [502, 'upstream_connect_failed']);
  assert.deepEqual(plain.failures, []);
  const careful = await serve(async (_request, { upstream }) => {
    try {
      return await upstream('main').fetch('/');
    } catch (error) {
      return new Response(error instanceof UpstreamError ? error.code : 'what else?');
    }
  });
  assert.equal(await (await fetch(careful.url)).text(), 'upstream_connect_failed');
});

test('a handler without an answer is cut off', async () => {
  let signal: AbortSignal | undefined;
  const { url, failures } = await serve(
    (_request, context) => {
      signal = context.signal;
      return new Promise(() => undefined);
    },
    null,
    60,
  );
  assert.deepEqual(await problemOf(await fetch(url)), [504, 'handler_timeout']);
  assert.equal(signal?.aborted, true);
  assert.deepEqual(failures, []);
});

test('when the client leaves, the handler is told and its calls end', async () => {
  const seen = { signal: false, request: false, upstream: false, rejected: '' };
  let arrived = false;
  const { url } = await serve(
    async (request, { upstream, signal }) => {
      signal.addEventListener('abort', () => {
        seen.signal = true;
      });
      request.signal.addEventListener('abort', () => {
        seen.request = true;
      });
      try {
        return await upstream('main').fetch('/slow');
      } catch (error) {
        seen.rejected = error instanceof Error ? error.name : '';
        throw error;
      }
    },
    (request) => {
      arrived = true;
      request.on('close', () => {
        seen.upstream = true;
      });
    },
  );
  const client = get(url).on('error', () => undefined);
  await until('the upstream is asked', () => arrived);
  client.destroy();
  await until('everybody knows', () => seen.signal && seen.request && seen.upstream && seen.rejected !== '');
  assert.equal(seen.rejected, 'AbortError');
});

test('what a handler leaves unread is closed behind it, and nothing starts after its end', async () => {
  let closed = false;
  let late: Promise<unknown> | undefined;
  const { url } = await serve(
    async (_request, { upstream }) => {
      const main = upstream('main');
      const unread = await main.fetch('/');
      late = new Promise((resolve) =>
        setTimeout(() => resolve(main.fetch('/').catch((error: Error) => error.name)), 20),
      );
      return new Response(String(unread.status));
    },
    (request, response) => {
      response.writeHead(200);
      response.write('x'.repeat(10_000_000));
      request.on('close', () => {
        closed = true;
      });
    },
  );
  assert.equal(await (await fetch(url)).text(), '200');
  await until('the unread call is over', () => closed);
  assert.equal(await late, 'AbortError');
});

const MEGABYTE = Buffer.alloc(1_000_000, 'x');

async function slowClient(url: string, context: TestContext): Promise<void> {
  const client = get(url);
  context.after(() => client.destroy());
  const [response] = (await once(client, 'response')) as [NodeJS.ReadableStream];
  response.pause();
}

test('a slow client holds back the handler’s stream', async (context) => {
  let made = 0;
  const { url } = await serve(
    () =>
      new Response(
        new ReadableStream<Uint8Array>({
          pull(controller) {
            made++;
            controller.enqueue(MEGABYTE);
            if (made === 500) controller.close();
          },
        }),
      ),
  );
  await slowClient(url, context);
  let before = -1;
  await until('the stream stands still', async () => {
    const still = made === before;
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still;
  });
  assert.ok(made < 100, `${made} pieces of 500 were made`);
});

test('a slow client holds back an upstream behind a handler', async (context) => {
  let written = 0;
  const { url } = await serve(
    (request, { upstream }) => upstream('main').fetch(request),
    (_request, response) => {
      const more = (): void => {
        while (written < 500) {
          written++;
          if (!response.write(MEGABYTE)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    },
  );
  await slowClient(url, context);
  let before = -1;
  await until('the upstream stands still', async () => {
    const still = written === before;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still;
  });
  assert.ok(written < 100, `${written} pieces of 500 were written`);
});

test('a client’s body is not read before the handler asks', async () => {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { url } = await serve(async (request) => {
    await gate;
    let total = 0;
    for await (const piece of request.body ?? []) total += piece.length;
    return new Response(String(total));
  });
  const client = nodeRequest(url, { method: 'POST' });
  let taken = 0;
  const full = new Promise<void>((resolve) => {
    const more = (): void => {
      while (taken < 200) {
        taken++;
        if (!client.write(MEGABYTE)) {
          setTimeout(() => resolve(), 200);
          client.once('drain', more);
          return;
        }
      }
      client.end();
    };
    more();
  });
  await full;
  assert.ok(taken < 100, `${taken} pieces of 200 were taken`);
  release();
  const [response] = (await once(client, 'response')) as [NodeJS.ReadableStream];
  let text = '';
  for await (const piece of response) text += piece;
  assert.equal(text, '200000000');
});

test('a body whose client leaves is an error to whoever reads it', async () => {
  let failure = '';
  const { url } = await serve(async (request) => {
    try {
      await request.text();
    } catch (error) {
      failure = error instanceof Error ? error.message : '';
    }
    return new Response(null);
  });
  const client = nodeRequest(url, { method: 'POST', headers: { 'content-length': '100' } }).on(
    'error',
    () => undefined,
  );
  client.write('part');
  await once(client, 'socket');
  setTimeout(() => client.destroy(), 50);
  await until('the reader is told', () => failure !== '');
  assert.match(failure, /not completed/);
});
