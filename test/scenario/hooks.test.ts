import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errors } from '../../src/base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../src/base/headers.ts';
import type { Route } from '../../src/plan/plan.ts';
import type { RequestHook, ResponseHook } from '../../src/plan/policy.ts';
import { Reply } from '../../src/plan/reply.ts';
import { until } from '../harness.ts';
import { handRoute } from '../support/plan.ts';
import { OK } from '../support/raw.ts';
import { openScene, type Scene } from '../support/scene.ts';
import type { StrictResponse } from '../support/strict-http.ts';

/** Hooks around a request: what they answer, when they answer it, and what they break. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const POST_HALF = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ';
const mark = fieldName('x-mark');

function sceneWith(route: Partial<Route>): Promise<Scene> {
  return openScene({ routes: (pool) => ({ '/*': handRoute({ dispatch: pool('main').dispatch, ...route }) }) });
}

function guard(run: RequestHook['run']): RequestHook {
  return { phase: 'guard', run };
}

/** Adds a mark to every response that it sees. */
const marking: ResponseHook = { run: (_exchange, head) => head.headers.add(mark, 'seen') as undefined };
const later = (): Promise<undefined> => new Promise((resolve) => setImmediate(() => resolve(undefined)));

/** The answer to one request, which the upstream answers with `response`. */
async function answered(scene: Scene, response = OK): Promise<StrictResponse> {
  scene.client.send(GET);
  (await scene.asked()).server.send(response);
  const answer = await scene.client.response();
  await scene.idle();
  return answer;
}

function codeOf({ body }: StrictResponse): string {
  return JSON.parse(body.toString()).code;
}

