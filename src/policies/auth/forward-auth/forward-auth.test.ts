import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { consumer, verdict } from '../../../../test/support/identifier.ts';
import {
  type Answer,
  type AskingEntry,
  always,
  bearer,
  byToken,
  identityIn,
  linesOf,
  openEntry,
  replyIn,
} from '../../../../test/support/identity-service.ts';
import { problemsOf } from '../../../../test/support/policy.ts';
import { HeaderBlock } from '../../../base/headers.ts';
import { ResponseHead } from '../../../plan/call.ts';
import type { IdentifierEnv } from '../../../plan/identifier.ts';
import { forwardAuth } from './forward-auth.ts';
import { forwardAuthOptions, identityFields } from './forward-auth-options.ts';

function open(answer: Answer, options: object = {}, overrides: Partial<IdentifierEnv> = {}): Promise<AskingEntry> {
  return openEntry(forwardAuth, '/verify?by=gateway', answer, { ...options }, overrides);
}

describe('what the service gets', () => {
  test('credentials, what is true of the request, and nothing else', async () => {
    await using entry = await open(byToken);
    const exchange = exchangeOf({
      method: 'POST',
      target: '/v1/orders/7?full=1',
      scheme: 'https',
      host: 'shop.example:8443',
      clientAddress: '203.0.113.9',
      headers: [
        ['authorization', 'Bearer alice'],
        ['cookie', 'session=1'],
        ['content-length', '5'],
        ['accept', '*/*'],
        ['x-forwarded-method', 'GET'],
        ['x-forwarded-uri', '/public'],
        ['x-forwarded-host', 'evil.example'],
        ['x-forwarded-proto', 'http'],
        ['x-forwarded-for', '127.0.0.1'],
      ],
    });
    assert.equal(verdict(await entry.identify(exchange)), 'alice');
    const [request] = entry.service.requests;
    assert.equal(`${request?.method} ${request?.url}`, 'GET /verify?by=gateway');
    assert.deepEqual(
      { ...request?.headers },
      {
        host: `127.0.0.1:${entry.service.port}`,
        authorization: 'Bearer alice',
        cookie: 'session=1',
        'x-forwarded-method': 'POST',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'shop.example:8443',
        'x-forwarded-uri': '/v1/orders/7?full=1',
        'x-forwarded-for': '203.0.113.9',
      },
    );
  });

  test('chosen fields, chosen cookies, and another method without a body', async () => {
    await using entry = await open(always(200, { 'x-auth-user': 'a' }), {
      method: 'POST',
      credentials: 'cookie',
      cookies: ['session', '__Host-id'],
      headers: 'x-tenant',
    });
    const headers = [
      ['cookie', 'theme=dark; session="1; 2"; sessions=9'],
      ['cookie', '__Host-id=x'],
      ['x-tenant', 'one'],
      ['x-tenant', 'two'],
      ['authorization', 'Bearer x'],
    ] as const;
    const exchange = exchangeOf({ headers });
    assert.equal(verdict(await entry.identify(exchange)), 'a');
    const [request] = entry.service.requests;
    assert.equal(request?.method, 'POST');
    assert.equal(request?.headers['content-length'], '0');
    assert.equal(request?.headers.cookie, 'session="1; __Host-id=x');
    assert.equal(request?.headers['x-tenant'], 'one, two');
    assert.equal(request?.headers.authorization, undefined);
    assert.deepEqual(
      linesOf(exchange).filter((line) => line.startsWith('cookie')),
      ['cookie: theme=dark; 2"; sessions=9'],
    );
  });

  test('not two credentials in one place: they could be read in two ways', async () => {
    await using entry = await open(byToken);
    const answer = await entry.identify(exchangeOf(bearer('alice', ['authorization', 'Bearer bob'])));
    assert.equal(verdict(answer), 'credential_ambiguous');
    await using own = await open(byToken, { credentials: 'x-session' });
    const twice = [
      ['x-session', 'alice'],
      ['x-session', 'bob'],
    ] as const;
    assert.equal(verdict(await own.identify(exchangeOf({ headers: twice }))), 'credential_ambiguous');
    assert.equal(entry.service.requests.length + own.service.requests.length, 0);
  });
});

