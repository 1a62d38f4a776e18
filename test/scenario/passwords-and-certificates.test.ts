import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { hashSync } from 'bcryptjs';
import { formatScrypt } from '../../src/semantics/password-hash.ts';
import { freePort, startGateway, startUpstream, type UpstreamHandler, until } from '../harness.ts';
import { type KeyPair, makeAuthority } from '../support/certificates.ts';

/** `basic` and `mtls` entries in whole gateways. */

const echo: UpstreamHandler = (request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(request.headers));
};

describe('passwords', () => {
  const salt = Buffer.from('0123456789abcdef');
  const cheap = { cost: 1024, blockSize: 8, parallelization: 1 };
  const scryptHash = (password: string): string =>
    formatScrypt({ ...cheap, salt, digest: scryptSync(password, salt, 32, cheap) });
  const basic = (user: string, password: string): { authorization: string } => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });

  test('from the configuration and a file, in all kinds, changed without a restart', async () => {
    await using service = await startUpstream(echo);
    const config = `
upstreams: { main: ${service.url} }
auth:
  staff: { basic: { realm: the shop, users: { alice: { password: "${scryptHash('wonder')}", roles: admin } }, htpasswd: "\${file:users}" } }
routes:
  /: { to: main, auth: staff, request: { headers: { set: { x-user: "{identity.id}", x-roles: "{identity.roles}" } } } }
  /open: { to: main, auth: public }
`;
    const files = { users: `# more\nbob:${hashSync('builder', 4)}\n` };
    await using gateway = await startGateway(config, { files, workers: 2 });
    const url = `http://127.0.0.1:${gateway.port}/`;
    const ask = async (headers: Record<string, string>): Promise<Response> => await fetch(url, { headers });

    const nobody = await ask({});
    assert.equal(nobody.status, 401);
    assert.equal(nobody.headers.get('www-authenticate'), 'Basic realm="the shop", charset="UTF-8"');
    for (const [user, password, roles] of [
      ['alice', 'wonder', 'admin'],
      ['bob', 'builder', undefined],
    ] as const) {
      for (let time = 0; time < 4; time++) {
        const answer = await ask({ ...basic(user, password), 'x-user': 'root', 'x-roles': 'root' });
        const seen = (await answer.json()) as Record<string, string>;
        assert.deepEqual([seen['x-user'], seen['x-roles'], seen.authorization], [user, roles, undefined]);
      }
      assert.equal((await ask(basic(user, `${password}?`))).status, 401);
    }
    gateway.writeFile('users', `bob:${hashSync('rebuilt', 4)}\n`);
    await until('the new password holds', async () => (await ask(basic('bob', 'rebuilt'))).ok);
    assert.equal((await ask(basic('bob', 'builder'))).status, 401);
    assert.doesNotMatch(gateway.stdout + gateway.stderr, /wonder|builder|rebuilt/);
  });
});

describe('certificates', () => {
  const authority = makeAuthority();
  const own = authority.issue(['127.0.0.1']);
  const clients = makeAuthority('Clients');
  const orders = clients.issueClient('/O=Example/CN=orders', ['URI:spiffe://shop.example/orders']);
  const other = clients.issueClient('/CN=other', ['URI:spiffe://elsewhere.example/other']);

  async function ask(port: number, path: string, pair: KeyPair | null, headers: Record<string, string> = {}) {
    const credential = pair === null ? {} : { cert: pair.certificate, key: pair.key };
    const options = { port, path, host: '127.0.0.1', ca: authority.certificate, agent: false as const, headers };
    const request = httpsRequest({ ...options, ...credential }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }

  test('name the caller, are shown to services, and are not taken from headers', async () => {
    await using service = await startUpstream(echo);
    const port = await freePort();
    const config = `
listen: { address: "127.0.0.1:${port}", tls: { certificate: own.crt, key: own.key, clientCertificates: { ca: clients.crt, mode: optional } } }
upstreams: { main: ${service.url} }
consumers: { acme: { plan: gold } }
plans: { gold: { rate: 10/s } }
auth: { mesh: { mtls: { id: uri, allow: "spiffe://shop.example/*", consumers: { acme: "*/orders" }, forward: true } } }
routes:
  /: { to: main, auth: mesh, request: { headers: { set: { x-user: "{identity.id}", x-consumer: "{identity.consumer}" } } } }
  /either: { to: main, auth: { methods: mesh, optional: true } }
  /open: { to: main, auth: public }
`;
    const files = { 'own.crt': own.certificate, 'own.key': own.key, 'clients.crt': clients.certificate };
    await using gateway = await startGateway(config, { files, workers: 2 });
    const forged = { 'client-cert': ':Zm9yZ2Vk:', 'x-user': 'root' };

    const answer = await ask(port, '/', orders, forged);
    assert.equal(answer.status, 200, answer.body);
    const seen = JSON.parse(answer.body) as Record<string, string>;
    assert.deepEqual([seen['x-user'], seen['x-consumer']], ['spiffe://shop.example/orders', 'acme']);
    assert.equal(seen['client-cert'], `:${orders.certificate.replace(/-----[^-]+-----|\n/g, '')}:`);

    const none = await ask(port, '/', null, forged);
    assert.equal(none.status, 401);
    assert.equal(none.headers['www-authenticate'], 'ClientCertificate realm="mesh"');
    assert.equal((await ask(port, '/', other)).status, 401);
    assert.equal((await ask(port, '/either', other)).status, 401, 'a wrong credential never passes');
    for (const path of ['/either', '/open']) {
      const open = JSON.parse((await ask(port, path, null, forged)).body) as Record<string, string>;
      assert.deepEqual([open['client-cert'], open['x-user']], [undefined, undefined]);
    }
    const shown = JSON.parse((await ask(port, '/either', orders)).body) as Record<string, string>;
    assert.match(shown['client-cert'] ?? '', /^:/);
    assert.equal(gateway.hasExited, false);
  });
});
