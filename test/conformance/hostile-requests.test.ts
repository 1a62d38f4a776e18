import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { type NodeOracle, startNodeOracle } from '../support/node-http.ts';
import { handRoute } from '../support/plan.ts';
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
import { type Runtime, startRuntime } from '../support/runtime.ts';
import type { StrictRequest, StrictResponse } from '../support/strict-http.ts';
import { requestCases } from './hostile-requests.ts';
import type { RequestCase } from './request-case.ts';

suite('hostile requests', { concurrency: false }, () => {
  let upstream: RawUpstream;
  let runtime: Runtime;
  let oracle: NodeOracle;
  /** Bytes of earlier cases on each of the upstream's connections. */
  const judged = new Map<RawPeer, number>();

  before(async () => {
    upstream = await startRawUpstream(answering(() => OK));
    runtime = await startRuntime({
      upstreams: upstream.url,
      routes: (pool) => ({
        '/small/*': handRoute({ dispatch: pool('main').dispatch, maxBody: 10 }),
        '/*': handRoute({ dispatch: pool('main').dispatch }),
      }),
    });
    oracle = await startNodeOracle();
  });

  after(async () => {
    runtime.stop();
    await upstream.close();
    oracle.close();
  });

  test('there are enough of them, each once', () => {
    assert.ok(requestCases.length >= 110);
    assert.equal(new Set(requestCases.map(({ name }) => name)).size, requestCases.length);
  });

  for (const each of requestCases) {
    test(`${each.answers.join(' ')} ${each.name}`, async () => {
      for (const connection of upstream.connections) judged.set(connection, connection.bytes.length);
      await sendAndJudge(each);
    });
  }

  test('nothing of it was taken for a defect of the gateway', () => {
    assert.deepEqual(runtime.log, []);
  });

  async function sendAndJudge(each: RequestCase): Promise<void> {
    const client = await connectRaw(runtime.port);
    client.send(each.bytes);
    if (each.cut) client.end();
    if (!each.closed) {
      await client.responses(each.answers.length);
      client.end();
    }
    await client.untilClosed();
    const responses = readResponses(client.bytes, [], true);
    client.destroy();
    assert.deepEqual(
      responses.map(({ status }) => status),
      each.answers,
    );
    assert.equal(responses.at(-1)?.end ?? 0, client.bytes.length);
    const last = responses.at(-1);
    if (last !== undefined && last.status !== 200) judgeRefusal(last, each.closed);
    const forwarded = await forwardedRequests(each.cut);
    const seen = forwarded.map(
      ({ method, target, body }) => `${method} ${target}${body.length > 0 ? ` ${body.latin1Slice()}` : ''}`,
    );
    assert.deepEqual(seen, each.forwarded);
    const latest = forwarded.at(-1);
    for (const [name, value] of Object.entries(each.fields)) assert.equal(latest?.field(name) ?? null, value, name);
    assert.deepEqual(latest?.trailers.map(([name]) => name) ?? [], each.trailers);
  }

  /** What reached the upstream in this case: strict by our reader, and the same thing to Node's parser. */
  async function forwardedRequests(cut: boolean): Promise<StrictRequest[]> {
    const all: StrictRequest[] = [];
    for (const connection of upstream.connections) {
      const bytes = connection.bytes.subarray(judged.get(connection) ?? 0);
      if (bytes.length === 0) continue;
      const { requests, end } = readRequests(bytes);
      if (cut) {
        // What streamed on before the client gave up must be told from a whole request.
        await connection.untilClosed();
        continue;
      }
      assert.equal(bytes.latin1Slice(end), '', 'bytes that are no whole request');
      // The one thing that Node refuses and we forward: methods that it does not know.
      if (requests.some(({ method }) => !METHODS.includes(method))) {
        all.push(...requests);
        continue;
      }
      const verdict = await oracle.requests(bytes.latin1Slice());
      assert.equal(verdict.error, null);
      assert.deepEqual(
        verdict.requests.map(({ method, target, body }) => [method, target, body]),
        requests.map(({ method, target, body }) => [method, target, body.latin1Slice()]),
      );
      all.push(...requests);
    }
    return all;
  }
});

function judgeRefusal(response: StrictResponse, closed: boolean): void {
  assert.equal(response.field('connection'), closed ? 'close' : undefined);
  assert.equal(response.field('content-type'), 'application/problem+json');
  assert.match(response.field('date') ?? '', / GMT$/);
  assert.equal(Number(response.field('content-length')), response.body.length);
  const problem = JSON.parse(response.body.toString()) as Record<string, unknown>;
  assert.equal(problem.status, response.status);
  assert.equal(problem.type, `urn:sluice:problem:${problem.code}`);
  assert.match(String(problem.requestId), /^[0-9a-f]{32}$/);
}