describe('what an answer means', () => {
  const long = 'x'.repeat(1_025);
  const cases: [what: string, answer: Answer, found: string | null, options?: object][] = [
    ['200 with a name', always(200, { 'x-auth-user': 'alice' }), 'alice'],
    ['204 with a name', always(204, { 'X-Auth-User': 'alice' }), 'alice'],
    ['a name elsewhere', always(200, { 'x-id': 'bob', 'x-auth-user': 'eve' }), 'bob', { identity: { id: 'X-Id' } }],
    ['a name in UTF-8', always(200, { 'x-auth-user': Buffer.from('renée').toString('latin1') }), 'renée'],
    ['no name', always(200), 'identity_unavailable'],
    ['an empty name', always(200, { 'x-auth-user': '' }), 'identity_unavailable'],
    ['two names', always(200, { 'x-auth-user': ['a', 'b'] }), 'identity_unavailable'],
    ['a name in another encoding', always(200, { 'x-auth-user': 'ren\xe9e' }), 'identity_unavailable'],
    ['a name without end', always(200, { 'x-auth-user': long }), 'identity_unavailable'],
    ['no name where none is needed', always(200), 'member', { identity: { unnamed: 'member' } }],
    ['401', always(401), 'credential_invalid'],
    ['403', always(403), 'not_authorized'],
    ['a redirect', always(302, { location: '/login' }), 'identity_unavailable'],
    ['a redirect that is let through', always(302, { location: '/login' }), '302', { passRedirects: true }],
    ['a redirect to nowhere', always(303), 'identity_unavailable', { passRedirects: true }],
    ['304', always(304), 'identity_unavailable', { passRedirects: true }],
    ['404', always(404), 'identity_unavailable'],
    ['429', always(429), 'identity_unavailable'],
    ['500', always(500, { 'x-auth-user': 'alice' }), 'identity_unavailable'],
    [
      'a larger body than allowed',
      always(200, { 'x-auth-user': 'a' }, long),
      'identity_unavailable',
      { maxBody: '1KiB' },
    ],
    ['nothing', (_request, response) => void response.destroy(), 'identity_unavailable'],
    ['garbage', (request) => void request.socket.end('\0\0\0\r\n\r\n'), 'identity_unavailable'],
    ['nothing for too long', () => undefined, 'identity_unavailable', { timeout: '50ms' }],
    [
      'fields that a stray line feed adds',
      (request) =>
        void request.socket.end('HTTP/1.1 200 OK\r\nx-auth-user: a\nx-admin: 1\r\ncontent-length: 0\r\n\r\n'),
      'identity_unavailable',
    ],
  ];
  for (const [what, answer, found, options] of cases) {
    test(`${what}: ${found}`, async () => {
      await using entry = await open(answer, options);
      assert.equal(verdict(await entry.identify(exchangeOf(bearer('t')))), found);
      assert.equal(entry.env.problems.length, found === 'identity_unavailable' ? 1 : 0);
    });
  }

  test('lists and the consumer are read, and joined with what the configuration knows', async () => {
    const fields = {
      'x-auth-user': 'u1',
      'x-scopes': 'orders:read  orders:write,users:read',
      'x-roles': 'admin, auditor',
      'x-groups': 'Domain Users, Sales',
      'x-consumer': 'acme',
    };
    const names = { scopes: 'x-scopes', roles: 'x-roles', groups: 'x-groups', consumer: 'x-consumer' };
    const consumers = new Map([['acme', consumer({ plan: 'gold', groups: ['partners'] })]]);
    await using entry = await open(always(200, fields), { identity: names }, { consumers, defaultPlan: 'free' });
    assert.deepEqual(identityIn(await entry.identify(exchangeOf(bearer('t')))), {
      id: 'u1',
      method: 'customer',
      consumer: 'acme',
      plan: 'gold',
      scopes: ['orders:read', 'orders:write', 'users:read'],
      roles: ['admin', 'auditor'],
      groups: ['Domain Users', 'Sales', 'partners'],
      claims: {},
    });
  });

  test('an outage is one line in the log, and so is its end', async () => {
    let status = 500;
    await using entry = await open((request, response) => always(status, { 'x-auth-user': 'a' })(request, response));
    for (let i = 0; i < 5; i++) await entry.identify(exchangeOf(bearer('secret')));
    status = 200;
    for (let i = 0; i < 2; i++) assert.equal(verdict(await entry.identify(exchangeOf(bearer('secret')))), 'a');
    assert.deepEqual(entry.env.problems, ['the service answered 500', 'works again']);
  });
});

