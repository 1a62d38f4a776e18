import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { freePort, type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { connectRaw } from '../support/raw.ts';

/** A whole gateway that asks a service who calls: what clients, services and that service can do to each other. */

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** In by the name that the token is; `bad` is refused, `away` sent to log in. */
const byToken: Answer = ({ headers }, response) => {
  const token = headers.authorization?.replace('Bearer ', '') ?? /session=(\w+)/.exec(headers.cookie ?? '')?.[1];
  if (token === undefined) response.writeHead(302, { location: 'https://sso.example/login', 'set-cookie': 'state=1' });
  else if (token === 'bad') response.writeHead(401, { 'www-authenticate': 'Bearer realm="sso"', 'x-node': 'auth-7' });
  else response.writeHead(200, { 'x-auth-user': token, 'x-auth-email': `${token}@shop.example` });
  response.end('internal words');
};

const config = (service: string, orders: string): string => `
upstreams: { orders: ${orders} }
auth:
  plain: { forwardAuth: { url: ${service}/verify, timeout: 2s, copy: [x-auth-email], cookies: session } }
  login: { forwardAuth: { url: ${service}/verify, passRedirects: true, copy: x-auth-email } }
  cached: { forwardAuth: { url: ${service}/verify, copy: [x-auth-email], cache: { ttl: 1h, key: [] } } }
  open: { forwardAuth: { url: ${service}/verify, timeout: 2s, onFailure: anonymous, requireCredential: true } }
defaults: { accessLog: true, request: { headers: { set: { x-who: "{identity.id}" } } } }
routes:
  /plain: { auth: plain, to: orders }
  /optional: { auth: { methods: plain, optional: true }, to: orders }
  /login: { auth: login, to: orders }
  /cached: { auth: cached, to: orders }
  /open: { auth: { methods: open, optional: true }, to: orders }
  /public: { auth: public, request: false, to: orders }
`;

describe('forward auth', () => {
  let answer: Answer = byToken;
  let service: Upstream;
  let orders: Upstream;
  let gateway: Gateway;

  before(async () => {
    service = await startUpstream((request, response) => answer(request, response));
    orders = await startUpstream((request, response) => {
      request.pipe(response);
    });
    gateway = await startGateway(config(service.url, orders.url));
  });
  after(async () => {
    await gateway?.stop();
    await orders?.close();
    await service?.close();
  });
  beforeEach(() => {
    answer = byToken;
    service.requests.length = 0;
    orders.requests.length = 0;
  });

  const ask = (path: string, token: string | null, init: RequestInit = {}) =>
    fetch(gateway.url + path, {
      redirect: 'manual',
      ...init,
      headers: { ...(token !== null && { authorization: `Bearer ${token}` }), ...init.headers },
    });
  const codeOf = async (response: Response) =>
    `${response.status} ${((await response.json()) as { code: string }).code}`;
  const lastOrder = () => orders.requests.at(-1) ?? assert.fail('nothing got through');

  test('lets a caller in by the name that the service gives, and tells the service behind', async () => {
    const response = await ask('/plain?x=1', 'alice', { headers: { cookie: 'theme=dark; session=s' } });
    assert.equal(response.status, 200);
    const { headers } = lastOrder();
    assert.equal(headers['x-who'], 'alice');
    assert.equal(headers['x-auth-email'], 'alice@shop.example');
    assert.equal(headers.authorization, undefined);
    assert.equal(headers.cookie, 'theme=dark');
    assert.equal(headers['x-auth-user'], undefined);
    assert.equal(service.requests[0]?.headers['x-forwarded-uri'], '/plain?x=1');
  });

  test('passes bodies of any method by, and none of them to the service', async () => {
    const text = 'x'.repeat(100_000);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await ask('/plain', 'alice', { method, body: text });
      assert.equal(await response.text(), text);
      const question = service.requests.at(-1);
      assert.equal(question?.method, 'GET');
      assert.equal(question?.headers['x-forwarded-method'], method);
      assert.equal(question?.headers['content-length'], undefined);
      assert.equal(question?.headers['transfer-encoding'], undefined);
    }
    assert.equal((await ask('/plain', 'alice', { method: 'HEAD' })).status, 200);
  });

  test('refuses with nothing of the service but what was chosen', async () => {
    const response = await ask('/plain', 'bad', { method: 'POST', body: 'body' });
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="sso"');
    assert.equal(response.headers.get('x-node'), null);
    assert.equal(await codeOf(response), '401 credential_invalid');
    assert.equal(orders.requests.length, 0);
    const head = await ask('/plain', 'bad', { method: 'HEAD' });
    assert.equal(head.status, 401);
    assert.equal(await head.text(), '');
  });

  test('shows the way to the login page where that is wanted', async () => {
    const response = await ask('/login', null);
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), 'https://sso.example/login');
    assert.equal(response.headers.get('set-cookie'), 'state=1');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(await response.text(), '');
    assert.equal(await codeOf(await ask('/plain', null)), '503 identity_unavailable');
  });

  test('keeps what clients say about themselves from every service, by whatever spelling and route', async () => {
    const forged = {
      'x-auth-user': 'admin',
      'X-Auth-Email': 'admin@shop.example',
      x_auth_email: 'admin@shop.example',
      'x-who': 'admin',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-uri': '/public',
      'x-forwarded-method': 'OPTIONS',
      'x-forwarded-host': 'admin.example',
    };
    answer = (_request, response) => void response.writeHead(401).end();
    for (const path of ['/public', '/optional']) {
      assert.equal((await ask(path, null, { headers: forged })).status, 200);
      const { headers } = lastOrder();
      for (const name of ['x-auth-user', 'x-auth-email', 'x_auth_email', 'x-who']) {
        assert.equal(headers[name], undefined, `${name} on ${path}`);
      }
    }
    const question = service.requests.at(-1);
    assert.equal(question?.headers['x-forwarded-uri'], '/optional');
    assert.equal(question?.headers['x-forwarded-method'], 'GET');
    assert.equal(question?.headers['x-forwarded-host'], new URL(gateway.url).host);
    assert.equal(question?.headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(question?.headers['x-auth-user'], undefined);
    answer = byToken;
    // A client that names a field in Connection asks for its removal (RFC 9110, 7.6.1): not of the one that the answer says.
    const peer = await connectRaw(gateway.port);
    peer.send(
      'GET /plain HTTP/1.1\r\nhost: a\r\nauthorization: Bearer bob\r\nconnection: x-auth-email, x-who, authorization\r\nx-auth-email: a@b\r\n\r\n',
    );
    assert.equal((await peer.response()).status, 200);
    assert.equal(lastOrder().headers['x-auth-email'], 'bob@shop.example');
    assert.equal(lastOrder().headers['x-who'], 'bob');
    peer.destroy();
  });

  test('takes no answer apart in two ways', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\nx-auth-user: a\r\nx-auth-email: a\nx-admin: 1\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx-auth-user: a\r\nx-auth-email: a\rx-admin: 1\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx-auth-user: a\r\nx-auth-user: b\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx-auth-user: a\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx-auth-user : a\r\ncontent-length: 0\r\n\r\n',
      'x-auth-user: a\r\n\r\n',
    ];
    for (const bytes of answers) {
      answer = ({ socket }) => void socket.end(bytes);
      assert.equal(await codeOf(await ask('/plain', 'alice')), '503 identity_unavailable', bytes);
    }
    assert.equal(orders.requests.length, 0);
  });

  test('is shut while the service is slow, wrong or silent, and open again after', async () => {
    const troubles: [string, Answer][] = [
      ['slow', () => undefined],
      ['500', (_request, response) => void response.writeHead(500, { 'x-auth-user': 'admin' }).end()],
      ['404', (_request, response) => void response.writeHead(404).end()],
      ['cut off', (_request, response) => void response.writeHead(200, { 'content-length': 10 }).destroy()],
      ['too large', (_request, response) => void response.writeHead(200, { 'x-auth-user': 'a' }).end('x'.repeat(1e6))],
    ];
    for (const [what, trouble] of troubles) {
      answer = trouble;
      const response = await ask('/plain', 'alice');
      assert.ok(response.headers.has('retry-after'), what);
      assert.equal(await codeOf(response), '503 identity_unavailable', what);
      assert.equal((await ask('/open', 'alice', { headers: { 'x-who': 'admin' } })).status, 200, what);
      assert.equal(lastOrder().headers['x-who'], undefined);
      assert.equal(lastOrder().headers.authorization, undefined);
    }
    answer = byToken;
    assert.equal((await ask('/plain', 'alice')).status, 200);
    assert.match(gateway.stderr, /plain: /);
    assert.doesNotMatch(gateway.stderr + gateway.stdout, /Bearer alice|internal words/);
  });

  test('never gives one user the verdict of another', async () => {
    answer = (request, response) => void setTimeout(() => byToken(request, response), Math.random() * 20);
    const users = Array.from({ length: 300 }, (_, i) => (i % 10 === 0 ? 'bad' : `user${i % 30}`));
    const seen = new Map<string, number>();
    await Promise.all(
      users.map(async (user, i) => {
        const response = await ask('/cached', user, { method: 'POST', body: String(i) });
        await response.text();
        seen.set(user, (seen.get(user) ?? 0) + 1);
        assert.equal(response.status, user === 'bad' ? 401 : 200);
      }),
    );
    const distinct = new Set(users).size;
    assert.equal(service.requests.length, distinct);
    for (const { headers } of orders.requests)
      assert.equal(headers['x-auth-email'], `${headers['x-who']}@shop.example`);
    const through = orders.requests.map(({ headers }) => String(headers['x-who'])).sort();
    assert.deepEqual(through, users.filter((user) => user !== 'bad').sort());
    // Remembered, the service need not even be there.
    answer = (_request, response) => void response.writeHead(500).end();
    assert.equal((await ask('/cached', 'user1')).status, 200);
    assert.equal(await codeOf(await ask('/cached', 'stranger')), '503 identity_unavailable');
  });

  test('answers one connection’s requests in a row, refused or not', async () => {
    const peer = await connectRaw(gateway.port);
    const request = (token: string) =>
      `POST /plain HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\ncontent-length: 5\r\n\r\nhello`;
    peer.send(request('alice') + request('bad') + request('bob'));
    const responses = await peer.responses(3, ['POST', 'POST', 'POST']);
    assert.deepEqual(
      responses.map(({ status }) => status),
      [200, 401, 200],
    );
    assert.deepEqual(
      orders.requests.map(({ headers }) => headers['x-who']),
      ['alice', 'bob'],
    );
    peer.destroy();
  });
});

test('a service that comes after the gateway is waited for by nobody and found by everybody', async () => {
  const port = await freePort();
  await using orders = await startUpstream();
  await using gateway = await startGateway(config(`http://127.0.0.1:${port}`, orders.url));
  const ask = () => fetch(`${gateway.url}/plain`, { headers: { authorization: 'Bearer alice' } });
  assert.equal((await ask()).status, 503);
  await until('the outage is in the log', () => gateway.stderr.includes(`127.0.0.1:${port} cannot be reached`));
  const server = createServer(byToken).listen(port, '127.0.0.1');
  await once(server, 'listening');
  assert.equal((await ask()).status, 200);
  await until('so is its end', () => gateway.stderr.includes('plain: works again'));
  server.closeAllConnections();
  server.close();
});
