import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { startUpstream, until } from '../harness.ts';
import {
  answering,
  connectRaw,
  OK,
  type RawPeer,
  type RawUpstream,
  readRequests,
  readResponses,
  startRawUpstream,
} from '../support/raw.ts';
import { GET } from '../support/requests.ts';
import { startResilient } from '../support/resilient.ts';
import type { StrictRequest, StrictResponse } from '../support/strict-http.ts';

/** Further attempts, seen from both ends of the gateway. */

const quick = { backoff: { base: '1ms', max: '1ms' } };
const BUSY = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nbusy!';

async function ask(port: number, request = GET, method = 'GET'): Promise<StrictResponse> {
  const client = await connectRaw(port);
  client.send(request);
  const answer = await client.response(method);
  client.destroy();
  return answer;
}

/** Closed at the end of the test, however it ends. */
async function upstreamOf(
  context: TestContext,
  onConnection?: (peer: RawPeer, index: number) => void,
): Promise<RawUpstream> {
  const upstream = await startRawUpstream(onConnection);
  context.after(() => upstream.close());
  return upstream;
}

/** Every complete request that an upstream has had. */
function requestsOf({ connections }: RawUpstream): StrictRequest[] {
  return connections.flatMap(({ bytes }) => readRequests(bytes).requests);
}