describe('what the service behind the gateway gets', () => {
  test('fields of the answer, and not the credential', async () => {
    const copy = ['x-auth-user', 'x-auth-email', 'x-teams'];
    await using entry = await open(always(200, { 'x-auth-user': 'alice', 'x-teams': ['a', 'b'] }), { copy });
    const exchange = exchangeOf(bearer('t', ['x-tenant', 'acme'], ['cookie', 'a=b']));
    await entry.identify(exchange);
    assert.deepEqual(linesOf(exchange), ['x-auth-user: alice', 'x-teams: a, b', 'x-tenant: acme']);
  });

  test('another credential in the place of the client’s', async () => {
    const fields = { 'x-auth-user': 'alice', authorization: 'Bearer internal' };
    await using entry = await open(always(200, fields), { copy: 'authorization' });
    const exchange = exchangeOf(bearer('external'));
    await entry.identify(exchange);
    assert.deepEqual(linesOf(exchange), ['authorization: Bearer internal']);
    await using silent = await open(always(200, { 'x-auth-user': 'alice' }), { copy: 'authorization', keep: true });
    await silent.identify(exchange);
    assert.deepEqual(linesOf(exchange), []);
  });

  test('the credential where it is kept', async () => {
    await using entry = await open(byToken, { keep: true });
    const exchange = exchangeOf(bearer('alice'));
    await entry.identify(exchange);
    assert.deepEqual(linesOf(exchange), ['authorization: Bearer alice']);
  });

  test('what goes with the word of this entry, and not when another one vouches', async () => {
    const fields = { 'x-auth-user': 'alice', authorization: 'Bearer internal' };
    await using entry = await open(always(200, fields), { copy: ['x-auth-user', 'authorization'] });
    const exchange = exchangeOf({ headers: [['cookie', 'session=1']] });
    const alice = identityIn(await entry.identifier.identify(exchange));
    assert.deepEqual(linesOf(exchange), ['cookie: session=1'], 'nothing is sure yet');
    exchange.identity = { ...alice, method: 'another entry' };
    entry.identifier.conceal?.(exchange);
    assert.deepEqual(linesOf(exchange), []);
  });

  test('no credential in another spelling', async () => {
    const headers = [
      ['x-session', 'a'],
      ['X_Session', 'b'],
      ['x-ticket', 'c'],
      ['x.ticket', 'd'],
    ] as const;
    const options = { credentials: ['x-session', 'x-ticket'], copy: 'x-ticket' };
    await using entry = await open(always(200, { 'x-auth-user': 'alice', 'x-ticket': 'new' }), options);
    const exchange = exchangeOf({ headers });
    await entry.identify(exchange);
    assert.deepEqual(linesOf(exchange), ['x-ticket: new']);
  });

  test('no credential that nobody looked at', async () => {
    await using entry = await open(always(500), { onFailure: 'anonymous' });
    const exchange = exchangeOf(bearer('t'));
    assert.equal(verdict(await entry.identify(exchange)), null);
    assert.deepEqual(linesOf(exchange), []);
  });
});

