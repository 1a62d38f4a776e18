import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../harness.ts';
import { soak } from '../soak/scale.ts';
import {
  answering,
  connectRaw,
  OK,
  type RawPeer,
  type RawUpstream,
  readRequests,
  startRawUpstream,
} from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import { openScene } from '../support/scene.ts';

/**
 * The race of every pool: the upstream closes a kept connection just when it is used again (RFC 9112, 9.3.1). What may be
 * repeated is repeated, and nothing else is ever sent twice.
 */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const GETS = soak(2_000, 10_000);

/** Answers the first request of each connection, and closes without an answer when the second has come. */
function onceThenGone(peer: RawPeer): void {
  let answered = false;
  peer.onBytes(() => {
    const { requests } = readRequests(peer.bytes);
    if (requests.length === 1 && !answered) peer.send(OK);
    answered = true;
    if (peer.bytes.length > (requests[0]?.end ?? Number.POSITIVE_INFINITY)) peer.destroy();
  });
}

/** How often a request of this method has arrived, whole or begun, on any connection. */
function arrivals(upstream: RawUpstream, method: string): number {
  const beginning = new RegExp(`(?:^|\\n)${method} /stale `, 'g');
  return upstream.connections.reduce((sum, { text }) => sum + (text.match(beginning)?.length ?? 0), 0);
}

describe('a request on a kept connection that dies unanswered', () => {
  const body = 'content-length: 5\r\n\r\nhello';
  const cases: [method: string, rest: string, status: number, sent: number][] = [
    ['GET', '\r\n', 200, 2],
    ['HEAD', '\r\n', 200, 2],
    ['OPTIONS', '\r\n', 200, 2],
    ['DELETE', '\r\n', 200, 2],
    ['PUT', 'content-length: 0\r\n\r\n', 200, 2],
    ['PUT', body, 502, 1],
    ['DELETE', body, 502, 1],
    ['POST', body, 502, 1],
    ['POST', 'content-length: 0\r\n\r\n', 502, 1],
    ['PATCH', '\r\n', 502, 1],
  ];
  for (const [method, rest, status, sent] of cases) {
    const what = rest === body ? `${method} with a body` : method;
    test(`${what} is sent ${sent === 1 ? 'once' : 'once more'} and answered ${status}`, async () => {
      await using scene = await openScene({ onConnection: onceThenGone });
      scene.client.send(GET);
      await scene.client.response();
      scene.client.send(`${method} /stale HTTP/1.1\r\nhost: a\r\n${rest}`);
      const [, answer] = await scene.client.responses(2, ['GET', method]);
      assert.equal(answer?.status, status);
      assert.equal(arrivals(scene.upstream, method), sent);
      if (sent === 1) assert.equal(scene.upstream.connections.length, 1);
    });
  }

  test('a fresh connection that dies is no race: 502 for a GET too', async () => {
    await using scene = await openScene({ onConnection: (peer) => peer.onBytes(() => peer.destroy()) });
    scene.client.send('GET /stale HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal((await scene.client.response()).status, 502);
    assert.equal(arrivals(scene.upstream, 'GET'), 1);
  });

  test('a response that has begun is not asked for again', async () => {
    await using scene = await openScene({
      onConnection: (peer) => {
        peer.onBytes(() => {
          const { requests } = readRequests(peer.bytes);
          if (requests.length === 1) peer.send(OK);
          else peer.end('HTTP/1.1 2');
        });
      },
    });
    scene.client.send(GET);
    await scene.client.response();
    scene.client.send('GET /stale HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal((await scene.client.responses(2))[1]?.status, 502);
    assert.equal(arrivals(scene.upstream, 'GET'), 1);
  });
});

test(`${GETS} GETs through connections that their upstream closes at random: no error`, {
  timeout: 120_000,
}, async () => {
  let served = 0;
  const upstream = await startRawUpstream((peer) => {
    const answer = answering(() => {
      served++;
      // At times with the response, at times a moment later, so that the end meets a request on its way.
      const dice = (served * 7_919) % 10;
      if (dice === 0) setImmediate(() => peer.destroy());
      else if (dice === 1) setTimeout(() => peer.end(), 1);
      else if (dice === 2) setTimeout(() => peer.destroy(), 2);
      return OK;
    });
    answer(peer);
  });
  using runtime = await startRuntime({ upstreams: upstream.url });
  let asked = 0;
  const statuses = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const client = await connectRaw(runtime.port);
      let count = 0;
      let size = 0;
      for (; asked < GETS; count++) {
        asked++;
        client.send(GET);
        // All answers are equally long; to parse them all each time would take longer than the rest.
        if (size === 0) size = (await client.response()).end;
        else await client.until('the answer', ({ received }) => received >= (count + 1) * size);
      }
      const answers = await client.responses(count);
      client.destroy();
      return answers.map(({ status }) => status);
    }),
  );
  assert.deepEqual(
    statuses.flat().filter((status) => status !== 200),
    [],
  );
  assert.equal(statuses.flat().length, GETS);
  await until('nothing is active', () => runtime.server.active === 0);
  assert.ok(upstream.connections.length > GETS / 20, 'the upstream closed too few connections to prove anything');
  await upstream.close();
});