describe('an endpoint that breaks down', () => {
  const resetting = (peer: RawPeer): void => peer.onBytes(() => peer.reset());

  test('by a reset: another one answers', async (context) => {
    const bad = await upstreamOf(context, resetting);
    const good = await upstreamOf(
      context,
      answering(() => OK),
    );
    using gateway = await startResilient({ urls: [bad.url, good.url], retry: quick });
    for (let i = 0; i < 6; i++) assert.equal((await ask(gateway.port)).status, 200);
    assert.equal(requestsOf(good).length, 6);
    assert.ok(bad.connections.length > 0);
  });

  test('with garbage, or within its head: another one answers', async (context) => {
    for (const bytes of ['220 mail.example ESMTP\r\n', 'HTTP/1.1 200 OK\r\ncontent-le']) {
      const bad = await upstreamOf(context, (peer) => peer.onBytes(() => peer.end(bytes)));
      const good = await upstreamOf(
        context,
        answering(() => OK),
      );
      using gateway = await startResilient({ urls: [bad.url, good.url], retry: quick });
      for (let i = 0; i < 4; i++) assert.equal((await ask(gateway.port)).status, 200);
    }
  });

  test('by silence: another one answers after the time of one attempt', async (context) => {
    const silent = await upstreamOf(context);
    const good = await upstreamOf(
      context,
      answering(() => OK),
    );
    using gateway = await startResilient({ urls: [silent.url, good.url], retry: { ...quick, perTryTimeout: '100ms' } });
    for (let i = 0; i < 2; i++) assert.equal((await ask(gateway.port)).status, 200);
    const [peer] = silent.connections;
    await peer?.untilClosed();
  });

  test('what may not be repeated is sent once', async (context) => {
    const bad = await upstreamOf(context, resetting);
    using gateway = await startResilient({ urls: [bad.url], retry: { ...quick, attempts: 5 } });
    const post = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi';
    assert.equal((await ask(gateway.port, post, 'POST')).status, 502);
    assert.equal(bad.connections.length, 1);
    const keyed = post.replace('host: a', 'host: a\r\nidempotency-key: 7');
    assert.equal((await ask(gateway.port, keyed, 'POST')).status, 502);
    assert.equal(bad.connections.length, 6);
  });

  test('within its answer: the client sees it incomplete, and nothing is sent twice', async (context) => {
    const bad = await upstreamOf(context, (peer) =>
      peer.onBytes(() => peer.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')),
    );
    using gateway = await startResilient({ urls: [bad.url], retry: quick });
    const client = await connectRaw(gateway.port);
    client.send(GET);
    await client.untilClosed();
    assert.deepEqual(readResponses(client.bytes, [], true), []);
    assert.equal(bad.connections.length, 1);
    client.destroy();
  });
});

describe('an answer that is tried again', () => {
  test('leaves its connection in use', async (context) => {
    let answers = 0;
    const upstream = await upstreamOf(
      context,
      answering(() => (++answers % 2 === 1 ? BUSY : OK)),
    );
    using gateway = await startResilient({ urls: [upstream.url], retry: quick });
    for (let i = 0; i < 5; i++) assert.equal((await ask(gateway.port)).body.toString(), 'ok');
    assert.equal(upstream.connections.length, 1);
    assert.equal(answers, 10);
  });

  test('goes to the client as it is once attempts are used up', async (context) => {
    const upstream = await upstreamOf(
      context,
      answering(() => BUSY),
    );
    using gateway = await startResilient({ urls: [upstream.url], retry: { ...quick, attempts: 3 } });
    const answer = await ask(gateway.port);
    assert.deepEqual([answer.status, answer.body.toString()], [503, 'busy!']);
    assert.equal(requestsOf(upstream).length, 3);
  });

  test('or while its client goes away, and nothing is left', async (context) => {
    const upstream = await upstreamOf(
      context,
      answering(() => BUSY.replace('\r\n\r\n', '\r\nretry-after: 1\r\n\r\n')),
    );
    using gateway = await startResilient({ urls: [upstream.url], retry: quick });
    const client = await connectRaw(gateway.port);
    client.send(GET);
    await until('the first attempt', () => requestsOf(upstream).length === 1);
    client.reset();
    await until('nothing is under way', () => gateway.worker(0).server.active === 0);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal(requestsOf(upstream).length, 1);
  });
});

describe('a body', () => {
  /** An upstream whose first connection is lost once it has got so much. */
  const losing = (bytes: number) => (peer: RawPeer, index: number) => {
    if (index > 0) answering(() => OK)(peer);
    else peer.onBytes(({ received }) => received >= bytes && peer.reset());
  };

  test('with a length is sent again, whole', async (context) => {
    const body = 'x'.repeat(40_000);
    const upstream = await upstreamOf(context, losing(20_000));
    using gateway = await startResilient({ urls: [upstream.url], retry: quick });
    const put = `PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    assert.equal((await ask(gateway.port, put, 'PUT')).status, 200);
    const [request] = requestsOf(upstream);
    assert.equal(request?.body.toString(), body);
  });

  test('in chunks, slowly, with trailers too', async (context) => {
    const upstream = await upstreamOf(context, losing(60));
    using gateway = await startResilient({ urls: [upstream.url], retry: quick });
    const client = await connectRaw(gateway.port);
    client.send('PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5\r\nhello\r\n');
    await until('the first attempt is lost', () => upstream.connections[0]?.closed);
    client.send('6\r\n world\r\n');
    await until('the second attempt', () => upstream.connections[1]?.text.includes('world'));
    client.send('0\r\nx-sum: 11\r\n\r\n');
    assert.equal((await client.response('PUT')).status, 200);
    assert.equal(requestsOf(upstream)[0]?.body.toString(), 'hello world');
    assert.match(upstream.connections[1]?.text ?? '', /x-sum: 11/);
    client.destroy();
  });

  test('that is longer than the bound streams through, and is not sent again', async (context) => {
    const body = Buffer.alloc(400_000, 'y');
    const upstream = await upstreamOf(context, losing(300_000));
    using gateway = await startResilient({ urls: [upstream.url], retry: { ...quick, maxBody: '100KiB' } });
    const client = await connectRaw(gateway.port);
    client.send('PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    client.send(`${body.length.toString(16)}\r\n`);
    client.send(body);
    client.send('\r\n0\r\n\r\n');
    assert.equal((await client.response('PUT')).status, 502);
    assert.equal(upstream.connections.length, 1);
    client.destroy();
  });

  test('of a client that waits for 100 is asked for once', async (context) => {
    const upstream = await upstreamOf(context, (peer, index) => {
      let asked = false;
      peer.onBytes(({ text }) => {
        if (!asked && text.includes('\r\n\r\n')) {
          asked = true;
          if (text.includes('expect:')) peer.send('HTTP/1.1 100 Continue\r\n\r\n');
        }
        if (!text.includes('hello')) return;
        if (index === 0) peer.reset();
        else peer.send(OK);
      });
    });
    using gateway = await startResilient({ urls: [upstream.url], retry: quick });
    const client = await connectRaw(gateway.port);
    client.send('PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n');
    await client.until('100', ({ text }) => text.startsWith('HTTP/1.1 100'));
    client.send('hello');
    await client.until('the answer', ({ text }) => text.includes('200 OK'));
    assert.equal(client.text.split('100 Continue').length, 2);
    assert.match(upstream.connections[0]?.text ?? '', /expect: 100-continue/);
    assert.doesNotMatch(upstream.connections[1]?.text ?? '', /expect/);
    client.destroy();
  });
});

describe('a hedge', () => {
  test('answers in the place of a slow endpoint, whose call ends', async (context) => {
    const slow = await upstreamOf(context);
    const fast = await upstreamOf(
      context,
      answering(() => OK),
    );
    using gateway = await startResilient({
      urls: [slow.url, fast.url],
      retry: { ...quick, attempts: 1, hedge: { after: '30ms' }, budget: { share: '100%', perSecond: 10 } },
    });
    for (let i = 0; i < 4; i++) assert.equal((await ask(gateway.port)).status, 200);
    assert.equal(requestsOf(fast).length, 4);
    assert.ok((gateway.budget?.hedges ?? 0) >= 2);
    assert.equal(gateway.budget?.hedges, requestsOf(slow).length);
    for (const peer of slow.connections) await peer.untilClosed();
  });
});

describe('the budget', () => {
  const LOAD = 3_000;
  const SHARE = 0.2;

  test('holds over all workers when everything fails: no more than its share comes on top', async () => {
    let arrived = 0;
    await using upstream = await startUpstream((_request, response) => {
      arrived++;
      response.writeHead(503).end();
    });
    using gateway = await startResilient({
      urls: [upstream.url],
      retry: { ...quick, attempts: 3, budget: '20%' },
      workers: 2,
    });
    // Two clients of each worker, one request after the other on each connection.
    await Promise.all(
      [0, 1, 0, 1].map(async (worker) => {
        const client = await connectRaw(gateway.worker(worker).port);
        for (let i = 1; i <= LOAD / 4; i++) {
          client.send(GET);
          await client.until(`answer ${i}`, ({ text }) => text.split('HTTP/1.1 503').length > i);
        }
        client.destroy();
      }),
    );
    assert.ok(arrived <= (1 + SHARE) * LOAD, `${arrived} arrived`);
    assert.ok(arrived > (1 + SHARE / 2) * LOAD, `${arrived} arrived: it is used`);
    assert.equal(gateway.budget?.denied !== 0, true);
  });
});
