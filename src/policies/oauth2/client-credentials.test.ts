import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { type ClientCredentials, obtainToken, TokenFailure } from './client-credentials.ts';

interface Asked {
  readonly headers: IncomingMessage['headers'];
  readonly form: Readonly<Record<string, string>>;
}

/** An authorization server that answers so, and what it was asked. */
async function server(answer: (response: ServerResponse) => void) {
  const asked: Asked[] = [];
  const listener = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push({ headers: request.headers, form: Object.fromEntries(new URLSearchParams(body)) });
      answer(response);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/token?tenant=hidden`,
    asked,
    [Symbol.dispose]: () => void listener.close().closeAllConnections(),
  };
}

function json(value: unknown, status = 200): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
}

const token = { access_token: 'abc.def', token_type: 'Bearer', expires_in: 600 };

function given(tokenUrl: string, more: Partial<ClientCredentials> = {}): ClientCredentials {
  return {
    tokenUrl,
    clientId: 'gate:way',
    clientSecret: 's&cret %',
    scopes: [],
    auth: 'basic',
    timeout: 2_000,
    ...more,
  };
}

describe('what is asked', () => {
  test('with the client in Authorization, encoded as RFC 6749, 2.3.1, wants it', async () => {
    using service = await server(json(token));
    const obtained = await obtainToken(given(service.url, { scopes: ['a', 'b'], audience: 'orders' }));
    assert.deepEqual(obtained, { authorization: 'Bearer abc.def', lifetime: 600_000 });
    const [{ headers, form } = { headers: {}, form: {} }] = service.asked;
    assert.deepEqual({ ...form }, { grant_type: 'client_credentials', scope: 'a b', audience: 'orders' });
    const [user = '', password = ''] = Buffer.from(headers.authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':');
    const decode = (part: string): string => new URLSearchParams(`x=${part}`).get('x') ?? '';
    assert.deepEqual([decode(user), decode(password)], ['gate:way', 's&cret %']);
  });

  test('or in the form', async () => {
    using service = await server(json(token));
    await obtainToken(given(service.url, { auth: 'post' }));
    const [{ headers, form } = { headers: {}, form: {} }] = service.asked;
    assert.equal(headers.authorization, undefined);
    const { client_id, client_secret, grant_type } = form as Record<string, string>;
    assert.deepEqual([client_id, client_secret, grant_type], ['gate:way', 's&cret %', 'client_credentials']);
  });
});

test('a server that does not say how long is believed for minutes, and one that says years for a day', async () => {
  using silent = await server(json({ ...token, expires_in: undefined }));
  assert.equal((await obtainToken(given(silent.url))).lifetime, 300_000);
  using generous = await server(json({ ...token, expires_in: 1e9 }));
  assert.equal((await obtainToken(given(generous.url))).lifetime, 86_400_000);
});

const failures: Record<string, [(response: ServerResponse) => void, RegExp]> = {
  'a refusal': [json({ error: 'invalid_client', error_description: 's&cret % is wrong' }, 401), /401|invalid_client/],
  'an error of its own': [json({ oops: true }, 500), /no sense/],
  'no JSON': [(response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), /no sense/],
  'a redirect': [(response) => response.writeHead(307, { location: 'http://evil.example/' }).end(), /no sense/],
  'a token of another type': [json({ ...token, token_type: 'mac' }), /another type|no sense|unsupported/i],
  'a token that would end a header': [json({ ...token, access_token: 'a\r\nx-admin: 1' }), /header/],
  'no token': [json({ token_type: 'Bearer' }), /no sense/],
  'a negative life': [json({ ...token, expires_in: -1 }), /no sense/],
  'an answer without end': [
    (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"x":"'.padEnd(1024 * 1024, 'x'));
    },
    /bytes/,
  ],
  silence: [() => undefined, /in time/],
  'a connection that ends': [(response) => response.destroy(), /ECONNRESET|hang up/],
};
for (const [what, [answer, reason]] of Object.entries(failures)) {
  test(`${what} is a failure, told without secrets`, async () => {
    using service = await server(answer);
    await assert.rejects(obtainToken(given(service.url, { timeout: 300 })), (error: Error) => {
      assert.ok(error instanceof TokenFailure);
      assert.match(error.message, reason);
      assert.doesNotMatch(error.message, /cret|hidden|x-admin/);
      return true;
    });
  });
}
