import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { errors } from '../../src/base/gateway-error.ts';
import { HeaderBlock } from '../../src/base/headers.ts';
import type { Route } from '../../src/plan/plan.ts';
import type { BodyTaker } from '../../src/plan/policy.ts';
import { Reply } from '../../src/plan/reply.ts';
import { until } from '../harness.ts';
import { doubling, upper } from '../support/body-needs.ts';
import { handRoute } from '../support/plan.ts';
import { OK } from '../support/raw.ts';
import { openScene, type Scene } from '../support/scene.ts';

/** Policies that want request bodies, whole or as they flow, and limits on what clients may send. */

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
function sceneWith(route: Partial<Route>): Promise<Scene> {
  return openScene({ routes: (pool) => ({ '/*': handRoute({ dispatch: pool('main').dispatch, ...route }) }) });
}

function post(body: string, fields = ''): string {
  return `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;
}
function postChunked(...chunks: string[]): string {
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${coded}0\r\n\r\n`;
}

async function codeOf(scene: Scene): Promise<string> {
  const answer = await scene.client.response('POST');
  return JSON.parse(answer.body.toString()).code;
}

describe('a policy that wants the whole request body', () => {
  for (const [what, request] of [
    ['with a length', post('hello')],
    ['in chunks', postChunked('he', 'llo')],
  ] as const) {
    test(`gets one ${what}, and the upstream what it makes of that`, async () => {
      await using scene = await sceneWith({ requestBody: [upper] });
      scene.client.send(request + request);
      for (let count = 1; count <= 2; count++) {
        const { server, requests } = await scene.asked(0, count);
        assert.equal(requests.at(-1)?.body.toString(), 'HELLO');
        assert.equal(requests.at(-1)?.field('content-length'), '5');
        server.send(OK);
      }
      await scene.client.responses(2, ['POST', 'POST']);
    });
  }

  test('is not asked about a request without one', async () => {
    await using scene = await sceneWith({ requestBody: [{ buffer: 9, run: () => assert.fail('no body') }] });
    scene.client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    (await scene.asked()).server.send(OK);
    assert.equal((await scene.client.response()).status, 200);
  });

  for (const [what, request] of [
    ['declared', post('x'.repeat(101))],
    ['in chunks', postChunked('x'.repeat(60), 'x'.repeat(60))],
  ] as const) {
    test(`answers 413 to more than it takes, ${what}; nothing is sent on`, async () => {
      await using scene = await sceneWith({ requestBody: [upper] });
      scene.client.send(request);
      assert.equal(await codeOf(scene), 'body_too_large');
      assert.equal(scene.upstream.connections.length, 0);
      await scene.idle();
    });
  }

  test('has the gateway itself say 100, and the upstream hears no expectation', async () => {
    await using scene = await sceneWith({ requestBody: [upper] });
    scene.client.send(post('hello', 'expect: 100-continue\r\n').slice(0, -5));
    await scene.client.until('100', ({ text }) => text === CONTINUE);
    scene.client.send('hello');
    const { server, requests } = await scene.asked();
    assert.equal(requests[0]?.field('expect'), undefined);
    assert.equal(requests[0]?.body.toString(), 'HELLO');
    server.send(OK);
    assert.equal((await scene.client.response('POST')).status, 200);
  });

  test('may answer, at once or later, and may throw', async () => {
    const reply = (): Reply => Reply.refuse(errors.accessDenied);
    for (const [run, code] of [
      [reply, 'access_denied'],
      [async () => reply(), 'access_denied'],
      [() => assert.fail('by intent'), 'internal_error'],
    ] as const) {
      await using scene = await sceneWith({ requestBody: [{ buffer: 100, run }] });
      scene.client.send(post('hello'));
      assert.equal(await codeOf(scene), code);
      assert.equal(scene.runtime.log.length, code === 'internal_error' ? 1 : 0);
      assert.equal(scene.upstream.connections.length, 0);
      await scene.idle();
    }
  });

  test('is cut off with 408 when the rest does not come, and forgotten when the client leaves', async () => {
    await using scene = await openScene({
      limits: { bodyTimeout: 200 },
      routes: (pool) => ({ '/*': handRoute({ dispatch: pool('main').dispatch, requestBody: [upper] }) }),
    });
    scene.client.send(post('hello').slice(0, -1));
    assert.equal(await codeOf(scene), 'request_timeout');
    await scene.idle();
  });
});

