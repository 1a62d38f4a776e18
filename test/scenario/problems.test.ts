import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errors, type GatewayError } from '../../src/base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../src/base/headers.ts';
import type { Route } from '../../src/plan/plan.ts';
import { Reply } from '../../src/plan/reply.ts';
import { freePort } from '../harness.ts';
import { handRoute } from '../support/plan.ts';
import { connectRaw } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';
import type { StrictResponse } from '../support/strict-http.ts';

/** What the gateway answers by itself: problem details (RFC 9457) that tell the client enough and an attacker nothing. */

const NOT_ASKED = { dispatch: () => assert.fail('not asked') };

function refusing(error: GatewayError, detail: string | null = null, headers?: HeaderBlock): Partial<Route> {
  return { request: [{ phase: 'guard', run: () => Reply.refuse(error, detail, headers) }] };
}

async function withRoute(route: Partial<Route>, use: (runtime: Runtime) => Promise<void>): Promise<void> {
  using runtime = await startRuntime({ routes: () => ({ '/r': handRoute({ ...NOT_ASKED, ...route }) }) });
  await use(runtime);
}

async function ask(runtime: Runtime, line = 'GET /r', fields = ''): Promise<StrictResponse> {
  const client = await connectRaw(runtime.port);
  client.send(`${line} HTTP/1.1\r\nhost: a\r\n${fields}\r\n`);
  const answer = await client.response(line.split(' ')[0]);
  client.destroy();
  return answer;
}

function problemOf(answer: StrictResponse): Record<string, unknown> {
  assert.equal(answer.field('content-type'), 'application/problem+json');
  assert.equal(answer.field('content-length'), String(answer.body.length));
  assert.match(answer.field('date') ?? '', /GMT$/);
  return JSON.parse(answer.body.toString()) as Record<string, unknown>;
}

test('a refusal says what, and by which request to ask about it', async () => {
  await withRoute(refusing(errors.accessDenied, 'Übung “eins”'), async (runtime) => {
    const answer = await ask(runtime);
    const { requestId, ...rest } = problemOf(answer);
    assert.equal(answer.status, 403);
    assert.match(String(requestId), /^\S{16,}$/);
    assert.deepEqual(rest, {
      type: 'urn:sluice:problem:access_denied',
      title: errors.accessDenied.title,
      status: 403,
      detail: 'Übung “eins”',
      code: 'access_denied',
    });
    assert.notEqual(problemOf(await ask(runtime)).requestId, requestId);
  });
});

test('HEAD gets the same head and no body, and the connection serves on', async () => {
  await withRoute(refusing(errors.accessDenied), async (runtime) => {
    const client = await connectRaw(runtime.port);
    client.send('HEAD /r HTTP/1.1\r\nhost: a\r\n\r\nGET /r HTTP/1.1\r\nhost: a\r\n\r\n');
    const [head, get] = await client.responses(2, ['HEAD', 'GET']);
    assert.equal(head?.status, 403);
    assert.equal(head?.body.length, 0);
    assert.equal(head?.field('content-length'), get?.field('content-length'));
    client.destroy();
  });
});

test('503 says when to come again, other headers of a refusal go out', async () => {
  await withRoute(refusing(errors.notReady), async (runtime) => {
    assert.equal((await ask(runtime)).field('retry-after'), '1');
  });
  const headers = HeaderBlock.of([
    ['retry-after', '7'],
    ['allow', 'GET'],
  ]);
  await withRoute(refusing(errors.upstreamBusy, null, headers), async (runtime) => {
    const answer = await ask(runtime);
    assert.deepEqual([answer.field('retry-after'), answer.field('allow')], ['7', 'GET']);
  });
});

test('a route has its own pages, by code before status', async () => {
  const page = (body: string, type: string) => ({ body, headers: HeaderBlock.of([['content-type', type]]) });
  const errorPages = new Map([
    ['403', page('by status', 'text/plain')],
    ['access_denied', page('<p>Nö</p>', 'text/html; charset=utf-8')],
  ]);
  await withRoute({ ...refusing(errors.accessDenied), errorPages }, async (runtime) => {
    const answer = await ask(runtime);
    assert.equal(answer.status, 403);
    assert.equal(answer.field('content-type'), 'text/html; charset=utf-8');
    assert.equal(answer.body.toString(), '<p>Nö</p>');
    assert.equal(answer.field('content-length'), String(Buffer.byteLength('<p>Nö</p>')));
  });
});

test('response hooks see refusals too', async () => {
  const mark = fieldName('x-mark');
  const response: Route['response'] = [{ run: (_exchange, { headers }) => headers.set(mark, 'seen') as undefined }];
  await withRoute({ ...refusing(errors.accessDenied), response }, async (runtime) => {
    assert.equal((await ask(runtime)).field('x-mark'), 'seen');
  });
});

describe('a defect', () => {
  const throwing = (): never => {
    throw new Error('secret: /etc/passwd');
  };
  const defects: [where: string, route: Partial<Route>][] = [
    ['in a request hook', { request: [{ phase: 'guard', run: throwing }] }],
    ['in a promise of one', { request: [{ phase: 'guard', run: async () => throwing() }] }],
    ['in the target', { dispatch: throwing }],
    ['in a response hook', { ...refusing(errors.accessDenied), response: [{ run: throwing }] }],
    ['in a promise of one', { ...refusing(errors.accessDenied), response: [{ run: async () => throwing() }] }],
  ];
  for (const [where, route] of defects) {
    test(`${where} is 500 without a word about it, and a line in the log`, { timeout: 10_000 }, async () => {
      await withRoute(route, async (runtime) => {
        const answer = await ask(runtime);
        assert.equal(answer.status, 500);
        assert.equal(problemOf(answer).code, 'internal_error');
        assert.doesNotMatch(answer.body.toString(), /secret/);
        assert.equal(runtime.log.length >= 1, true);
        assert.match(runtime.log[0] ?? '', /secret: \/etc\/passwd/);
        assert.equal(runtime.server.active, 0);
      });
    });
  }
});

test('nothing of an upstream shows when it cannot be reached', async () => {
  const port = await freePort();
  using runtime = await startRuntime({ upstreams: `http://127.0.0.1:${port}` });
  const answer = await ask(runtime);
  assert.equal(problemOf(answer).code, 'upstream_connect_failed');
  assert.doesNotMatch(answer.body.toString(), new RegExp(`127\\.0\\.0\\.1|${port}|main`));
});

test('a request that is no HTTP gets a complete answer and the end', async () => {
  await withRoute({}, async (runtime) => {
    const client = await connectRaw(runtime.port);
    client.send('GET /r HTTP/1.1\r\nhost : a\r\n\r\n');
    const answer = await client.response();
    assert.equal(answer.status, 400);
    assert.equal(answer.field('connection'), 'close');
    assert.equal(problemOf(answer).code, 'malformed_request');
    await client.untilClosed();
    client.destroy();
  });
});

test('404 where no route matches', async () => {
  await withRoute({}, async (runtime) => {
    const answer = await ask(runtime, 'GET /elsewhere');
    assert.deepEqual([answer.status, problemOf(answer).code], [404, 'route_not_found']);
  });
});
