import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors } from '../../src/base/gateway-error.ts';
import { Reply } from '../../src/plan/reply.ts';
import { handRoute } from '../support/plan.ts';
import { OK } from '../support/raw.ts';
import { openScene } from '../support/scene.ts';

/** Interim responses, `Expect: 100-continue`, and answers that come before the request is complete. */

const EXPECTING = 'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const TOO_LARGE = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig';
const MEBIBYTE = 1_048_576;

test('100 comes from the upstream, then the body goes, and the connection lives', async () => {
  await using scene = await openScene();
  const { client } = scene;
  client.send(EXPECTING);
  const server = await scene.server();
  await server.until('the head', ({ text }) => text.includes('\r\n\r\n'));
  assert.match(server.text, /\r\nexpect: 100-continue\r\n/);
  assert.equal(client.text, '');
  server.send(CONTINUE);
  await client.until('100', ({ text }) => text === CONTINUE);
  client.send('hello');
  await scene.asked();
  server.send(OK);
  client.send(GET);
  await scene.asked(0, 2);
  server.send(OK);
  const [first, second] = await client.responses(2, ['POST']);
  assert.deepEqual([first?.status, second?.status], [200, 200]);
  assert.equal(first?.field('connection'), undefined);
});

test('a client that does not wait for 100 loses nothing', async () => {
  await using scene = await openScene();
  scene.client.send(`${EXPECTING}hello`);
  const { server, requests } = await scene.asked();
  assert.equal(requests[0]?.body.toString(), 'hello');
  server.send(CONTINUE + OK);
  const answer = await scene.client.response('POST');
  assert.equal(answer.status, 200);
});

test('a final answer instead of 100 ends the connection, since the body may come or not', async () => {
  await using scene = await openScene();
  const { client } = scene;
  client.send(EXPECTING);
  const server = await scene.server();
  await server.until('the head', ({ text }) => text.includes('\r\n\r\n'));
  server.send(TOO_LARGE);
  const answer = await client.response('POST');
  assert.equal(answer.status, 413);
  assert.equal(answer.field('connection'), 'close');
  await client.untilClosed();
  await server.untilClosed();
  await scene.idle();
});

test('a refusal of the gateway itself asks for no body', async () => {
  const refuse = { phase: 'guard', run: () => Reply.refuse(errors.accessDenied) } as const;
  const route = handRoute({ dispatch: () => assert.fail('not asked'), request: [refuse] });
  await using scene = await openScene({ routes: () => ({ '/*': route }) });
  scene.client.send(EXPECTING);
  const answer = await scene.client.response('POST');
  assert.equal(answer.status, 403);
  assert.equal(answer.informational.length, 0);
  await scene.client.untilClosed();
});

test('whoever reads the body in the gateway says 100', async () => {
  const bodies: string[] = [];
  await using scene = await openScene({
    routes: (pool) => ({
      '/*': handRoute({
        dispatch: pool('main').dispatch,
        requestBody: [
          {
            buffer: 100,
            run: (_exchange, body) => {
              bodies.push(body.toString());
              return undefined;
            },
          },
        ],
      }),
    }),
  });
  scene.client.send(EXPECTING);
  await scene.client.until('100', ({ text }) => text === CONTINUE);
  scene.client.send('hello');
  const { server, requests } = await scene.asked();
  assert.deepEqual(bodies, ['hello']);
  assert.equal(requests[0]?.body.toString(), 'hello');
  assert.equal(requests[0]?.field('expect'), undefined);
  server.send(OK);
  assert.equal((await scene.client.response('POST')).status, 200);
});

test('an upstream that never says 100 nor anything else is given up', async () => {
  await using scene = await openScene({ upstreamOptions: { headTimeout: 300 } });
  scene.client.send(EXPECTING);
  const answer = await scene.client.response('POST');
  assert.equal(answer.status, 504);
  await (await scene.server()).untilClosed();
});

test('103 goes through with its fields, 100 that nobody asked for does not', async () => {
  await using scene = await openScene();
  scene.client.send(GET);
  const { server } = await scene.asked();
  server.send(`${CONTINUE}HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\n`);
  await scene.client.until('103', ({ text }) => text.endsWith('\r\n\r\n'));
  server.send(OK);
  const answer = await scene.client.response();
  assert.deepEqual(
    answer.informational.map(({ status, fields }) => [status, fields]),
    [[103, [['link', '</a.css>']]]],
  );
});

test('an HTTP/1.0 client hears no interim response', async () => {
  await using scene = await openScene();
  scene.client.send('GET / HTTP/1.0\r\nhost: a\r\n\r\n');
  const { server } = await scene.asked();
  server.send(`HTTP/1.1 103 Early Hints\r\n\r\n${OK}`);
  await scene.client.untilClosed();
  assert.equal((await scene.client.response()).informational.length, 0);
});

test('an answer that comes while a large body still flows reaches the client whole', async () => {
  await using scene = await openScene();
  const { client } = scene;
  client.send(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${16 * MEBIBYTE}\r\n\r\n`);
  client.send(Buffer.alloc(MEBIBYTE));
  const server = await scene.server();
  await server.until('the head', ({ text }) => text.includes('\r\n\r\n'));
  server.send(TOO_LARGE);
  const answer = await client.response('POST');
  assert.equal(answer.status, 413);
  assert.equal(answer.body.toString(), 'big');
  assert.equal(answer.field('connection'), 'close');
  // What is still sent is read for a while: a reset could take the answer away before it is read (RFC 9112, 9.6).
  client.send(Buffer.alloc(MEBIBYTE));
  await client.untilClosed();
  assert.equal(client.error, null);
  await server.untilClosed();
  await scene.idle();
});

test('the little rest of a body is read and dropped, and the connection serves on', async () => {
  await using scene = await openScene();
  const { client } = scene;
  client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ');
  const server = await scene.server();
  await server.until('the first half', ({ text }) => text.endsWith('half '));
  server.send(TOO_LARGE);
  assert.equal((await client.response('POST')).field('connection'), undefined);
  client.send(`other${GET}`);
  (await scene.asked(1)).server.send(OK);
  assert.equal((await client.responses(2, ['POST']))[1]?.status, 200);
  await server.untilClosed();
});

test('a client that never sends the rest does not keep the connection', async () => {
  await using scene = await openScene({ limits: { bodyTimeout: 300 } });
  scene.client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ');
  const server = await scene.server();
  await server.until('the first half', ({ text }) => text.endsWith('half '));
  server.send(TOO_LARGE);
  await scene.client.response('POST');
  await scene.client.untilClosed();
});

test('an answer may stream while the request streams', async () => {
  await using scene = await openScene();
  const { client } = scene;
  client.send('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n');
  const server = await scene.server();
  await server.until('the first piece', ({ text }) => text.endsWith('one\r\n'));
  server.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nONE\r\n');
  await client.until('its echo', ({ text }) => text.endsWith('ONE\r\n'));
  client.send('3\r\ntwo\r\n0\r\n\r\n');
  await scene.asked();
  server.send('3\r\nTWO\r\n0\r\n\r\n');
  assert.equal((await client.response('POST')).body.toString(), 'ONETWO');
});
