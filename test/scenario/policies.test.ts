import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as nodeRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';

/** The policies of the gateway, driven as a client would: what is in a configuration happens on the wire. */

const SHOP = 'https://shop.example';

function config(upstream: string): string {
  return `
trustedProxies: [127.0.0.2]
upstreams: { main: ${upstream} }
defaults:
  requestId: true
  accessLog: { headers: [authorization, x-tenant], redactQuery: email }
  securityHeaders: true
  cors: { origins: ${SHOP}, credentials: true, maxAge: 10m }
routes:
  /plain: main
  GET /only-get: { to: main }
  /rewritten/{id}:
    to: main
    request:
      path: /internal/{path.id}
      query: { set: { tenant: "{header.x-tenant}", v: 2 }, remove: debug }
      headers: { set: { x-client: "{client.ip}" }, remove: cookie }
    response: { headers: { set: { x-route: "{route.name}" }, rename: { x-count: x-total }, remove: via } }
  /needs-query: { to: main, request: { path: "/q/{query.id}" } }
  /old: { to: main, deprecated: { since: 2026-01-01, sunset: 2099-06-30, link: https://shop.example/docs } }
  /gone: { to: main, deprecated: { since: 2020-01-01, sunset: 2020-06-30, after: 410 } }
  /inside: { to: main, ipRules: { allow: 10.0.0.0/8 } }
  /watched: { to: main, ipRules: { allow: 10.0.0.0/8, report: true } }
  /small: { to: main, sizeLimits: { body: 10B, target: 30B, fields: 20 } }
`;
}

