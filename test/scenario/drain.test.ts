import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../harness.ts';
import { handRoute } from '../support/plan.ts';
import { connectRaw, OK, readRequests, startRawUpstream } from '../support/raw.ts';
import { ask, fixed, GET, nobodyListens } from '../support/requests.ts';
import { startRuntime } from '../support/runtime.ts';
import { openScene } from '../support/scene.ts';

/** How one worker's server comes to its end. */

test('200 requests in flight: 200 complete, each with the end of its connection announced', async () => {
  const IN_FLIGHT = 200;
  const upstream = await startRawUpstream();
  using runtime = await startRuntime({ upstreams: upstream.url });
  const clients = await Promise.all(Array.from({ length: IN_FLIGHT }, () => connectRaw(runtime.port)));
  for (const client of clients) client.send(GET);
  await until('all have reached the upstream', () => {
    const asked = upstream.connections.filter(({ bytes }) => readRequests(bytes).requests.length === 1);
    return asked.length === IN_FLIGHT;
  });
  await runtime.server.stopListening();
  await nobodyListens(runtime.port);
  runtime.server.drain();
  for (const peer of upstream.connections) peer.send(OK);
  const answers = await Promise.all(clients.map((client) => client.response()));
  assert.ok(answers.every(({ status, body }) => status === 200 && body.toString() === 'ok'));
  assert.ok(answers.every((answer) => answer.field('connection') === 'close'));
  await Promise.all(clients.map((client) => client.untilClosed()));
  await until('nothing is left', () => runtime.server.connections === 0);
  assert.ok(clients.every(({ error }) => error === null));
  await upstream.close();
});

test('idle connections end at once, busy ones with their answer, pipelined requests behind it unanswered', async () => {
  await using scene = await openScene();
  const idle = await connectRaw(scene.runtime.port);
  const fresh = await connectRaw(scene.runtime.port);
  idle.send(GET);
  (await scene.asked(0)).server.send(OK);
  await idle.response();
  scene.client.send(GET + GET);
  const { server } = await scene.asked(0, 2);
  scene.runtime.server.drain();
  await idle.untilClosed();
  await fresh.untilClosed();
  assert.equal(scene.client.ended, false);
  server.send(OK);
  await scene.client.untilClosed();
  const answers = await scene.client.responses(1);
  assert.equal(answers[0]?.field('connection'), 'close');
  assert.equal(answers.length, 1);
  assert.equal(readRequests(server.bytes).requests.length, 2);
  for (const peer of [idle, fresh]) peer.destroy();
});

test('while the end is only announced, connections are served and closed with their next answer', async () => {
  using runtime = await startRuntime({ routes: () => ({ '/*': fixed('here') }) });
  const [open, fresh] = await Promise.all([connectRaw(runtime.port), connectRaw(runtime.port)]);
  await ask(open);
  runtime.state.draining = true;
  const late = await connectRaw(runtime.port);
  for (const [peer, count] of [
    [open, 2],
    [fresh, 1],
    [late, 1],
  ] as const) {
    await ask(peer, count);
    assert.equal((await peer.responses(count)).at(-1)?.field('connection'), 'close');
    await peer.untilClosed();
  }
});

test('a response that has begun goes to its end, and so does a request that is still arriving', async () => {
  await using scene = await openScene({
    routes: (pool) => ({ '/here': fixed('here'), '/*': handRoute({ dispatch: pool('main').dispatch }) }),
  });
  const uploading = await connectRaw(scene.runtime.port);
  scene.client.send(GET);
  const { server } = await scene.asked();
  server.send('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf ');
  await scene.client.until('the first half', ({ text }) => text.endsWith('half '));
  uploading.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ');
  await until('both are active', () => scene.runtime.server.active === 2);
  const half = await connectRaw(scene.runtime.port);
  half.send(GET.slice(0, 9));
  // Told from an idle one by what has come of a head, which has been read once a later request is answered.
  const later = await connectRaw(scene.runtime.port);
  later.send(GET.replace('/', '/here'));
  await later.response();
  await scene.runtime.server.stopListening();
  scene.runtime.server.drain();
  server.send('other');
  assert.equal((await scene.client.response()).body.toString(), 'half other');
  await scene.client.untilClosed();
  uploading.send('other');
  const { server: second, requests } = await scene.asked(1);
  assert.equal(requests[0]?.body.toString(), 'half other');
  second.send(OK);
  assert.equal((await uploading.response('POST')).field('connection'), 'close');
  half.send(GET.slice(9));
  (await scene.asked(1, 2)).server.send(OK);
  assert.equal((await half.response()).field('connection'), 'close');
  for (const peer of [uploading, half, later]) peer.destroy();
});
