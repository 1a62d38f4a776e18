import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { until } from '../../test/harness.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import { handRoute } from '../../test/support/plan.ts';
import { compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { connectRaw } from '../../test/support/raw.ts';
import { type Runtime, startRuntime } from '../../test/support/runtime.ts';
import type { Dispatch } from '../plan/call.ts';
import { MemoryRecords } from '../stores/memory-records.ts';
import { credentials } from './credentials.ts';
import { CURRENT, type PublishedToken, TOKEN_FEED } from './oauth2/token-keeper.ts';

/** A service that tells what it was sent, and answers with the status that it is asked for. */
const service = createServer((request, response) => {
  const { authorization, 'x-api-key': key, 'x-status': status } = request.headers;
  request.resume().on('end', () => {
    response.writeHead(Number(status ?? 200));
    response.end(JSON.stringify({ authorization, key }));
  });
});
service.listen(0, '127.0.0.1');
await once(service, 'listening');
after(() => service.close().closeAllConnections());
const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

function layer(options: object, feeds = new TestFeeds()): (next: Dispatch) => Dispatch {
  const { hooks } = compilePolicy(credentials, options, {}, feeds);
  const [{ dispatch } = {}] = hooks;
  assert.ok(dispatch !== undefined);
  assert.equal(dispatch.layer, 'sign');
  return (next) => dispatch.wrap(next, null);
}

async function gateway(wrap: (next: Dispatch) => Dispatch): Promise<Runtime> {
  return startRuntime({
    upstreams: { main: url, other: url },
    routes: (pool) => ({
      // The signed upstream fails before it is asked, or after: then the call goes to another one.
      '/fallback': handRoute({
        dispatch: (call, sink) => {
          const failing = wrap((_signed, inner) => inner.fail({ code: 'x' } as never));
          failing(call, {
            takesFramed: false,
            informational: () => undefined,
            head: () => undefined,
            data: () => true,
            end: () => undefined,
            upgrade: () => undefined,
            fail: () => pool('other').dispatch(call, sink),
          });
        },
      }),
      '/*': handRoute({ dispatch: wrap(pool('main').dispatch) }),
    }),
  });
}

async function ask(runtime: Runtime, path: string, fields = '', body = ''): Promise<{ status: number; seen: object }> {
  const peer = await connectRaw(runtime.port);
  const length = body === '' ? '' : `content-length: ${body.length}\r\n`;
  peer.send(`${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1\r\nhost: a\r\n${fields}${length}\r\n${body}`);
  const { status, body: answer } = await peer.response();
  peer.destroy();
  return { status, seen: status === 503 ? {} : (JSON.parse(answer.toString()) as object) };
}

describe('a fixed header', () => {
  test('takes the place of what the client sent', async () => {
    using runtime = await gateway(layer({ header: { name: 'X-Api-Key', value: 'k1' } }));
    const { seen } = await ask(
      runtime,
      '/',
      'authorization: Bearer client\r\nx-api-key: forged\r\nX-API-Key: again\r\n',
    );
    assert.deepEqual(seen, { authorization: 'Bearer client', key: 'k1' });
    using plain = await gateway(layer({ header: { value: 'Basic abc' } }));
    assert.deepEqual((await ask(plain, '/', 'authorization: Bearer client\r\n')).seen, { authorization: 'Basic abc' });
  });

  test('is for this upstream alone, also when the same call goes elsewhere afterwards', async () => {
    using runtime = await gateway(layer({ header: { name: 'x-api-key', value: 'k1' } }));
    assert.deepEqual((await ask(runtime, '/fallback')).seen, {});
  });

  test('changes nothing about bodies and their pace', async () => {
    using runtime = await gateway(layer({ header: { name: 'x-api-key', value: 'k1' } }));
    const { status, seen } = await ask(runtime, '/', '', 'x'.repeat(300_000));
    assert.deepEqual([status, seen], [200, { key: 'k1' }]);
  });
});

const client = { tokenUrl: 'http://127.0.0.1:9/token', clientId: 'gateway', clientSecret: 'secret' };

describe('a token', () => {
  const publish = (feeds: TestFeeds, token: Partial<PublishedToken> = {}): void =>
    feeds
      .find<PublishedToken>(TOKEN_FEED)
      .replace([[CURRENT, { authorization: 'Bearer t1', expiresAt: Date.now() + 60_000, generation: 1, ...token }]]);

  test('takes the place of what the client sent', async () => {
    const feeds = new TestFeeds();
    publish(feeds);
    using runtime = await gateway(layer({ oauth2: client }, feeds));
    assert.deepEqual((await ask(runtime, '/', 'authorization: Bearer client\r\n')).seen, {
      authorization: 'Bearer t1',
    });
    publish(feeds, { authorization: 'Bearer t2', generation: 2 });
    assert.deepEqual((await ask(runtime, '/')).seen, { authorization: 'Bearer t2' });
  });

  test('that is not there, or has ended, is 503 and never a call without one', async () => {
    const feeds = new TestFeeds();
    using runtime = await gateway(layer({ oauth2: client }, feeds));
    assert.equal((await ask(runtime, '/', 'authorization: Bearer client\r\n')).status, 503);
    publish(feeds, { expiresAt: Date.now() - 1 });
    assert.equal((await ask(runtime, '/')).status, 503);
  });

  test('that the service refuses is asked about once', async () => {
    const feeds = new TestFeeds();
    publish(feeds);
    using runtime = await gateway(layer({ oauth2: client }, feeds));
    const feed = feeds.find<PublishedToken>(TOKEN_FEED);
    for (const status of [200, 403, 500])
      assert.equal((await ask(runtime, '/', `x-status: ${status}\r\n`)).status, status);
    assert.deepEqual(feed.asked, []);
    for (let time = 0; time < 3; time++) assert.equal((await ask(runtime, '/', 'x-status: 401\r\n')).status, 401);
    assert.deepEqual(feed.asked, ['1']);
    publish(feeds, { generation: 2 });
    await ask(runtime, '/', 'x-status: 401\r\n');
    assert.deepEqual(feed.asked, ['1', '2']);
  });
});

test('the main thread obtains it for all, and tells nobody the secret', async () => {
  let given = 0;
  const authorizationServer = createServer((request, response) => {
    request.resume().on('end', () => {
      given++;
      const answer = { access_token: `t${given}`, token_type: 'Bearer', expires_in: 600 };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  authorizationServer.listen(0, '127.0.0.1');
  await once(authorizationServer, 'listening');
  const tokenUrl = `http://127.0.0.1:${(authorizationServer.address() as AddressInfo).port}/token`;
  const feeds = new TestFeeds();
  const reports: (() => unknown)[] = [];
  const problems: string[] = [];
  const work = credentials.supervise?.(credentials.schema.parse({ oauth2: { ...client, tokenUrl } }), {
    feed: (name, answer) => feeds.find(name, answer),
    records: new MemoryRecords(() => undefined),
    stateDirectory: null,
    problem: (message) => problems.push(message),
    report: (read) => reports.push(read),
  });
  await work?.settled;
  using runtime = await gateway(layer({ oauth2: { ...client, tokenUrl } }, feeds));
  assert.deepEqual((await ask(runtime, '/')).seen, { authorization: 'Bearer t1' });
  await ask(runtime, '/', 'x-status: 401\r\n');
  await until('the question has been answered', () => feeds.find(TOKEN_FEED).asked.length === 1);
  assert.equal(given, 1, 'a token so fresh is not at fault');
  assert.doesNotMatch(JSON.stringify([reports.map((read) => read()), problems]), /secret|t1/);
  await work?.close();
  authorizationServer.close().closeAllConnections();
});

test('options say what is wrong', () => {
  assert.deepEqual(problemsOf(credentials, {}), ['Keep `header` or `oauth2`.']);
  const both = { header: { value: 'x' }, oauth2: client };
  assert.deepEqual(problemsOf(credentials, both), ['Keep `header` or `oauth2`.']);
  assert.equal(problemsOf(credentials, { header: { value: 'a\nb' } }).length, 1);
  assert.equal(problemsOf(credentials, { header: { name: 'connection', value: 'x' } }).length, 1);
  assert.equal(problemsOf(credentials, { oauth2: { ...client, scopes: 'a b' } }).length, 1);
});

test('the token endpoint’s address holds no password, which would be printed', () => {
  for (const tokenUrl of ['https://gateway:secret@login.example/token', 'https://login.example/token#x']) {
    assert.equal(credentials.schema.safeParse({ oauth2: { ...client, tokenUrl } }).success, false);
  }
});
