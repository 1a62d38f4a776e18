import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import type { Plan } from '../../src/plan/plan.ts';
import { UpstreamPool } from '../../src/runtime/pool.ts';
import { freePort, until } from '../harness.ts';
import { addressSet, handListener, handRoute, handUpstream } from '../support/plan.ts';
import { answering, connectRaw, OK, type RawPeer, readRequests, startRawUpstream } from '../support/raw.ts';
import { ask, fixed, GET, nobodyListens } from '../support/requests.ts';
import { type PlanOptions, type Runtime, startRuntime } from '../support/runtime.ts';
import { openScene } from '../support/scene.ts';

/** What a new plan changes, and what it leaves alone. */

/** A plan's `release`, counted. */
function counted(): { plan: Partial<Plan>; released: () => number } {
  let times = 0;
  return { plan: { release: () => void times++ }, released: () => times };
}

/** Answers `here` on these ports. */
function listeners(...ports: number[]): PlanOptions {
  return {
    routes: () => ({ '/*': fixed('here') }),
    plan: { listeners: ports.map((port) => handListener(`127.0.0.1:${port}`)) },
  };
}

const inert = await startRawUpstream(answering(() => OK));
after(() => inert.close());

describe('commit', () => {
  test('exchanges end on the plan that they began with, which is released once, after the last of them', async () => {
    const [first, second, third] = [counted(), counted(), counted()];
    await using scene = await openScene({ plan: first.plan });
    const other = await connectRaw(scene.runtime.port);
    scene.client.send(GET);
    other.send(GET);
    await until('both are active', () => scene.runtime.server.active === 2);
    const { server } = await scene.asked(0);
    const { server: otherServer } = await scene.asked(1);

    await scene.runtime.reload({ plan: second.plan, routes: () => ({ '/*': fixed('second') }) });
    await scene.runtime.reload({ plan: third.plan, routes: () => ({ '/*': fixed('third') }) });
    assert.deepEqual([first.released(), second.released()], [0, 1]);
    server.send(OK);
    assert.equal((await scene.client.response()).body.toString(), 'ok');
    assert.equal(first.released(), 0);
    // The connection lives, and its next request follows the plan of that moment.
    scene.client.send(GET);
    assert.equal((await scene.client.responses(2))[1]?.body.toString(), 'third');
    otherServer.send(OK);
    await other.response();
    await scene.idle();
    assert.deepEqual([first.released(), second.released(), third.released()], [1, 1, 0]);
    other.destroy();
  });

  test('pipelined requests that wait follow the new plan', async () => {
    await using scene = await openScene();
    scene.client.send(GET.repeat(3));
    const { server } = await scene.asked();
    await scene.runtime.reload({ routes: () => ({ '/*': fixed('new') }) });
    server.send(OK);
    const answers = await scene.client.responses(3);
    assert.deepEqual(
      answers.map(({ body }) => body.toString()),
      ['ok', 'new', 'new'],
    );
  });

  test('listeners that are new serve, those that are gone do not, and their connections live on', async () => {
    const [stays, goes, comes] = await Promise.all([freePort(), freePort(), freePort()]);
    using runtime = await startRuntime(listeners(stays, goes));
    const [kept, orphan] = await Promise.all([connectRaw(stays), connectRaw(goes)]);
    await ask(kept);
    await ask(orphan);
    const next = runtime.plan(listeners(stays, comes));
    await runtime.server.prepare(next);
    // Bound already, and what comes waits for the plan.
    const early = await connectRaw(comes);
    early.send(GET);
    await ask(orphan, 2);
    assert.equal(early.text, '');
    runtime.server.commit(next);
    assert.equal((await early.response()).body.toString(), 'here');
    await ask(kept, 2);
    await ask(orphan, 3);
    await nobodyListens(goes);
    for (const peer of [kept, orphan, early]) peer.destroy();
  });

  test('connections that come before the first plan are served after it', async () => {
    using runtime = await startRuntime({ routes: () => ({ '/*': fixed('here') }) });
    const port = await freePort();
    const plan = runtime.plan(listeners(port));
    await runtime.server.prepare(plan);
    const [asking, silent, leaving] = await Promise.all([connectRaw(port), connectRaw(port), connectRaw(port)]);
    asking.send(GET);
    leaving.reset();
    runtime.server.commit(plan);
    assert.equal((await asking.response()).body.toString(), 'here');
    await ask(silent);
    for (const peer of [asking, silent]) peer.destroy();
    await until('no connection is left', () => runtime.server.connections === 0);
  });

  test('trusted proxies and limits of the new plan count for connections that are open', async () => {
    await using scene = await openScene({ onConnection: answering(() => OK) });
    const forwarded = GET.replace('\r\n\r\n', '\r\nx-forwarded-for: 192.0.2.9\r\n\r\n');
    scene.client.send(forwarded);
    await scene.client.responses(1);
    await scene.runtime.reload({ plan: { trustedProxies: addressSet('127.0.0.1') }, limits: { maxTarget: 20 } });
    scene.client.send(forwarded);
    await scene.client.responses(2);
    const { requests } = await scene.asked(0, 2);
    assert.deepEqual(
      requests.map((request) => request.field('x-forwarded-for')),
      ['127.0.0.1', '192.0.2.9, 127.0.0.1'],
    );
    scene.client.send(GET.replace('/', `/${'x'.repeat(20)}`));
    assert.equal((await scene.client.responses(3))[2]?.status, 414);
  });
});