describe('request hooks', () => {
  test('run in their order, those that wait too, and then the request goes on', async () => {
    const order: string[] = [];
    const hook = (name: string, waits: boolean): RequestHook =>
      guard(() => {
        order.push(name);
        return waits ? later() : undefined;
      });
    await using scene = await sceneWith({
      request: [hook('a', false), hook('b', true), hook('c', true), hook('d', false)],
    });
    assert.equal((await answered(scene)).status, 200);
    assert.deepEqual(order, ['a', 'b', 'c', 'd']);
  });

  for (const [what, run] of [
    ['at once', () => Reply.refuse(errors.accessDenied)],
    ['later', async () => Reply.refuse(errors.accessDenied)],
  ] as const) {
    test(`that refuse ${what} end the request, and nobody behind them is asked`, async () => {
      const behind = guard(() => assert.fail('not asked'));
      await using scene = await sceneWith({ request: [guard(run), behind], response: [marking] });
      scene.client.send(GET);
      const answer = await scene.client.response();
      assert.equal(codeOf(answer), 'access_denied');
      assert.equal(answer.field('x-mark'), 'seen');
      assert.equal(scene.upstream.connections.length, 0);
    });
  }

  for (const [what, run] of [
    ['throw', () => assert.fail('by intent')],
    ['reject', () => Promise.reject(new Error('by intent'))],
    ['reject with nothing', () => Promise.reject()],
  ] as const) {
    test(`that ${what} make it 500, logged once, and the connection serves on`, async () => {
      await using scene = await sceneWith({ request: [guard(run)], response: [marking] });
      for (let count = 1; count <= 2; count++) {
        scene.client.send(GET);
        const answer = (await scene.client.responses(count)).at(-1) as StrictResponse;
        assert.equal(codeOf(answer), 'internal_error');
        assert.equal(answer.field('x-mark'), 'seen');
        assert.doesNotMatch(answer.body.toString(), /intent/);
        assert.equal(scene.runtime.log.length, count);
      }
      await scene.idle();
    });
  }

  for (const request of [GET, POST_HALF]) {
    test(`that never answer are left when the client leaves (${request.slice(0, 4).trim()})`, async () => {
      const done: number[] = [];
      let asked = false;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      await using scene = await sceneWith({
        request: [
          guard(() => {
            asked = true;
            return promise;
          }),
        ],
        done: [(exchange) => done.push(exchange.status)],
      });
      scene.client.send(request);
      await until('the hook is asked', () => asked);
      scene.client.reset();
      await scene.idle();
      resolve(undefined);
      await later();
      assert.deepEqual(done, [499]);
      assert.equal(scene.upstream.connections.length, 0);
      assert.deepEqual(scene.runtime.log, []);
    });
  }

  test('may wait while a body and further requests come', async () => {
    await using scene = await sceneWith({ request: [guard(later)] });
    scene.client.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello${GET}${GET}`);
    for (let count = 1; count <= 3; count++) (await scene.asked(0, count)).server.send(OK);
    assert.equal((await scene.client.responses(3, ['POST'])).length, 3);
    assert.equal((await scene.asked(0, 3)).requests[0]?.body.toString(), 'hello');
  });
});

describe('response hooks', () => {
  const slow: ResponseHook = { run: later };
  const BODY = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n';

  test('may wait, several of them: body and trailers come behind the head', async () => {
    await using scene = await sceneWith({ response: [slow, marking, slow, slow] });
    for (let count = 1; count <= 3; count++) {
      scene.client.send(GET);
      (await scene.asked(0, count)).server.send(BODY);
      const answer = (await scene.client.responses(count)).at(-1);
      assert.equal(answer?.body.toString(), 'hello');
      assert.equal(answer?.field('x-mark'), 'seen');
      assert.deepEqual(answer?.trailers, [['x-sum', '7']]);
    }
    await scene.idle();
  });

  test('may wait although the response is large', async () => {
    await using scene = await sceneWith({ response: [slow] });
    const body = Buffer.alloc(3_000_000, 'x');
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
    server.send(body);
    assert.ok((await scene.client.response()).body.equals(body));
  });

  for (const [what, run] of [
    ['at once', () => new Reply(299, HeaderBlock.of([]), 'mine')],
    ['later', async () => new Reply(299, HeaderBlock.of([]), 'mine')],
  ] as const) {
    test(`that replace the response ${what} do so for the hooks behind them`, async () => {
      const statuses: number[] = [];
      const seeing: ResponseHook = { run: (_exchange, head) => void statuses.push(head.status) };
      await using scene = await sceneWith({ response: [seeing, { run }, seeing, marking] });
      const answer = await answered(scene, BODY);
      assert.deepEqual([answer.status, answer.body.toString()], [299, 'mine']);
      assert.equal(answer.field('x-mark'), 'seen');
      assert.deepEqual(statuses, [200, 299]);
      assert.equal(scene.runtime.server.active, 0);
    });
  }

  for (const [what, run] of [
    ['throw', () => assert.fail('by intent')],
    ['reject', () => Promise.reject(new Error('by intent'))],
  ] as const) {
    test(`that ${what} make it 500, which the other hooks see; nothing of the response goes out`, async () => {
      await using scene = await sceneWith({ response: [marking, { run }, { run }] });
      const answer = await answered(scene, BODY);
      assert.equal(codeOf(answer), 'internal_error');
      assert.equal(answer.field('x-mark'), 'seen');
      assert.doesNotMatch(scene.client.text, /hello/);
      // The second one broke the answer about the first.
      assert.equal(scene.runtime.log.length, 2);
    });
  }

  test('see the gateway’s own answers and refusals of bodies', async () => {
    await using scene = await sceneWith({ response: [slow, marking], maxBody: 1 });
    scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi');
    const answer = await scene.client.response('POST');
    assert.equal(codeOf(answer), 'body_too_large');
    assert.equal(answer.field('x-mark'), 'seen');
  });

  test('that never answer are left when the client leaves', async () => {
    let asked = false;
    const run = (): Promise<undefined> => {
      asked = true;
      return new Promise(() => undefined);
    };
    await using scene = await sceneWith({ response: [{ run }] });
    scene.client.send(GET);
    const { server } = await scene.asked();
    server.send('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
    await until('the hook is asked', () => asked);
    scene.client.reset();
    await server.untilClosed();
    await scene.idle();
  });
});

test('what `done` throws is logged, and the next ones hear of the exchange all the same', async () => {
  let heard = 0;
  await using scene = await sceneWith({ done: [() => assert.fail('by intent'), () => heard++] });
  assert.equal((await answered(scene)).status, 200);
  assert.equal(heard, 1);
  assert.equal(scene.runtime.log.length, 1);
});
