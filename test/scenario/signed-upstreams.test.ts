import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { formatScrypt } from '../../src/semantics/password-hash.ts';
import { type Gateway, startGateway, startUpstream, type Upstream, type UpstreamHandler, until } from '../harness.ts';

/** What services learn from the gateway, and how the gateway identifies itself to them: whole gateways. */

const salt = Buffer.from('0123456789abcdef');
const cheap = { cost: 1024, blockSize: 8, parallelization: 1 };
const hash = formatScrypt({ ...cheap, salt, digest: scryptSync('wonder', salt, 32, cheap) });
const alice = `Basic ${Buffer.from('alice:wonder').toString('base64')}`;

/** Answers with the fields that it was sent. */
const echo: UpstreamHandler = (request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(request.headers));
};

async function seen(
  gateway: Gateway,
  path: string,
  headers: Record<string, string> = {},
): Promise<Record<string, string>> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`, { headers });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Record<string, string>;
}

test('identity tokens: made for who calls, verified with the published keys, never taken from clients', async () => {
  await using service = await startUpstream(echo);
  const config = `
upstreams: { main: ${service.url} }
auth: { staff: { basic: { users: { alice: "${hash}" } } } }
routes:
  /orders: { to: main, auth: staff, identityToken: { issuer: gw, audience: orders } }
  /stock: { to: main, auth: staff, identityToken: { audience: stock, algorithm: EdDSA } }
  /either: { to: main, auth: { methods: staff, optional: true }, identityToken: true }
  /open: { to: main, auth: public }
  /.well-known/jwks.json: { respond: jwks, auth: public }
`;
  await using gateway = await startGateway(config, { workers: 2 });
  const forged = { 'x-identity-token': 'forged' };
  const jwks = new URL(`http://127.0.0.1:${gateway.port}/.well-known/jwks.json`);

  const published = await fetch(jwks);
  assert.equal(published.headers.get('content-type'), 'application/jwk-set+json');
  assert.equal(published.headers.get('cache-control'), 'public, max-age=300');
  const text = await published.text();
  assert.doesNotMatch(text, /"d":/);
  assert.deepEqual((JSON.parse(text) as { keys: { alg: string }[] }).keys.map(({ alg }) => alg).sort(), [
    'ES256',
    'EdDSA',
  ]);

  const keys = createRemoteJWKSet(jwks);
  for (const [path, audience, issuer] of [
    ['/orders', 'orders', 'gw'],
    ['/stock', 'stock', 'sluice'],
  ] as const) {
    const headers = await seen(gateway, path, { ...forged, authorization: alice });
    assert.equal(headers.authorization, undefined);
    const { payload } = await jwtVerify(headers['x-identity-token'] ?? '', keys, { audience, issuer });
    assert.deepEqual([payload.sub, payload.method], ['alice', 'staff']);
  }
  assert.equal((await seen(gateway, '/either', forged))['x-identity-token'], undefined);
  assert.notEqual((await seen(gateway, '/either', { authorization: alice }))['x-identity-token'], undefined);
  assert.equal((await seen(gateway, '/open', forged))['x-identity-token'], undefined);

  const files = readdirSync(join(gateway.directory, '.sluice')).filter((name) => name.startsWith('signing-keys'));
  assert.deepEqual(files.sort(), ['signing-keys-ES256.json', 'signing-keys-EdDSA.json']);
  for (const file of files) assert.equal(statSync(join(gateway.directory, '.sluice', file)).mode & 0o777, 0o600);
  assert.doesNotMatch(gateway.stdout + gateway.stderr, /"d":|wonder/);
});

test('a gateway that takes over signs with the keys of the one before', async () => {
  await using service = await startUpstream(echo);
  const config = `
upstreams: { main: ${service.url} }
auth: { staff: { basic: { users: { alice: "${hash}" } } } }
routes:
  /: { to: main, auth: staff, identityToken: true }
  /jwks: { respond: jwks, auth: public }
`;
  await using first = await startGateway(config);
  const url = `http://127.0.0.1:${first.port}/jwks`;
  const before = await (await fetch(url)).text();
  await using second = await startGateway('', { like: first, args: ['--take-over'], wait: false });
  await first.exited;
  await second.untilReady();
  assert.equal(await (await fetch(url)).text(), before);
  assert.notEqual((await seen(second, '/', { authorization: alice }))['x-identity-token'], undefined);
});

interface AuthorizationServer extends AsyncDisposable {
  readonly upstream: Upstream;
  given: number;
  isDown: boolean;
}

async function startAuthorizationServer(isDown = false): Promise<AuthorizationServer> {
  const state = { given: 0, isDown };
  const upstream = await startUpstream((request, response) => {
    request.resume().on('end', () => {
      if (state.isDown) {
        response.writeHead(500).end();
        return;
      }
      state.given++;
      const answer = { access_token: `token-${state.given}`, token_type: 'Bearer', expires_in: 3600 };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  return Object.assign(state, { upstream, [Symbol.asyncDispose]: () => upstream.close() });
}

function withCredentials(service: Upstream, server: AuthorizationServer): string {
  return `
upstreams:
  fixed: { targets: ${service.url}, credentials: { header: { name: x-api-key, value: "\${env:SERVICE_KEY}" } } }
  token:
    targets: ${service.url}
    credentials: { oauth2: { tokenUrl: "${server.upstream.url}/token", clientId: gw, clientSecret: "\${env:CLIENT_SECRET}" } }
  plain: ${service.url}
routes: { /fixed: fixed, /token: token, /plain: plain }
`;
}

const env = { SERVICE_KEY: 'key-of-the-service', CLIENT_SECRET: 'secret-of-the-client' };

test('upstream credentials: each service has its own, one token for all workers', async () => {
  await using service = await startUpstream(echo);
  await using server = await startAuthorizationServer();
  await using gateway = await startGateway(withCredentials(service, server), { workers: 2, env });
  const client = { authorization: 'Bearer client', 'x-api-key': 'client' };
  for (let time = 0; time < 8; time++) {
    const fixed = await seen(gateway, '/fixed', client);
    assert.deepEqual([fixed.authorization, fixed['x-api-key']], ['Bearer client', env.SERVICE_KEY]);
    const token = await seen(gateway, '/token', client);
    assert.deepEqual([token.authorization, token['x-api-key']], ['Bearer token-1', 'client']);
    const plain = await seen(gateway, '/plain', client);
    assert.deepEqual([plain.authorization, plain['x-api-key']], ['Bearer client', 'client']);
  }
  assert.equal(server.given, 1);
  assert.doesNotMatch(gateway.stdout + gateway.stderr, /key-of-the-service|secret-of-the-client|token-1/);
});

test('without a token: 503 for that service alone, until there is one', async () => {
  await using service = await startUpstream(echo);
  await using server = await startAuthorizationServer(true);
  await using gateway = await startGateway(withCredentials(service, server), { env });
  const url = `http://127.0.0.1:${gateway.port}`;
  const refused = await fetch(`${url}/token`, { headers: { authorization: 'Bearer client' } });
  assert.equal(refused.status, 503);
  assert.notEqual(refused.headers.get('retry-after'), null);
  assert.equal(((await refused.json()) as { code: string }).code, 'upstream_credentials_unavailable');
  assert.equal((await fetch(`${url}/plain`)).status, 200);
  assert.equal(service.requests.filter(({ url: path }) => path === '/token').length, 0);
  assert.match(gateway.stderr + gateway.stdout, /no token/);
  server.isDown = false;
  await until('the token is there', async () => (await fetch(`${url}/token`)).ok);
});
