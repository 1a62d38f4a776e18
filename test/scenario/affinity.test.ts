import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AffinityOptions, type EndpointHealth, HEALTH_FEED } from '../../src/plan/upstream.ts';
import { TestFeeds } from '../support/feeds.ts';
import { addressSet } from '../support/plan.ts';
import { answering, connectRaw, OK, type RawUpstream, readRequests, startRawUpstream } from '../support/raw.ts';
import { type Runtime, type RuntimeOptions, startRuntime } from '../support/runtime.ts';

/** Clients that are bound to an endpoint by a cookie. */

const affinity: AffinityOptions = { cookie: 'seat', ttl: 0, secret: null };

interface Scene extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly upstreams: readonly RawUpstream[];
  readonly feeds: TestFeeds;
  /** Asks with these cookies; answers who served it, and what was set. */
  ask(
    cookies?: string,
    runtime?: Runtime,
  ): Promise<{ index: number; set: string | undefined; cookies: string | undefined }>;
}

async function scene(options: Partial<AffinityOptions> = {}, more: Partial<RuntimeOptions> = {}): Promise<Scene> {
  const upstreams: RawUpstream[] = [];
  for (let i = 0; i < 3; i++) upstreams.push(await startRawUpstream(answering(() => OK)));
  const feeds = new TestFeeds();
  const runtime = await startRuntime({
    upstreams: upstreams.map(({ url }) => url),
    upstreamOptions: { owner: 'test', affinity: { ...affinity, ...options } },
    feeds,
    ...more,
  });
  const counts = (): number[] =>
    upstreams.map(({ connections }) =>
      connections.reduce((sum, { bytes }) => sum + readRequests(bytes).requests.length, 0),
    );
  return {
    runtime,
    upstreams,
    feeds,
    ask: async (cookies, other = runtime) => {
      const before = counts();
      const client = await connectRaw(other.port);
      client.send(`GET / HTTP/1.1\r\nhost: a\r\n${cookies === undefined ? '' : `cookie: ${cookies}\r\n`}\r\n`);
      const answer = await client.response();
      client.destroy();
      assert.equal(answer.status, 200);
      const index = counts().findIndex((count, at) => count > (before[at] as number));
      const received = upstreams[index]?.connections.flatMap(({ bytes }) => readRequests(bytes).requests).at(-1);
      return { index, set: answer.field('set-cookie'), cookies: received?.field('cookie') };
    },
    async [Symbol.asyncDispose]() {
      runtime.stop();
      for (const upstream of upstreams) await upstream.close();
    },
  };
}

function pairOf(set: string | undefined): string {
  return set?.split(';', 1)[0] ?? '';
}

describe('affinity', () => {
  test('binds a client to the endpoint that served it first, and says so once', async () => {
    await using it = await scene();
    const first = await it.ask();
    assert.match(first.set ?? '', /^seat=[\w-]{16}\.0\.[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
    for (let i = 0; i < 7; i++) {
      const again = await it.ask(pairOf(first.set));
      assert.deepEqual([again.index, again.set], [first.index, undefined]);
    }
    const other = await it.ask();
    assert.notEqual(other.index, first.index);
    assert.notEqual(pairOf(other.set), pairOf(first.set));
  });

  test('hides the cookie from the service, and no other', async () => {
    await using it = await scene();
    const { set } = await it.ask();
    assert.equal((await it.ask(`a=1; ${pairOf(set)}; b=2`)).cookies, 'a=1; b=2');
    assert.equal((await it.ask(pairOf(set))).cookies, undefined);
    assert.equal((await it.ask('a=1; seat=forged')).cookies, 'a=1');
  });

  test('says nothing of addresses', async () => {
    await using it = await scene();
    const { set = '' } = await it.ask();
    const decoded = Buffer.from(pairOf(set), 'base64').toString('latin1');
    for (const { port } of it.upstreams) assert.ok(!set.includes(`${port}`) && !decoded.includes(`${port}`));
  });

  test('ignores cookies that it did not sign, or signed for another upstream, and sets one that is good', async () => {
    await using it = await scene();
    const { set } = await it.ask();
    const good = pairOf(set);
    const flipped = `${good.slice(0, -2)}${good.at(-2) === 'A' ? 'B' : 'A'}${good.at(-1)}`;
    const elsewhere = await startRuntime({
      upstreams: { other: it.upstreams.map(({ url }) => url) },
      upstreamOptions: { affinity },
    });
    using _ = elsewhere;
    const foreign = pairOf((await it.ask(undefined, elsewhere)).set);
    for (const wrong of ['seat=', 'seat=x', 'seat=..', flipped, foreign, good.replace('.0.', '.zz.')]) {
      assert.notEqual((await it.ask(wrong)).set, undefined, wrong);
    }
  });

  test('holds in every worker, and over restarts with a secret', async () => {
    const secret = 'a secret of at least thirty-two bytes';
    await using it = await scene({ secret });
    const { set, index } = await it.ask();
    using restarted = await startRuntime({
      upstreams: it.upstreams.map(({ url }) => url),
      upstreamOptions: { affinity: { ...affinity, secret } },
      affinityKey: Buffer.alloc(32, 9),
    });
    const again = await it.ask(pairOf(set), restarted);
    assert.deepEqual([again.index, again.set], [index, undefined]);
  });

  test('ends with the endpoint: the client is bound to another', async () => {
    await using it = await scene();
    const { set, index } = await it.ask();
    const { url } = it.upstreams[index] as RawUpstream;
    const health = it.feeds.find<EndpointHealth>(HEALTH_FEED);
    health.update([[url, { isHealthy: false, since: 0 }]]);
    const moved = await it.ask(pairOf(set));
    assert.notEqual(moved.index, index);
    assert.notEqual(moved.set, undefined);
    health.update([[url, { isHealthy: true, since: 0 }]]);
    assert.deepEqual(await it.ask(pairOf(moved.set)), { index: moved.index, set: undefined, cookies: undefined });
  });

  test('has a lifetime, which goes on while it is used', async (context) => {
    context.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
    await using it = await scene({ ttl: 3_600_000 });
    const { set = '', index } = await it.ask();
    assert.match(set, /; Max-Age=3600; /);
    context.mock.timers.setTime(1_700_000_000_000 + 1_000_000);
    assert.deepEqual(await it.ask(pairOf(set)), { index, set: undefined, cookies: undefined });
    context.mock.timers.setTime(1_700_000_000_000 + 2_500_000);
    const renewed = await it.ask(pairOf(set));
    assert.equal(renewed.index, index);
    assert.notEqual(renewed.set, undefined);
    context.mock.timers.setTime(1_700_000_000_000 + 4_000_000);
    const late = await it.ask(pairOf(set));
    assert.notEqual(late.set, undefined);
    assert.equal((await it.ask(pairOf(renewed.set))).index, index);
  });

  test('goes to a client only with an answer that is none of a failure', async () => {
    const failing = await startRawUpstream(answering(() => 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n'));
    using runtime = await startRuntime({ upstreams: failing.url, upstreamOptions: { affinity } });
    const client = await connectRaw(runtime.port);
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const answer = await client.response();
    assert.deepEqual([answer.status, answer.field('set-cookie')], [503, undefined]);
    client.destroy();
    await failing.close();
  });

  test('is marked Secure where the client came by TLS', async () => {
    await using it = await scene();
    await it.runtime.reload({ plan: { trustedProxies: addressSet('127.0.0.0/8') } });
    const client = await connectRaw(it.runtime.port);
    client.send('GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\r\n');
    assert.match((await client.response()).field('set-cookie') ?? '', /; Secure$/);
    client.destroy();
  });
});