describe('a policy that streams', () => {
  test('changes request bodies as they flow, behind one that took the whole too', async () => {
    await using scene = await sceneWith({ requestBody: [upper, doubling] });
    scene.client.send(post('hello'));
    const { server, requests } = await scene.asked();
    assert.equal(requests[0]?.body.toString(), 'HHEELLLLOO');
    assert.equal(requests[0]?.field('content-length'), undefined);
    server.send(OK);
    assert.equal((await scene.client.response('POST')).status, 200);
  });

  test('passes an expectation on to the upstream', async () => {
    await using scene = await sceneWith({ requestBody: [doubling] });
    scene.client.send(post('hello', 'expect: 100-continue\r\n').slice(0, -5));
    const server = await scene.server();
    await server.until('the head', ({ text }) => text.includes('\r\n\r\n'));
    assert.match(server.text, /\r\nexpect: 100-continue\r\n/);
    server.send(CONTINUE);
    await scene.client.until('100', ({ text }) => text === CONTINUE);
    scene.client.send('hello');
    assert.equal((await scene.asked()).requests[0]?.body.toString(), 'hheelllloo');
  });

  test('that throws fails its request alone', async () => {
    const broken = (): BodyTaker => ({ data: () => assert.fail('by intent'), end() {}, abort() {} });
    for (const stream of [broken, () => assert.fail('by intent')]) {
      await using scene = await sceneWith({ requestBody: [{ stream }] });
      scene.client.send(post('hello'));
      assert.equal(await codeOf(scene), 'internal_error');
      assert.equal(scene.runtime.log.length, 1);
      await scene.idle();
    }
  });
});

describe('the largest body of a route', () => {
  test('is a matter of the declared length at once', async () => {
    await using scene = await sceneWith({ maxBody: 4 });
    scene.client.send(post('hello', 'expect: 100-continue\r\n').slice(0, -5));
    assert.equal(await codeOf(scene), 'body_too_large');
    assert.equal(scene.upstream.connections.length, 0);
    await scene.client.untilClosed();
  });

  test('is counted while a body without a length flows, and the upstream never sees a whole request', async () => {
    await using scene = await sceneWith({ maxBody: 6 });
    scene.client.send(postChunked('hello').slice(0, -5));
    const server = await scene.server();
    await server.until('the first chunk', ({ text }) => text.endsWith('hello\r\n'));
    scene.client.send('2\r\n!!\r\n0\r\n\r\n');
    assert.equal(await codeOf(scene), 'body_too_large');
    await server.untilClosed();
    assert.doesNotMatch(server.text, /0\r\n\r\n$/);
    await scene.idle();
  });

  test('lets through what just fits', async () => {
    await using scene = await sceneWith({ maxBody: 5 });
    scene.client.send(post('hello') + postChunked('he', 'llo'));
    for (let count = 1; count <= 2; count++) (await scene.asked(0, count)).server.send(OK);
    const answers = await scene.client.responses(2, ['POST', 'POST']);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
  });
});

test('a reply made of a body goes out with its headers', async () => {
  const run = (): Reply => new Reply(202, HeaderBlock.of([['x-job', '7']]), 'queued');
  await using scene = await sceneWith({ requestBody: [{ buffer: 100, run }] });
  scene.client.send(post('hello'));
  const answer = await scene.client.response('POST');
  assert.deepEqual([answer.status, answer.field('x-job'), answer.body.toString()], [202, '7', 'queued']);
  await until('nothing is active', () => scene.runtime.server.active === 0);
});
