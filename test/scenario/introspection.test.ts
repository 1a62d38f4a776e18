import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';

/** A whole gateway in front of an issuer of opaque tokens (RFC 7662), which is well, slow, wrong or gone. */

type Answer = (token: string, response: ServerResponse) => void;

function say(response: ServerResponse, members: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(members));
}

/** A token is good for the user whose name it is, when it does not begin with `bad`. */
const byName: Answer = (token, response) => {
  if (token.startsWith('bad')) say(response, { active: false });
  else say(response, { active: true, sub: token, scope: 'orders:read', client_id: 'acme', jti: `id-of-${token}` });
};

const config = (issuer: string, orders: string): string => `
upstreams: { orders: ${orders} }
auth:
  opaque:
    introspection:
      url: ${issuer}/introspect
      client: { id: gateway, secret: "\${env:CLIENT_SECRET}" }
      consumer: client_id
      timeout: 3s
      cache: { ttl: 1h, inactive: 1m }
  asked: { introspection: { url: ${issuer}/introspect, client: { id: gateway, secret: s }, timeout: 2s, cache: { ttl: 0, inactive: 0 } } }
  inQuery: { introspection: { url: ${issuer}/introspect, client: { id: gateway, secret: s }, query: access_token } }
consumers: { acme: { groups: [partners] } }
defaults:
  accessLog: true
  request: { headers: { set: { x-who: "{identity.id}", x-consumer: "{identity.consumer}" } } }
routes:
  /orders: { auth: opaque, to: orders }
  /asked: { auth: asked, to: orders }
  /link: { auth: inQuery, to: orders }
  /optional: { auth: { methods: asked, optional: true }, to: orders }
  /admin: { auth: opaque, authorize: { scopes: admin }, to: orders }
`;

describe('introspection', () => {
  let answer: Answer = byName;
  let issuer: Upstream;
  let orders: Upstream;
  let gateway: Gateway;

  before(async () => {
    issuer = await startUpstream(async (request: IncomingMessage, response) => {
      const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString());
      answer(form.get('token') ?? '', response);
    });
    orders = await startUpstream((request, response) => {
      request.pipe(response);
    });
    gateway = await startGateway(config(issuer.url, orders.url), { env: { CLIENT_SECRET: 'very-secret' } });
  });
  after(async () => {
    await gateway?.stop();
    await orders?.close();
    await issuer?.close();
  });
  beforeEach(() => {
    answer = byName;
    issuer.requests.length = 0;
    orders.requests.length = 0;
  });

  const ask = (path: string, token: string | null, init: RequestInit = {}) =>
    fetch(gateway.url + path, { ...init, headers: { ...(token !== null && { authorization: `Bearer ${token}` }) } });
  const codeOf = async (response: Response) =>
    `${response.status} ${((await response.json()) as { code: string }).code}`;

  test('a good token is its caller, for whatever method, and stays here', async () => {
    for (const method of ['GET', 'HEAD', 'POST']) {
      const response = await ask('/orders', 'alice', { method, ...(method === 'POST' && { body: 'order' }) });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), method === 'POST' ? 'order' : '');
    }
    for (const { headers } of orders.requests) {
      assert.deepEqual([headers['x-who'], headers['x-consumer'], headers.authorization], ['alice', 'acme', undefined]);
    }
    assert.equal(issuer.requests.length, 1);
    const pair = Buffer.from('gateway:very-secret').toString('base64');
    assert.equal(issuer.requests[0]?.headers.authorization, `Basic ${pair}`);
  });

  test('a token that is not good is 401, and none is 401 with another challenge', async () => {
    const bad = await ask('/orders', 'bad');
    assert.equal(bad.headers.get('www-authenticate'), 'Bearer realm="opaque", error="invalid_token"');
    assert.equal(await codeOf(bad), '401 token_invalid');
    assert.equal(await codeOf(await ask('/orders', 'bad')), '401 token_invalid');
    assert.equal(issuer.requests.length, 1);
    const none = await ask('/orders', null);
    assert.equal(none.headers.get('www-authenticate'), 'Bearer realm="opaque"');
    assert.equal(await codeOf(none), '401 credential_missing');
    assert.equal(await codeOf(await ask('/optional', 'bad')), '401 token_invalid');
    assert.equal((await ask('/optional', null)).status, 200);
    assert.equal(await codeOf(await ask('/admin', 'alice')), '403 insufficient_scope');
  });

  test('a token in the query gets no further, and into no log', async () => {
    assert.equal((await ask('/link?access_token=carol&a=1', null)).status, 200);
    assert.equal(orders.requests[0]?.url, '/link?a=1');
    assert.equal((await ask('/link?access_token=bad-guess&a=1', null)).status, 401);
    await until('both are logged', () => gateway.stdout.split('/link').length > 2);
    assert.doesNotMatch(gateway.stdout + gateway.stderr, /carol&|access_token=carol|bad-guess/);
  });

  test('nobody is called wrong while the issuer is in trouble, and what is remembered goes on', async () => {
    assert.equal((await ask('/orders', 'dave')).status, 200);
    const troubles: [string, Answer][] = [
      ['slow', () => undefined],
      ['500', (_token, response) => void response.writeHead(500).end()],
      ['unknown client', (_token, response) => void response.writeHead(401).end()],
      ['a page', (_token, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
      ['no verdict', (_token, response) => say(response, {})],
      ['cut off', (_token, response) => void response.writeHead(200, { 'content-length': 99 }).destroy()],
      ['too large', (_token, response) => say(response, { active: true, sub: 'a', x: 'x'.repeat(100_000) })],
    ];
    for (const [what, trouble] of troubles) {
      answer = trouble;
      const response = await ask('/orders', `erin-${what.replaceAll(' ', '-')}`);
      assert.ok(response.headers.has('retry-after'), what);
      assert.equal(response.headers.get('www-authenticate'), null);
      assert.equal(await codeOf(response), '503 identity_unavailable', what);
      assert.equal((await ask('/orders', 'dave')).status, 200, what);
      assert.equal(await codeOf(await ask('/optional', 'dave')), '503 identity_unavailable', what);
    }
    answer = byName;
    assert.equal((await ask('/orders', 'erin-slow')).status, 200);
    assert.doesNotMatch(gateway.stdout + gateway.stderr, /very-secret|erin-slow|Bearer dave/);
  });

  test('of many at once each is who they are, and is asked about once', async () => {
    answer = (token, response) => void setTimeout(() => byName(token, response), Math.random() * 20);
    const users = Array.from({ length: 300 }, (_, i) => (i % 7 === 0 ? `bad${i % 14}` : `many${i % 25}`));
    await Promise.all(
      users.map(async (user, i) => {
        const response = await ask('/orders', user, { method: 'POST', body: user });
        assert.equal(response.status, user.startsWith('bad') ? 401 : 200, `${i} ${user}`);
        if (response.ok) assert.equal(await response.text(), user);
        else await response.text();
      }),
    );
    assert.equal(issuer.requests.length, new Set(users).size);
  });
});