describe('a plan that cannot be prepared', () => {
  test('leaves everything as it was', async () => {
    // Without `reusePort`, as another program has it.
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    assert.ok(address !== null && typeof address === 'object');
    const [stays, comes] = await Promise.all([freePort(), freePort()]);
    using runtime = await startRuntime(listeners(stays));
    const kept = await connectRaw(stays);
    await ask(kept);
    await assert.rejects(runtime.server.prepare(runtime.plan(listeners(stays, comes, address.port))), {
      code: 'EADDRINUSE',
      port: address.port,
    });
    await nobodyListens(comes);
    await ask(kept, 2);
    await ask(await connectRaw(stays));
    taken.close();
    await once(taken, 'close');
    await runtime.server.prepare(runtime.plan(listeners(stays, comes, address.port)));
    kept.destroy();
  });

  test('elsewhere is abandoned here: what was bound for it is closed, and so are the connections to that', async () => {
    const [stays, comes] = await Promise.all([freePort(), freePort()]);
    using runtime = await startRuntime(listeners(stays));
    await runtime.server.prepare(runtime.plan(listeners(comes)));
    const early = await connectRaw(comes);
    early.send(GET);
    // Accepted for certain once another connection to the same thread has been served.
    await ask(await connectRaw(stays));
    runtime.server.abandon();
    await early.untilClosed();
    await nobodyListens(comes);
    await ask(await connectRaw(stays));
  });
});

describe('upstream pools', () => {
  test('that go on keep their connections; one that is dropped closes its idle ones, and the busy one at its end', async () => {
    let held: RawPeer | undefined;
    const upstream = await startRawUpstream((peer) => {
      answering((request) => {
        if (request.target !== '/held') return OK;
        held = peer;
        return '';
      })(peer);
    });
    using runtime: Runtime = await startRuntime({ upstreams: upstream.url });
    const [client, other] = await Promise.all([connectRaw(runtime.port), connectRaw(runtime.port)]);
    await Promise.all([ask(client), ask(other)]);
    const before = upstream.connections.length;
    await runtime.reload();
    await ask(client, 2);
    assert.equal(upstream.connections.length, before);

    client.send(GET.replace('/', '/held'));
    const busy = await until('the request is there', () => held);
    const next = new UpstreamPool(handUpstream([inert.url]), runtime.cell);
    await runtime.reload({ routes: () => ({ '/*': handRoute({ dispatch: next.dispatch }) }) });
    runtime.pool('main').close();
    await ask(other, 2);
    await until('idle connections are closed', () =>
      upstream.connections.every((peer) => peer === busy || peer.ended || peer.closed),
    );
    assert.equal(busy.ended || busy.closed, false);
    busy.send(OK);
    assert.equal((await client.responses(3))[2]?.status, 200);
    await busy.untilClosed();
    assert.equal(readRequests(busy.bytes).requests.at(-1)?.target, '/held');
    for (const peer of [client, other]) peer.destroy();
    next.close();
    await upstream.close();
  });
});
