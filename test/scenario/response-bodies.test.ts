import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GatewayError } from '../../src/base/gateway-error.ts';
import { errors } from '../../src/base/gateway-error.ts';
import { HeaderBlock } from '../../src/base/headers.ts';
import type { Route } from '../../src/plan/plan.ts';
import type { BodyNeed, BodyTaker } from '../../src/plan/policy.ts';
import { Reply } from '../../src/plan/reply.ts';
import { until } from '../harness.ts';
import { doubling, upper } from '../support/body-needs.ts';
import { handRoute } from '../support/plan.ts';
import { OK } from '../support/raw.ts';
import { openScene, type Scene } from '../support/scene.ts';
import type { StrictResponse } from '../support/strict-http.ts';

/** Policies that want response bodies, whole or as they flow. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

function sceneWith(route: Partial<Route>): Promise<Scene> {
  return openScene({ routes: (pool) => ({ '/*': handRoute({ dispatch: pool('main').dispatch, ...route }) }) });
}

async function answered(scene: Scene, response: string): Promise<StrictResponse> {
  scene.client.send(GET);
  const { server } = await scene.asked();
  server.send(response);
  const answer = await scene.client.response();
  await scene.idle();
  return answer;
}

function codeOf({ body }: StrictResponse): string {
  return JSON.parse(body.toString()).code;
}

for (const [what, needs, expected] of [
  ['one that streams', [doubling], 'ookk'],
  ['one that wants the whole', [upper], 'OK'],
  ['a stream before a whole', [doubling, upper], 'OOKK'],
  ['a whole before a stream', [upper, doubling], 'OOKK'],
  ['two that want the whole', [upper, upper], 'OK'],
] as const) {
  test(`${what} changes a body of any framing`, async () => {
    for (const response of [OK, `${CHUNKED}1\r\no\r\n1\r\nk\r\n0\r\nx-sum: 7\r\n\r\n`]) {
      await using scene = await sceneWith({ responseBody: needs });
      const answer = await answered(scene, response);
      assert.equal(answer.body.toString(), expected);
      assert.equal(answer.field('content-length'), undefined);
      assert.equal(answer.field('connection'), undefined);
      assert.deepEqual(answer.trailers, response === OK ? [] : [['x-sum', '7']]);
      scene.client.send(GET);
      (await scene.asked(0, 2)).server.send(OK);
      assert.equal((await scene.client.responses(2))[1]?.body.toString(), expected);
    }
  });
}

test('a stream has its head at once and its bytes as they come', async () => {
  await using scene = await sceneWith({ responseBody: [doubling] });
  scene.client.send(GET);
  const { server } = await scene.asked();
  server.send(CHUNKED);
  await scene.client.until('the head', ({ text }) => text.endsWith('\r\n\r\n'));
  server.send('1\r\na\r\n');
  await scene.client.until('the first bytes', ({ text }) => text.endsWith('aa\r\n'));
  server.send('0\r\n\r\n');
  assert.equal((await scene.client.response()).body.toString(), 'aa');
});

test('an empty body is one, too', async () => {
  await using scene = await sceneWith({ responseBody: [upper, doubling] });
  const answer = await answered(scene, `${CHUNKED}0\r\n\r\n`);
  assert.equal(answer.status, 200);
  assert.equal(answer.body.length, 0);
});

test('HEAD and 304 have none, and say no length that would not be true', async () => {
  for (const [method, status] of [
    ['HEAD', '200 OK'],
    ['GET', '304 Not Modified'],
  ] as const) {
    await using scene = await sceneWith({ responseBody: [upper] });
    scene.client.send(GET.replace('GET', method));
    (await scene.asked()).server.send(`HTTP/1.1 ${status}\r\ncontent-length: 5\r\netag: "a"\r\n\r\n`);
    const answer = await scene.client.response(method);
    assert.equal(answer.field('etag'), '"a"');
    assert.equal(answer.field('content-length'), undefined);
  }
});

describe('one that wants the whole', () => {
  const failing: [what: string, need: BodyNeed, code: string, logged: number][] = [
    ['gets more than it takes', { buffer: 1, run: () => undefined }, 'upstream_malformed', 0],
    ['throws', { buffer: 1_000, run: () => assert.fail('by intent') }, 'internal_error', 1],
    ['rejects', { buffer: 1_000, run: () => Promise.reject(new Error('by intent')) }, 'internal_error', 1],
    ['refuses', { buffer: 1_000, run: () => Reply.refuse(errors.accessDenied) }, 'access_denied', 0],
    ['refuses later', { buffer: 1_000, run: async () => Reply.refuse(errors.accessDenied) }, 'access_denied', 0],
  ];
  for (const [what, need, code, logged] of failing) {
    test(`and ${what}: the client gets that answer, nothing of the body, and the response hooks see it`, async () => {
      const statuses: number[] = [];
      await using scene = await sceneWith({
        responseBody: [need],
        response: [{ run: (_exchange, head) => void statuses.push(head.status) }],
      });
      const answer = await answered(scene, OK);
      assert.equal(codeOf(answer), code);
      assert.deepEqual(statuses, [200, answer.status]);
      assert.equal(scene.runtime.log.length, logged);
    });
  }

  test('may put an answer of its own in the place of the response', async () => {
    const reply = new Reply(203, HeaderBlock.of([['x-made', 'here']]), 'mine');
    await using scene = await sceneWith({ responseBody: [{ buffer: 100, run: () => reply }] });
    const answer = await answered(scene, OK);
    assert.deepEqual([answer.status, answer.field('x-made'), answer.body.toString()], [203, 'here', 'mine']);
  });

  test('has nothing to do with what is cut off before its end', async () => {
    await using scene = await sceneWith({ responseBody: [{ buffer: 100, run: () => assert.fail('not whole') }] });
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe');
    assert.equal((await scene.client.response()).status, 502);
    await scene.idle();
  });

  test('is forgotten when the client leaves while it thinks', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let asked = false;
    const run = (): Promise<undefined> => {
      asked = true;
      return promise;
    };
    await using scene = await sceneWith({ responseBody: [{ buffer: 100, run }] });
    scene.client.send(GET);
    (await scene.asked()).server.send(OK);
    await until('the policy is asked', () => asked);
    scene.client.reset();
    await scene.idle();
    resolve(undefined);
    assert.deepEqual(scene.runtime.log, []);
  });
});

describe('one that streams', () => {
  const broken = (): BodyTaker => ({ data: () => assert.fail('by intent'), end() {}, abort() {} });

  test('and throws as it begins: 500', async () => {
    await using scene = await sceneWith({ responseBody: [{ stream: () => assert.fail('by intent') }] });
    assert.equal(codeOf(await answered(scene, OK)), 'internal_error');
    assert.equal(scene.runtime.log.length, 1);
  });

  test('and throws on the way: the response is cut off, which cannot be taken for its end', async () => {
    await using scene = await sceneWith({ responseBody: [{ stream: broken }] });
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send(`${CHUNKED}5\r\nhello\r\n`);
    await scene.client.untilClosed();
    assert.doesNotMatch(scene.client.text, /hello|\r\n0\r\n\r\n$/);
    assert.equal(scene.runtime.log.length, 1);
    await server.untilClosed();
    await scene.idle();
  });

  test('hears that the rest will not come, from the upstream or because the client left', async () => {
    for (const who of ['upstream', 'client'] as const) {
      const heard: GatewayError[] = [];
      const stream: BodyNeed = {
        stream: (_exchange, next) => ({
          data: (chunk) => next.data(chunk),
          end: (trailers) => next.end(trailers),
          abort: (error) => void heard.push(error),
        }),
      };
      await using scene = await sceneWith({ responseBody: [stream] });
      scene.client.send(GET);
      const { server } = await scene.asked();
      server.send(`${CHUNKED}5\r\nhello\r\n`);
      await scene.client.until('the first chunk', ({ text }) => text.endsWith('hello\r\n'));
      (who === 'upstream' ? server : scene.client).reset();
      await scene.idle();
      assert.deepEqual(
        heard.map(({ code }) => code),
        [who === 'upstream' ? 'upstream_reset' : 'client_closed_request'],
      );
    }
  });
});
