import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../../../test/support/exchange.ts';
import { changesSomething, isForeign, isLoopback, isNavigation, siteOf } from './oidc-site.ts';

type Fields = Readonly<Record<string, string>>;
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

function asking(fields: Fields, method = 'GET') {
  return exchangeOf({ method, headers: Object.entries(fields) });
}

test('only what a person will see as a page is led to a login', () => {
  assert.ok(isNavigation(asking(html)));
  assert.ok(isNavigation(asking({ ...html, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })));
  assert.ok(isNavigation(asking(html, 'HEAD')));
  const others: Fields[] = [
    {},
    { accept: '*/*' },
    { accept: 'application/json' },
    { ...html, 'sec-fetch-mode': 'cors' },
    { ...html, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    { ...html, 'x-requested-with': 'XMLHttpRequest' },
  ];
  for (const fields of others) assert.ok(!isNavigation(asking(fields)), JSON.stringify(fields));
  assert.ok(!isNavigation(asking(html, 'POST')));
  const upgrade = asking(html);
  upgrade.upgrade = 'websocket';
  assert.ok(!isNavigation(upgrade));
});

test('what a method or an upgrade can change', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PURGE']) assert.ok(changesSomething(asking({}, method)));
  for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.ok(!changesSomething(asking({}, method)));
  const upgrade = asking({});
  upgrade.upgrade = 'websocket';
  assert.ok(changesSomething(upgrade));
});

test('which pages are of this origin', () => {
  const allowed = new Set(['https://app.shop.example']);
  const own: Fields[] = [
    {},
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://shop.example' },
    { origin: 'http://shop.example' },
    { origin: 'https://app.shop.example', 'sec-fetch-site': 'same-site' },
  ];
  for (const fields of own) assert.ok(!isForeign(asking(fields), allowed), JSON.stringify(fields));
  const foreign: Fields[] = [
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'something-new' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'https://evil.shop.example' },
    { origin: 'https://shop.example.evil.example' },
    { origin: 'https://shop.example:8443' },
    { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' },
  ];
  for (const fields of foreign) assert.ok(isForeign(asking(fields), allowed), JSON.stringify(fields));
  const withPort = exchangeOf({ host: 'Shop.Example:8443', headers: [['origin', 'https://shop.example:8443']] });
  assert.ok(!isForeign(withPort, allowed));
});

test('where browsers see the gateway', () => {
  const site = (host: string) => siteOf(exchangeOf({ scheme: 'https', host }), null)?.origin;
  assert.equal(site('shop.example'), 'https://shop.example');
  assert.equal(site('Shop.Example:8443'), 'https://shop.example:8443');
  for (const host of ['', 'a@b', 'a/b', 'a?b', 'a#b', 'a b']) assert.equal(site(host), undefined, host);
  const fixed = { origin: 'https://web.example', isSecure: true };
  assert.equal(siteOf(exchangeOf({ host: 'internal' }), fixed), fixed);
});

test('what never leaves the machine', () => {
  const hosts = ['localhost', 'LOCALHOST:3000', 'web.localhost', '127.0.0.1:80', '127.1.2.3', '[::1]:3000'];
  for (const host of hosts) assert.ok(isLoopback(exchangeOf({ host })), host);
  for (const host of ['shop.example', 'localhost.evil.example', '127.0.0.1.evil.example', '[::2]', '10.0.0.1']) {
    assert.ok(!isLoopback(exchangeOf({ host })), host);
  }
});
