import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, fieldValue, problemsOf } from '../../test/support/policy.ts';
import { cors } from './cors.ts';

type Fields = [string, string][];
const SHOP = 'https://shop.example';

function answer(options: object, origin: string | null, upstream: Fields = []) {
  const exchange = exchangeOf({ headers: origin === null ? [] : [['origin', origin]] });
  const { headers } = compilePolicy(cors, options).response(exchange, upstream);
  return (name: string) => fieldValue(headers, name);
}

function preflight(options: object, origin: string, more: Fields = []) {
  const headers: Fields = [['origin', origin], ['access-control-request-method', 'PUT'], ...more];
  const reply = compilePolicy(cors, options).request(exchangeOf({ method: 'OPTIONS', headers }));
  if (reply === null) assert.fail('not answered');
  assert.equal(reply.status, 204);
  return (name: string) => fieldValue(reply.headers, name);
}

test('the configured origin reads answers, another does not', () => {
  const options = { origins: SHOP, credentials: true, expose: ['x-total', 'x-page'] };
  const ours = answer(options, SHOP);
  assert.equal(ours('access-control-allow-origin'), SHOP);
  assert.equal(ours('access-control-allow-credentials'), 'true');
  assert.equal(ours('access-control-expose-headers'), 'x-total, x-page');
  assert.equal(ours('vary'), 'Origin');
  for (const origin of ['https://evil.example', 'http://shop.example', 'https://shop.example:8443', 'null', null]) {
    const theirs = answer(options, origin);
    assert.equal(theirs('access-control-allow-origin'), null, String(origin));
    assert.equal(theirs('access-control-allow-credentials'), null);
    assert.equal(theirs('vary'), 'Origin', 'a cache must not give this answer to the shop');
  }
});

test('subdomains at any depth, and nothing that only looks like one', () => {
  const options = { origins: ['https://*.shop.example', 'http://localhost:5173'] };
  for (const origin of ['https://a.shop.example', 'https://a.b-1.shop.example', 'http://localhost:5173']) {
    assert.equal(answer(options, origin)('access-control-allow-origin'), origin);
  }
  const strangers = [
    SHOP,
    'https://.shop.example',
    'https://evilshop.example',
    'http://a.shop.example',
    'https://a.shop.example.evil.example',
    'https://evil.example/.shop.example',
    'https://evil.example?.shop.example',
    'https://evil.example:1.shop.example',
    'https://a.shop.example:8443',
    'https://user@a.shop.example',
  ];
  for (const origin of strangers) assert.equal(answer(options, origin)('access-control-allow-origin'), null, origin);
});

test('a public API answers the same to all', () => {
  const all = answer({ origins: '*' }, null);
  assert.equal(all('access-control-allow-origin'), '*');
  assert.equal(all('vary'), null);
});

test('the gateway speaks alone, and Vary is completed', () => {
  const upstream: Fields = [
    ['access-control-allow-origin', '*'],
    ['access-control-allow-credentials', 'true'],
    ['vary', 'Accept-Encoding'],
  ];
  assert.equal(answer({ origins: SHOP }, SHOP, upstream)('access-control-allow-origin'), SHOP);
  assert.equal(answer({ origins: SHOP }, SHOP, upstream)('access-control-allow-credentials'), null);
  assert.equal(answer({ origins: SHOP }, SHOP, upstream)('vary'), 'Accept-Encoding, Origin');
  assert.equal(answer({ origins: SHOP }, 'https://evil.example', upstream)('access-control-allow-origin'), null);
  assert.equal(answer({ origins: SHOP }, SHOP, [['vary', 'accept, ORIGIN']])('vary'), 'accept, ORIGIN');
  assert.equal(answer({ origins: SHOP }, SHOP, [['vary', '*']])('vary'), '*');
  assert.equal(answer({ origins: SHOP }, SHOP, [['vary', 'x-origin']])('vary'), 'x-origin, Origin');
});

test('preflights', () => {
  const asked: Fields = [['access-control-request-headers', 'content-type,x-tenant']];
  const open = preflight({ origins: SHOP, maxAge: '10m' }, SHOP, asked);
  assert.equal(open('access-control-allow-methods'), 'PUT', 'a method that has a route');
  assert.equal(open('access-control-allow-headers'), 'content-type,x-tenant');
  assert.equal(open('access-control-max-age'), '600');
  const narrow = preflight({ origins: SHOP, methods: ['GET', 'PUT'], headers: 'X-Tenant' }, SHOP, asked);
  assert.equal(narrow('access-control-allow-methods'), 'GET, PUT');
  assert.equal(narrow('access-control-allow-headers'), 'x-tenant');
  assert.equal(narrow('access-control-max-age'), null);
  assert.equal(preflight({ origins: SHOP }, 'https://evil.example', asked)('access-control-allow-methods'), null);
});

test('OPTIONS that is no preflight goes on', () => {
  const policy = compilePolicy(cors, { origins: '*' });
  assert.equal(policy.request(exchangeOf({ method: 'OPTIONS' })), null);
  assert.equal(policy.request(exchangeOf({ method: 'OPTIONS', headers: [['origin', SHOP]] })), null);
  const get: Fields = [
    ['origin', SHOP],
    ['access-control-request-method', 'PUT'],
  ];
  assert.equal(policy.request(exchangeOf({ headers: get })), null);
});

test('wrong origins say what to write', () => {
  const remedyFor = (origins: unknown, credentials = false) => problemsOf(cors, { origins, credentials })[0];
  assert.equal(remedyFor('shop.example'), 'Write `https://shop.example`.');
  assert.equal(remedyFor('https://shop.example/'), 'Write `https://shop.example`.');
  assert.equal(remedyFor('https://Shop.Example'), 'Write `https://shop.example`.');
  assert.equal(remedyFor('https://shop.example:443'), 'Write `https://shop.example`.');
  assert.equal(remedyFor('*.shop.example'), 'Write `https://*.shop.example`.');
  assert.match(String(remedyFor('https://*')), /for instance/);
  assert.equal(remedyFor('*', true), 'Name the origins, or leave out `credentials`.');
  assert.equal(remedyFor(['null', SHOP], true), 'Name the origins, or leave out `credentials`.');
});
