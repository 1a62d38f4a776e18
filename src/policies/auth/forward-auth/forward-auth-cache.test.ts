import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { verdict } from '../../../../test/support/identifier.ts';
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
import type { Exchange } from '../../../plan/exchange.ts';
import { forwardAuth } from './forward-auth.ts';

function open(answer: Answer, options: object = {}): Promise<AskingEntry> {
  return openEntry(forwardAuth, '/verify', answer, { ...options });
}

describe('remembered answers', () => {
  const cache = { ttl: '1h' };

  async function asked(entry: AskingEntry, ...exchanges: Exchange[]): Promise<number> {
    const before = entry.service.requests.length;
    for (const exchange of exchanges) await entry.identify(exchange);
    return entry.service.requests.length - before;
  }

  test('are given at once', async () => {
    await using entry = await open(byToken, { cache, copy: 'x-auth-user' });
    await entry.identify(exchangeOf(bearer('alice')));
    const exchange = exchangeOf(bearer('alice'));
    const found = entry.identifier.identify(exchange);
    assert.ok(!(found instanceof Promise));
    exchange.identity = identityIn(found);
    assert.equal(exchange.identity.id, 'alice');
    entry.identifier.conceal?.(exchange);
    assert.deepEqual(linesOf(exchange), ['x-auth-user: alice']);
    assert.equal(entry.service.requests.length, 1);
  });

  test('are for one credential: of many users at once each is who they are', async () => {
    await using entry = await open(byToken, { cache: { ...cache, key: [] } });
    const users = Array.from({ length: 400 }, (_, i) => `user-${i % 40}`);
    const found = await Promise.all(users.map((user) => entry.identify(exchangeOf(bearer(user)))));
    assert.deepEqual(found.map(verdict), users);
    assert.equal(entry.service.requests.length, 40);
  });

  test('are not taken for others whose fields run together to the same text', async () => {
    const fields: Answer = ({ headers }, response) => {
      const name = `${headers['x-a'] ?? 'none'}|${headers['x-b'] ?? 'none'}`;
      response.writeHead(200, { 'x-auth-user': name }).end();
    };
    await using entry = await open(fields, { credentials: ['x-a', 'x-b'], cache: { ...cache, key: [] } });
    const pairs: [string, string][][] = [
      [
        ['x-a', '1'],
        ['x-b', '2'],
      ],
      [['x-a', '12']],
      [['x-b', '12']],
      [
        ['x-a', '1:2'],
        ['x-b', ''],
      ],
      [
        ['x-a', '12'],
        ['x-b', ''],
      ],
    ];
    for (let round = 0; round < 2; round++) {
      const names = await Promise.all(pairs.map((headers) => entry.identify(exchangeOf({ headers }))));
      assert.deepEqual(names.map(verdict), ['1|2', '12|none', 'none|12', '1:2|', '12|']);
    }
  });

  test('depend on all of the request that the service was told, unless they are said not to', async () => {
    const facts = [
      {},
      { method: 'POST' },
      { scheme: 'https' as const },
      { host: 'm.shop.example' },
      { target: '/v1/orders/8' },
      { target: '/v1/orders/7?a=1' },
      { clientAddress: '203.0.113.1' },
    ];
    const exchanges = () => facts.map((fact) => exchangeOf({ ...bearer('alice'), ...fact }));
    await using entry = await open(byToken, { cache });
    assert.equal(await asked(entry, ...exchanges(), ...exchanges()), facts.length);
    await using narrow = await open(byToken, { cache: { ...cache, key: ['host'] } });
    assert.equal(await asked(narrow, ...exchanges()), 2);
  });

  test('are none without a credential', async () => {
    const byAddress: Answer = ({ headers }, response) =>
      void response.writeHead(200, { 'x-auth-user': headers['x-forwarded-for'] }).end();
    await using entry = await open(byAddress, { cache: { ...cache, key: [] } });
    const addresses = ['192.0.2.1', '192.0.2.2'];
    const found = await Promise.all(addresses.map((clientAddress) => entry.identify(exchangeOf({ clientAddress }))));
    assert.deepEqual(found.map(verdict), addresses);
  });

  test('last as long as the service lets them', async () => {
    for (const [control, times] of [
      ['max-age=60', 1],
      ['private, max-age=60', 1],
      ['max-age=0', 2],
      ['no-store', 2],
      ['No-Cache', 2],
      ['max-age=soon', 2],
    ] as const) {
      await using entry = await open(always(200, { 'x-auth-user': 'a', 'cache-control': control }), { cache });
      assert.equal(await asked(entry, exchangeOf(bearer('t')), exchangeOf(bearer('t'))), times, control);
    }
  });

  test('are refusals too, but no cookies, no redirects, and no failures', async () => {
    for (const [answer, times, more] of [
      [always(401), 1, {}],
      [always(403), 1, {}],
      [always(403), 2, { cache: { ...cache, refusals: 0 } }],
      [always(401, { 'set-cookie': 'a=b' }), 2, {}],
      [always(200, { 'x-auth-user': 'a', 'set-cookie': 'a=b' }), 2, {}],
      [always(200, { 'x-auth-user': 'a', 'set-cookie': 'a=b' }), 1, { passHeaders: [] }],
      [always(302, { location: '/login' }), 2, { passRedirects: true }],
      [always(500), 2, {}],
      [always(200), 2, {}],
      [always(200, { 'x-auth-user': 'a', 'x-large': 'x'.repeat(9_000) }), 2, { copy: 'x-large' }],
    ] as const) {
      await using entry = await open(answer, { cache, ...more });
      assert.equal(await asked(entry, exchangeOf(bearer('t')), exchangeOf(bearer('t'))), times);
    }
  });

  test('refuse the caller whose credential was revoked meanwhile', async () => {
    await using entry = await open(always(200, { 'x-auth-user': 'alice', 'x-c': 'acme' }), {
      cache,
      identity: { consumer: 'x-c' },
    });
    const exchange = () => exchangeOf(bearer('t'));
    assert.equal(verdict(await entry.identify(exchange())), 'alice');
    entry.env.revocations.revoke('consumer', 'acme');
    const refused = await entry.identify(exchange());
    assert.equal(verdict(refused), 'credential_revoked');
    assert.ok(linesOf(replyIn(refused)).includes('www-authenticate: Bearer'));
  });
});