test('cookies of a good answer go to the client, where they may', async () => {
  const fields = { 'x-auth-user': 'alice', 'set-cookie': ['session=2; HttpOnly', 'seen=1'] };
  await using entry = await open(always(200, fields));
  const exchange = exchangeOf(bearer('t'));
  await entry.identify(exchange);
  const head = new ResponseHead(200, HeaderBlock.of([['set-cookie', 'cart=7']]), 'none', -1);
  entry.identifier.respond?.(exchange, head);
  assert.deepEqual(linesOf(head), ['set-cookie: cart=7', 'set-cookie: seen=1', 'set-cookie: session=2; HttpOnly']);
  await using silent = await open(always(200, fields), { passHeaders: 'www-authenticate' });
  assert.equal(silent.identifier.respond, undefined);
});

describe('what a refused client gets', () => {
  const said = {
    'www-authenticate': ['Basic realm="a"', 'Bearer realm="b"'],
    'set-cookie': ['a=1; HttpOnly', 'b=2'],
    'x-internal': 'node-7',
    'content-type': 'text/html',
  };

  test('the fields that are let through, and a problem of our own', async () => {
    await using entry = await open(always(401, said, '<h1>no</h1>'));
    const refused = replyIn(await entry.identify(exchangeOf(bearer('t'))));
    assert.equal(refused.error?.code, 'credential_invalid');
    assert.deepEqual(linesOf(refused), [
      'cache-control: no-store',
      'set-cookie: a=1; HttpOnly',
      'set-cookie: b=2',
      'www-authenticate: Basic realm="a"',
      'www-authenticate: Bearer realm="b"',
    ]);
  });

  test('the body where it is let through', async () => {
    await using entry = await open(always(403, said, '<h1>no</h1>'), { passBody: true, passHeaders: 'x-internal' });
    const refused = replyIn(await entry.identify(exchangeOf(bearer('t'))));
    assert.deepEqual([refused.status, refused.error, String(refused.body)], [403, null, '<h1>no</h1>']);
    assert.deepEqual(linesOf(refused), ['cache-control: no-store', 'content-type: text/html', 'x-internal: node-7']);
  });

  test('the way to the login page, remembered by nobody', async () => {
    const fields = { location: 'https://sso.example/?state=1', 'set-cookie': 'state=1' };
    await using entry = await open(always(307, fields, 'moved'), { passRedirects: true });
    const refused = replyIn(await entry.identify(exchangeOf(bearer('t'))));
    assert.deepEqual([refused.status, refused.body], [307, null]);
    assert.deepEqual(linesOf(refused), [
      'cache-control: no-store',
      'location: https://sso.example/?state=1',
      'set-cookie: state=1',
    ]);
  });

  test('a challenge, since every 401 has one', async () => {
    for (const [options, challenge] of [
      [{}, 'Bearer'],
      [{ challenge: 'Session realm="shop"' }, 'Session realm="shop"'],
      [{ credentials: 'cookie' }, null],
    ] as const) {
      await using entry = await open(always(401), options);
      const exchange = exchangeOf({ headers: [...bearer('t').headers, ['cookie', 'a=b']] });
      const lines = linesOf(replyIn(await entry.identify(exchange)));
      const found = lines.find((line) => line.startsWith('www-authenticate: '))?.slice(18);
      assert.equal(found ?? null, challenge);
      assert.equal(entry.identifier.challenge, challenge);
    }
  });
});

