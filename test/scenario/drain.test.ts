import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../harness.ts';
import { answering, connectRaw, OK, type RawPeer, startRawUpstream } from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import { openScene } from '../support/scene.ts';

/** The end of a worker, from its data plane's side: what has begun is finished, and nothing new begins. */

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

test('200 requests in flight at drain: 200 complete, each with the end of its connection', async () => {
  const AT_ONCE = 200;
  const waiting: RawPeer[] = [];
  const upstream = await startRawUpstream((peer) => {
    peer.onBytes(({ text }) => {
      if (text.endsWith('\r\n\r\n')) waiting.push(peer);
    });
  });
  using runtime = await startRuntime({ upstreams: upstream.url });
  const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => connectRaw(runtime.port)));
  for (const client of clients) client.send(GET);
  await until('all have arrived', () => waiting.length === AT_ONCE);
  runtime.server.drain();
  await runtime.server.stopListening();
  await assert.rejects(connectRaw(runtime.port), { code: 'ECONNREFUSED' });
  assert.equal(runtime.server.active, AT_ONCE);
  for (const peer of waiting) peer.send(OK);
  const answers = await Promise.all(clients.map((client) => client.response()));
  assert.ok(answers.every(({ status, body }) => status === 200 && body.toString() === 'ok'));
  assert.ok(answers.every((answer) => answer.field('connection') === 'close'));
  await Promise.all(clients.map((client) => client.untilClosed()));
  for (const client of clients) client.end();
  await until('nothing is left', () => runtime.server.active === 0 && runtime.server.connections === 0);
  await upstream.close();
});

test('idle connections end at once, those that have served and those that never asked', async () => {
  await using scene = await openScene({ onConnection: answering(() => OK) });
  const silent = await connectRaw(scene.runtime.port);
  scene.client.send(GET);
  await scene.client.response();
  await until('both are there', () => scene.runtime.server.connections === 2);
  scene.runtime.server.drain();
  await scene.client.untilClosed();
  await silent.untilClosed();
  silent.destroy();
});

test('a request that has begun to arrive is awaited and answered', async () => {
  await using scene = await openScene({ onConnection: answering(() => OK) });
  scene.client.send('GET / HTTP/1.1\r\nho');
  await new Promise((resolve) => setTimeout(resolve, 50));
  scene.runtime.server.drain();
  scene.client.send('st: a\r\n\r\n');
  const answer = await scene.client.response();
  assert.deepEqual([answer.status, answer.field('connection')], [200, 'close']);
  await scene.client.untilClosed();
});

test('a response that has begun before is completed, and its connection ends after it', async () => {
  await using scene = await openScene();
  scene.client.send(GET);
  const { server } = await scene.asked();
  server.send('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf ');
  await scene.client.until('half of it', ({ text }) => text.endsWith('half '));
  scene.runtime.server.drain();
  server.send('other');
  assert.equal((await scene.client.response()).body.toString(), 'half other');
  await scene.client.untilClosed();
});

test('of pipelined requests the one under way is answered', async () => {
  await using scene = await openScene();
  scene.client.send(GET + GET);
  const { server } = await scene.asked();
  scene.runtime.server.drain();
  server.send(OK);
  const answer = await scene.client.response();
  assert.equal(answer.field('connection'), 'close');
  await scene.client.untilClosed();
  assert.equal((await scene.client.responses(1)).length, 1);
});
