import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { answering, connectRaw, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import type { StrictRequest, StrictResponse } from '../support/strict-http.ts';

/** Who may do what, and what services hear about who it is: whatever clients say about it themselves. */

const callers: Readonly<Record<string, object>> = {
  reader: { sub: '42', scope: 'users:read', client_id: 'acme', roles: ['user'] },
  writer: { sub: '7', scope: 'users:write', roles: ['user'] },
  admin: { sub: '1', scope: 'users:read users:write', roles: ['admin'], tier: 'gold', tenant: 'a' },
  broken: { sub: '1', scope: 'users:read', roles: ['admin'], tier: 'gold\r\nx-user-id: 1' },
  odd: { sub: '7', scope: 'users:read', roles: ['user'], tenant: 3 },
};

const config = (issuer: string, service: string): string => `
upstreams: { users: ${service} }
auth:
  customer: { introspection: { url: ${issuer}/introspect, client: { id: gateway, secret: s }, consumer: client_id } }
  partner: { apiKey: { header: x-api-key, store: false } }
consumers: { acme: { groups: [partners], keys: { partner: "\${file:keys/acme}" } } }
defaults:
  auth: customer
  request: { headers: { set: { x-tier: "{identity.claims.tier}" } } }
routes:
  GET /v1/users/{id}:
    to: users
    authorize: { scopes: users:read, require: "identity.id == path.id || 'admin' in identity.roles" }
    request: { headers: { set: { x-user-id: "{identity.id}" } } }
  /groups: { to: users, auth: [customer, partner], authorize: { groups: partners } }
  /any: { to: users, auth: [customer, partner], authorize: { anyScope: ["users:write", "users:all"] } }
  /claims: { to: users, authorize: { claims: { tier: [gold, platinum] } } }
  /tenant: { to: users, authorize: { require: "header['x-tenant'] == identity.claims.tenant" } }
  /maybe: { to: users, auth: { methods: customer, optional: true } }
  /needed: { to: users, auth: { methods: [customer, partner], optional: true }, authorize: { roles: user } }
  /watched: { to: users, authorize: { roles: admin, report: true } }
  /open/*: { to: users, auth: public, request: { headers: { set: { x-tier: false } } } }
`;

describe('authorize', () => {
  let issuer: Upstream;
  let service: RawUpstream;
  let gateway: Gateway;
  const received: StrictRequest[] = [];

  before(async () => {
    issuer = await startUpstream(async (request: IncomingMessage, response) => {
      const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString());
      const caller = callers[form.get('token') ?? ''];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(caller === undefined ? { active: false } : { active: true, ...caller }));
    });
    const record = answering((request) => {
      received.push(request);
      return OK;
    });
    service = await startRawUpstream(record);
    const files = { 'keys/acme': 'the-key-of-acme-in-a-file' };
    gateway = await startGateway(config(issuer.url, service.url), { files });
  });
  after(async () => {
    await gateway?.stop();
    await service?.close();
    await issuer?.close();
  });

  /** One request in exactly these bytes, on a connection of its own. */
  async function send(lines: readonly string[], body = ''): Promise<StrictResponse> {
    const peer = await connectRaw(gateway.port);
    peer.send(`${[lines[0], 'host: shop.example', ...lines.slice(1), '', ''].join('\r\n')}${body}`);
    const response = await peer.response();
    peer.destroy();
    return response;
  }

  const ask = (path: string, token: string | null, ...fields: string[]): Promise<StrictResponse> =>
    send([`GET ${path} HTTP/1.1`, ...(token === null ? [] : [`authorization: Bearer ${token}`]), ...fields]);

  const field = ({ fields }: { fields: StrictResponse['fields'] }, name: string): string[] =>
    fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);

  const verdict = (response: StrictResponse): string => {
    const text = response.body.toString();
    return response.status < 400 ? String(response.status) : `${response.status} ${JSON.parse(text).code}`;
  };

  const lastFields = (): string[] => (received.at(-1)?.fields ?? []).map(([name]) => name.toLowerCase());

  test('one’s own record, an administrator, and nobody else', async () => {
    assert.equal(verdict(await ask('/v1/users/42', 'reader')), '200');
    assert.deepEqual(field(received.at(-1) ?? assert.fail(), 'x-user-id'), ['42']);
    assert.equal(verdict(await ask('/v1/users/%34%32', 'reader')), '200', 'the path is normalised first');
    assert.equal(verdict(await ask('/v1/users/42', 'admin')), '200');
    const refused = await ask('/v1/users/43', 'reader');
    assert.equal(verdict(refused), '403 not_authorized');
    assert.deepEqual(field(refused, 'www-authenticate'), []);
  });

  test('401 without a credential, 403 with one that does not reach', async () => {
    const anonymous = await ask('/v1/users/42', null);
    assert.equal(verdict(anonymous), '401 credential_missing');
    assert.match(field(anonymous, 'www-authenticate').join(), /^Bearer\b/);
    assert.doesNotMatch(field(anonymous, 'www-authenticate').join(), /error=/, 'RFC 6750, 3: no error without a token');
    const narrow = await ask('/v1/users/7', 'writer');
    assert.equal(verdict(narrow), '403 insufficient_scope');
    assert.match(
      field(narrow, 'www-authenticate').join(),
      /^Bearer\b.*error="insufficient_scope", scope="users:read"$/,
    );
    assert.match(verdict(await ask('/v1/users/42', 'forged')), /^401 /);
  });

  test('a key of too little scope gets no bearer challenge', async () => {
    const refused = await ask('/any', null, 'x-api-key: the-key-of-acme-in-a-file');
    assert.equal(verdict(refused), '403 insufficient_scope');
    assert.deepEqual(field(refused, 'www-authenticate'), []);
    assert.equal(verdict(await ask('/any', 'writer')), '200');
    assert.match(field(await ask('/any', 'reader'), 'www-authenticate').join(), /scope="users:write"/);
  });

  test('groups of the consumer, claims, and conditions with values of the request', async () => {
    assert.equal(verdict(await ask('/groups', 'reader')), '200');
    assert.equal(verdict(await ask('/groups', null, 'x-api-key: the-key-of-acme-in-a-file')), '200');
    assert.equal(verdict(await ask('/groups', 'writer')), '403 not_authorized');
    assert.equal(verdict(await ask('/claims', 'admin')), '200');
    assert.equal(verdict(await ask('/claims', 'reader')), '403 not_authorized');
    assert.equal(verdict(await ask('/tenant', 'admin', 'x-tenant: a')), '200');
    assert.equal(verdict(await ask('/tenant', 'admin', 'x-tenant: b')), '403 not_authorized');
  });

  test('a condition that cannot be evaluated denies, and the log says so once', async () => {
    for (let i = 0; i < 5; i++) assert.equal(verdict(await ask('/tenant', 'reader')), '403 not_authorized');
    assert.equal(verdict(await ask('/tenant', 'odd', 'x-tenant: 3')), '403 not_authorized');
    const lines = await until('the line about it', () => {
      const found = gateway.stdout.split('\n').filter((line) => line.includes('"condition-failed"'));
      return found.length === 0 ? null : found;
    });
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /header\['x-tenant'\]/);
  });

  test('anonymous callers pass where that is optional, and are asked where more is needed', async () => {
    assert.equal(verdict(await ask('/maybe', null)), '200');
    assert.match(verdict(await ask('/maybe', 'forged')), /^401 /, 'a wrong credential never passes');
    const asked = await ask('/needed', null);
    assert.equal(verdict(asked), '401 credential_missing');
    assert.equal(field(asked, 'www-authenticate').length, 2);
    assert.equal(verdict(await ask('/needed', 'reader')), '200');
  });

  test('report lets pass and tells', async () => {
    assert.equal(verdict(await ask('/watched', 'reader')), '200');
    await until('the report', () => gateway.stdout.includes('"policy":"authorize","code":"not_authorized"'));
    assert.match(gateway.stdout, /"detail":"role admin"/);
  });

  describe('what clients say about who they are', () => {
    const spellings = ['x-user-id: 1', 'X-User-ID: 1', 'x_user_id: 1', 'X_User-Id: 1', 'x.user.id: 1', 'x-tier: gold'];
    const isIdentity = (name: string): boolean => /^x[-_.](?:user[-_.]id|tier)$/.test(name);

    test('goes nowhere, on no route, in no spelling', async () => {
      for (const path of ['/open/a', '/maybe']) {
        await ask(path, null, ...spellings, 'x-user: kept', ...spellings);
        assert.deepEqual(lastFields().filter(isIdentity), [], path);
        assert.ok(lastFields().includes('x-user'));
      }
      await ask('/v1/users/42', 'reader', ...spellings);
      assert.deepEqual(lastFields().filter(isIdentity), ['x-user-id']);
      assert.deepEqual(field(received.at(-1) ?? assert.fail(), 'x-user-id'), ['42']);
    });

    test('nor by way of `Connection`, which would take the gateway’s own away', async () => {
      await ask('/v1/users/42', 'reader', 'connection: x-user-id, keep-alive', 'x-user-id: 1');
      assert.deepEqual(field(received.at(-1) ?? assert.fail(), 'x-user-id'), ['42']);
      await ask('/open/a', null, 'connection: x_user_id', 'x_user_id: 1');
      assert.deepEqual(lastFields().filter(isIdentity), []);
    });

    test('nor in trailers', async () => {
      const head = (path: string, ...fields: string[]): string[] => [
        `POST ${path} HTTP/1.1`,
        'transfer-encoding: chunked',
        'trailer: x-user-id',
        ...fields,
      ];
      const body = '3\r\nabc\r\n0\r\nX-User-Id: 1\r\nx_user_id: 2\r\nx-tier: gold\r\nx-checksum: 9\r\n\r\n';
      for (const lines of [head('/open/a'), head('/watched', 'authorization: Bearer admin')]) {
        assert.equal(verdict(await send(lines, body)), '200');
        const text = service.connections.map((peer) => peer.text).join('');
        const request = text.slice(text.lastIndexOf('POST '));
        assert.match(request, /\r\n0\r\nx-checksum: 9\r\n\r\n/i);
        assert.doesNotMatch(request, /\r\nx[-_]user[-_]id: [12]/i);
        assert.doesNotMatch(request.slice(request.indexOf('\r\n0\r\n')), /x-tier/i);
      }
    });

    test('nor by a line within a line', async () => {
      const before = received.length;
      for (const evil of ['x-a: b\nx-user-id: 1', 'x-a: b\r\n x-user-id: 1', 'x-a: b\rx-user-id: 1', 'x-user-id : 1']) {
        assert.equal((await ask('/open/a', null, evil)).status, 400, JSON.stringify(evil));
      }
      assert.equal(received.length, before, 'the service saw none of them');
    });

    test('nor through an identity that would break the line', async () => {
      assert.equal(verdict(await ask('/watched', 'broken', 'x-tier: platinum')), '200');
      assert.deepEqual(lastFields().filter(isIdentity), []);
    });
  });
});