describe('without a credential', () => {
  test('the service is asked all the same, and may let in', async () => {
    await using entry = await open(always(200, { 'x-auth-user': 'intranet' }));
    assert.equal(verdict(await entry.identify(exchangeOf())), 'intranet');
  });

  test('it is not asked where that is not wanted', async () => {
    await using entry = await open(always(200, { 'x-auth-user': 'intranet' }), { requireCredential: true });
    assert.equal(verdict(await entry.identify(exchangeOf())), null);
    assert.equal(entry.service.requests.length, 0);
  });

  test('its 401 leaves the request to others, and is the answer when nobody knows', async () => {
    await using entry = await open(always(401, { 'www-authenticate': 'Bearer realm="sso"' }));
    const exchange = exchangeOf();
    assert.equal(await entry.identify(exchange), undefined);
    const refused = entry.identifier.invite?.(exchange);
    assert.equal(refused?.error?.code, 'credential_missing');
    assert.ok(linesOf(replyIn(refused)).includes('www-authenticate: Bearer realm="sso"'));
    assert.equal(entry.identifier.invite?.(exchangeOf()), undefined);
  });

  test('its redirect does so too; its 403 holds', async () => {
    let status = 302;
    const login: Answer = (_request, response) => void response.writeHead(status, { location: '/login' }).end();
    await using entry = await open(login, { passRedirects: true });
    const exchange = exchangeOf();
    assert.equal(await entry.identify(exchange), undefined);
    assert.equal(entry.identifier.invite?.(exchange)?.status, 302);
    status = 403;
    assert.equal(verdict(await entry.identify(exchangeOf())), 'not_authorized');
  });

  test('cookies that are none do not count', async () => {
    await using entry = await open(always(401), { cookies: 'session', requireCredential: true });
    assert.equal(verdict(await entry.identify(exchangeOf({ headers: [['cookie', 'theme=dark']] }))), null);
    assert.equal(entry.service.requests.length, 0);
    assert.equal(
      verdict(await entry.identify(exchangeOf({ headers: [['cookie', 'session=1']] }))),
      'credential_invalid',
    );
  });
});

describe('options', () => {
  test('that cannot be meant are refused', () => {
    const url = 'http://127.0.0.1:9000/verify';
    for (const [options, remedy] of [
      [{ url: 'ftp://a' }, 'Write for instance `http://127.0.0.1:3000` or `https://orders.example`.'],
      [{ url: 'http://user:password@auth/' }, 'Leave `user:password@` out.'],
      [{ url: `${url}#a` }, `Write \`${url}\`.`],
      [{ url, copy: 'content-length' }, 'Leave it to the gateway.'],
      [{ url, copy: 'x-forwarded-for' }, 'Leave it out.'],
      [{ url, headers: 'X-Forwarded-Uri' }, 'Leave it out.'],
      [{ url, credentials: 'host' }, 'Set `hostHeader` of the upstream instead.'],
      [{ url, passHeaders: 'connection' }, 'Leave it to the gateway.'],
    ] as const) {
      assert.deepEqual(problemsOf(forwardAuth, options), [remedy]);
    }
  });

  test('say which fields no log shows', () => {
    const options = forwardAuthOptions.parse({ url: 'http://127.0.0.1/', credentials: ['X-Session', 'cookie'] });
    assert.deepEqual(forwardAuth.credentials?.(options), { headers: ['x-session', 'cookie'], parameters: [] });
  });

  test('say which fields are not the clients’ to send', () => {
    const copy = ['x-email', 'X-Auth-User', 'authorization'];
    const options = { url: 'http://a', copy, identity: { roles: 'X-Roles' } };
    assert.deepEqual(identityFields(forwardAuthOptions.parse(options)), ['x-auth-user', 'x-roles', 'x-email']);
  });

  test('that send what they remove are refused', () => {
    const options = forwardAuthOptions.parse({ url: 'http://a', copy: 'x-a', headers: ['x-b', 'x-a', 'x-auth-user'] });
    assert.deepEqual(
      forwardAuth.check?.(options, new Map()).map(({ severity, path }) => [severity, ...path]),
      [
        ['error', 'headers', 1],
        ['error', 'headers', 2],
      ],
    );
  });

  test('of the examples are right', () => {
    for (const { options } of forwardAuth.examples) assert.deepEqual(problemsOf(forwardAuth, options), []);
  });
});
