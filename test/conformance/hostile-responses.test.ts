import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type NodeOracle, startNodeOracle } from '../support/node-http.ts';
import {
  answering,
  connectRaw,
  OK,
  type RawPeer,
  type RawUpstream,
  readResponses,
  startRawUpstream,
} from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import type { StrictResponse } from '../support/strict-http.ts';
import { type Answer, type ResponseCase, responseCases } from './hostile-responses.ts';

let oracle: NodeOracle;

suite('hostile responses', { concurrency: false }, () => {
  let upstream: RawUpstream;
  let runtime: Runtime;
  let current: ResponseCase;
  /** Which of the upstream's connections got the case's request, and which the one behind it. */
  let asked: RawPeer;
  let askedNext: RawPeer;

  before(async () => {
    upstream = await startRawUpstream(
      answering(({ target }, peer) => {
        if (target === '/next') {
          askedNext = peer;
          return OK;
        }
        asked = peer;
        if (current.ends) setImmediate(() => peer.end());
        return current.bytes;
      }),
    );
    runtime = await startRuntime({ upstreams: upstream.url });
    oracle = await startNodeOracle();
  });

  after(async () => {
    runtime.stop();
    await upstream.close();
    oracle.close();
  });

  test('there are enough of them, each once', () => {
    assert.ok(responseCases.length >= 50);
    assert.equal(new Set(responseCases.map(({ name }) => name)).size, responseCases.length);
  });

  for (const each of responseCases) {
    const expectation = each.expected === 'unfinished' ? 'unfinished' : String(each.expected.status);
    test(`${expectation} ${each.name}`, async () => {
      current = each;
      const client = await connectRaw(runtime.port);
      client.send(`${each.method} /case HTTP/${each.version}\r\nHost: a\r\n\r\n`);
      if (each.expected === 'unfinished') await judgeUnfinished(client, each);
      else await judgeAnswer(client, each, each.expected);
      client.destroy();
      // Whatever was left of it must not be taken for the answer to the next request.
      const next = await connectRaw(runtime.port);
      next.send('GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      await next.untilClosed();
      next.destroy();
      assert.deepEqual(
        readResponses(next.bytes, [], true).map(({ status, body }) => [status, body.toString()]),
        [[200, 'ok']],
      );
      assert.equal(askedNext === asked, each.reused);
      if (!each.reused) await asked.untilClosed();
    });
  }

  test('nothing of it was taken for a defect of the gateway', () => {
    assert.deepEqual(runtime.log, []);
  });
});

async function judgeAnswer(client: RawPeer, each: ResponseCase, expected: Answer): Promise<void> {
  // HTTP/1.0 is told the end by the connection's.
  if (each.version === '1.0') await client.untilClosed();
  else await client.responses(1, [each.method]);
  const [response, ...others] = readResponses(client.bytes, [each.method], client.ended) as [StrictResponse];
  assert.deepEqual(others, []);
  assert.equal(response.status, expected.status);
  assert.equal(response.end, client.bytes.length);
  assert.deepEqual(
    response.informational.map(({ status }) => status),
    expected.informational,
  );
  const node = await oracle.response(client.text, each.method);
  assert.equal(node.error, null);
  assert.deepEqual(
    [node.status, node.body, node.informational],
    [expected.status, response.body.latin1Slice(), expected.informational],
  );
  if (expected.status === 502) {
    assert.equal(response.field('content-type'), 'application/problem+json');
    const { code } = JSON.parse(response.body.toString()) as { code: string };
    assert.match(code, /^upstream_(malformed|reset)$/);
    return;
  }
  assert.equal(response.body.latin1Slice(), expected.body);
  for (const [name, value] of Object.entries(expected.fields)) assert.equal(response.field(name) ?? null, value, name);
  assert.deepEqual(
    response.trailers.map(([name]) => name),
    expected.trailers,
  );
}

/** A client takes an answer for whole by its framing, or in HTTP/1.0 by an orderly end. */
async function judgeUnfinished(client: RawPeer, each: ResponseCase): Promise<void> {
  await client.untilClosed();
  if (each.version === '1.0') {
    await client.until('the connection is gone', ({ closed }) => closed);
    assert.match(String(client.error), /ECONNRESET/);
    return;
  }
  assert.match(client.text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual(readResponses(client.bytes, [each.method], true), []);
  const node = await oracle.response(client.text, each.method);
  assert.equal(node.error, 'ECONNRESET');
}