describe('policies of the gateway', () => {
  let upstream: Upstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await startUpstream((request, response) => {
      response.writeHead(200, { server: 'secret/1', via: 'x', 'x-count': '3', 'access-control-allow-origin': '*' });
      request.resume().on('end', () => response.end('fine'));
    });
    gateway = await startGateway(config(upstream.url));
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  const ask = (path: string, init?: RequestInit) => fetch(gateway.url + path, init);
  const lastRequest = () => upstream.requests.at(-1) ?? assert.fail('nothing was asked');
  const problem = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

  async function logged(path: string): Promise<Record<string, unknown>> {
    const lines = () =>
      gateway.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    return until(`a log line for ${path}`, () => lines().findLast((line) => line.path === path));
  }

  test('one id for the service, the client, the log and a refusal', async () => {
    const response = await ask('/plain', { headers: { 'x-request-id': 'from-a-stranger' } });
    const id = response.headers.get('x-request-id') ?? '';
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(lastRequest().headers['x-request-id'], id);
    assert.equal((await logged('/plain')).requestId, id);
    const refused = await ask('/nowhere');
    assert.equal(((await refused.json()) as { requestId: string }).requestId, refused.headers.get('x-request-id'));
  });

  test('the access log tells everything but secrets', async () => {
    await ask('/plain?token=hunter2&email=a@b.example&page=2', {
      headers: { authorization: 'Bearer hunter2', 'x-tenant': 'acme', 'user-agent': 'test/1' },
    });
    const line = await until('the line with that query', async () => {
      const found = await logged('/plain');
      return found.query === undefined ? null : found;
    });
    assert.equal(gateway.stdout.includes('hunter2'), false);
    assert.equal(line.query, 'token=[redacted]&email=[redacted]&page=2');
    assert.deepEqual(line.headers, { authorization: '[redacted]', 'x-tenant': 'acme' });
    assert.equal(line.status, 200);
    assert.equal(line.responseBytes, 4);
    assert.equal(line.upstream, 'main');
    assert.equal(line.userAgent, 'test/1');
    assert.ok(Number(line.duration) >= Number(line.upstreamTime));
  });

  test('preflights are answered, refusals included in CORS', async () => {
    const asked = { origin: SHOP, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-a' };
    const before = upstream.requests.length;
    const preflight = await ask('/plain', { method: 'OPTIONS', headers: asked });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), SHOP);
    assert.equal(preflight.headers.get('access-control-allow-methods'), 'PUT');
    assert.equal(preflight.headers.get('access-control-allow-headers'), 'x-a');
    assert.equal(preflight.headers.get('access-control-max-age'), '600');
    assert.equal(upstream.requests.length, before, 'the service was not asked');
    for (const path of ['/plain', '/nowhere', '/inside']) {
      const response = await ask(path, { headers: { origin: SHOP } });
      assert.equal(response.headers.get('access-control-allow-origin'), SHOP, path);
      assert.equal(response.headers.get('vary'), 'Origin');
      const stranger = await ask(path, { headers: { origin: 'https://evil.example' } });
      assert.equal(stranger.headers.get('access-control-allow-origin'), null, path);
    }
  });

  test('security headers on everything, nothing about what runs behind', async () => {
    for (const path of ['/plain', '/nowhere']) {
      const { headers } = await ask(path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('server'), null);
      assert.equal(headers.get('strict-transport-security'), null, 'this is plain http');
    }
  });

  test('the service gets what the rules make of a request', async () => {
    const response = await ask('/rewritten/caf%C3%A9?debug=1&x=%41', {
      headers: { 'x-tenant': 'a&b', cookie: 'a=b', 'x-client': 'spoofed' },
    });
    const { url, headers } = lastRequest();
    assert.equal(url, '/internal/caf%C3%A9?x=%41&tenant=a%26b&v=2');
    assert.equal(headers.cookie, undefined);
    assert.equal(headers['x-client'], '127.0.0.1');
    assert.equal(response.headers.get('x-route'), '/rewritten/{id}');
    assert.equal(response.headers.get('x-total'), '3');
    assert.equal(response.headers.get('via'), null);
    assert.deepEqual(await problem(await ask('/needs-query')), [400, 'missing_value']);
    assert.deepEqual(await problem(await ask('/needs-query?id=../admin')), [400, 'missing_value']);
    await ask('/needs-query?id=7');
    assert.equal(lastRequest().url, '/q/7?id=7');
  });

  test('a route says that it is going away, and is gone', async () => {
    const { headers } = await ask('/old');
    assert.equal(headers.get('deprecation'), '@1767225600');
    assert.equal(headers.get('sunset'), 'Tue, 30 Jun 2099 00:00:00 GMT');
    assert.match(headers.get('link') ?? '', /rel="deprecation"/);
    assert.deepEqual(await problem(await ask('/gone')), [410, 'gone']);
  });

  test('addresses are let in, kept out, or only watched', async () => {
    assert.deepEqual(await problem(await ask('/inside')), [403, 'access_denied']);
    const spoofed = await ask('/inside', { headers: { 'x-forwarded-for': '10.0.0.1' } });
    assert.equal(spoofed.status, 403, 'nobody vouches for it');
    assert.equal(await throughProxy('/inside', { 'x-forwarded-for': '10.0.0.1' }), 200);
    assert.equal(await throughProxy('/inside', { 'x-forwarded-for': '10.0.0.1, 192.0.2.1' }), 403);
    assert.equal(await throughProxy('/inside', { 'x-forwarded-for': 'garbage' }), 400);
    assert.equal((await ask('/watched')).status, 200);
    assert.equal((await logged('/watched')).reported, 1);
    // The line takes another way than the access log's.
    await until('it is told', () => /"event":"reported","policy":"ipRules"/.test(gateway.stdout));
  });

  /** As a client of a proxy that the gateway trusts: from another address of this machine. */
  async function throughProxy(path: string, headers: Record<string, string>): Promise<number | undefined> {
    const client = nodeRequest(gateway.url + path, { headers, localAddress: '127.0.0.2' }).end();
    const [response] = await once(client, 'response');
    response.resume();
    return response.statusCode;
  }

  test('sizes are bounded, declared or not', async () => {
    const post = (body: string | ReadableStream) =>
      ask('/small', { method: 'POST', body, duplex: 'half' } as RequestInit);
    assert.equal((await post('0123456789')).status, 200);
    assert.deepEqual(await problem(await post('0123456789a')), [413, 'body_too_large']);
    assert.deepEqual(await problem(await post(new Blob(['0123456789a']).stream())), [413, 'body_too_large']);
    assert.deepEqual(await problem(await ask(`/small?${'x'.repeat(30)}`)), [414, 'uri_too_long']);
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, 'y']));
    assert.deepEqual(await problem(await ask('/small', { headers: many })), [431, 'headers_too_large']);
  });
});
