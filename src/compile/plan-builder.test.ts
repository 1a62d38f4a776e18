import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, checkText, planOf, testPorts } from '../../test/support/compiled.ts';
import { fieldName } from '../base/headers.ts';
import { PlanBuilder } from './plan-builder.ts';
import { planParts } from './plan-document.ts';

async function planFrom(text: string, ports = testPorts()) {
  return { plan: await planOf(await checkText(text), ports), ports };
}

test('a URL alone is a whole configuration', async () => {
  const { plan, ports } = await planFrom('routes: { /*: http://127.0.0.1:3000/base }');
  const { route, exchange } = ask(plan, 'GET', 'http://anything/x/y?z=1');
  assert.equal(route.name, '/*');
  assert.deepEqual(exchange.parameters, ['x/y']);
  assert.equal(ports.calls[0]?.call.target, '/x/y?z=1');
  assert.equal(ports.opened[0]?.endpoints[0]?.basePath, '/base');
  assert.deepEqual([route.request, route.response, route.requestBody, route.done], [null, null, null, null]);
});

test('weights split the calls, and a weight of zero gets none', async () => {
  const { plan, ports } = await planFrom(
    'upstreams: { a: http://127.0.0.1:1, b: http://127.0.0.1:2, c: http://127.0.0.1:3 }\nroutes: { /*: { to: { a: 0, b: 1, c: 3 } } }',
  );
  for (let i = 0; i < 400; i++) ask(plan, 'GET', 'http://h/');
  const counts = (name: string): number => ports.calls.filter(({ upstream }) => upstream === name).length;
  assert.equal(counts('a'), 0);
  assert.ok(counts('b') > 40 && counts('b') < 180, String(counts('b')));
  assert.equal(counts('b') + counts('c'), 400);
});

test('redirects fill their template and keep the query unless told otherwise', async () => {
  const { plan } = await planFrom(`routes:
  /old/*: { redirect: { to: "https://shop.example/new/{path.rest}", status: 308 } }
  /drop/*: { redirect: { to: "/x/{path.rest}?fixed=1", query: drop } }
  /join: { redirect: "/x?fixed=1" }
`);
  const location = (url: string) => {
    const { status, headers } = ask(plan, 'GET', `http://h${url}`);
    return `${status} ${headers.location}`;
  };
  assert.equal(location('/old/a%20b/c?d=1&e'), '308 https://shop.example/new/a%20b/c?d=1&e');
  assert.equal(location('/old'), '308 https://shop.example/new/');
  assert.equal(location('/drop/a?d=1'), '307 /x/a?fixed=1');
  assert.equal(location('/join?d=1'), '307 /x?fixed=1&d=1');
});

test('fixed answers carry their length, and none without content', async () => {
  const { plan } = await planFrom(`routes:
  /json: { respond: { status: 503, json: { items: [] }, headers: { x-a: 1 } } }
  /text: { respond: { body: "hé" } }
  /none: { respond: 204 }
`);
  const json = ask(plan, 'GET', 'http://h/json');
  assert.equal(json.status, 503);
  assert.equal(json.body, '{"items":[]}');
  assert.equal(json.headers['content-type'], 'application/json');
  assert.equal(json.headers['x-a'], '1');
  assert.equal(ask(plan, 'GET', 'http://h/text').headers['content-length'], '3');
  const none = ask(plan, 'GET', 'http://h/none');
  assert.equal(none.status, 204);
  assert.equal(none.headers['content-length'], undefined);
});

test('`ready` follows the gateway', async () => {
  let isReady = true;
  const { plan } = await planFrom('routes: { GET /ready: { respond: ready } }', testPorts({ ready: () => isReady }));
  assert.equal(ask(plan, 'GET', 'http://h/ready').status, 200);
  isReady = false;
  assert.equal(ask(plan, 'GET', 'http://h/ready').body, 'not_ready');
});

test('what no route matches is 404, or 405 with the methods that would do', async () => {
  const { plan } = await planFrom(`defaults: { requestId: true }
upstreams: { a: http://127.0.0.1:1 }
gateways:
  web: { hosts: shop.example, routes: { GET /a: a, POST /a: a, "GET /b": a } }
`);
  const missing = ask(plan, 'GET', 'http://shop.example/nothing');
  assert.equal(missing.body, 'route_not_found');
  assert.notEqual(missing.exchange.id, '', 'policies of the gateway hold for what it refuses');
  const other = ask(plan, 'DELETE', 'http://shop.example/a');
  assert.equal(other.body, 'method_not_allowed');
  assert.equal(other.headers.allow, 'GET, HEAD, POST');
  assert.equal(ask(plan, 'GET', 'http://other.example/a').body, 'route_not_found');
  assert.notEqual(ask(plan, 'GET', 'http://other.example/a').exchange.id, '');
});

test('a route that needs what does not exist yet answers 501 before anything else', async () => {
  const { plan, ports } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
defaults: { requestId: true }
routes:
  /selected: { to: a, request: { path: "/users" }, response: { select: [id] } }
  /cached: { to: a, cache: { ttl: 60s } }
`);
  assert.equal(ask(plan, 'GET', 'http://h/selected').body, 'not_implemented');
  assert.equal(ports.calls.length, 0);
  ask(plan, 'GET', 'http://h/cached');
  assert.equal(ports.calls.length, 1);
});

test('address lists hold even on routes that are refused', async () => {
  const { plan } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
routes: { /: { to: a, response: { select: [id] }, ipRules: { deny: 192.0.2.0/24 } } }
`);
  assert.equal(ask(plan, 'GET', 'http://h/').body, 'access_denied');
});

test('conditions choose among alternatives, the first that holds', async () => {
  const { plan } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
routes:
  /x:
    - { name: header, match: { headers: { x-beta: "1" } }, to: a }
    - { name: query, match: { query: { v: ["2", "3"] } }, to: a }
    - { name: cookie, match: { cookies: { lang: { regex: "de|fr" } } }, to: a }
    - { name: absent, match: { headers: { x-never: false, x-always: true } }, to: a }
    - { name: client, match: { clients: 198.51.100.0/24 }, to: a }
    - { name: host, match: { host: "*.shop.example", method: POST }, to: a }
  /*: { name: rest, to: a }
`);
  const name = (method: string, url: string, fields?: Record<string, string>) =>
    ask(plan, method, url, fields).route.name;
  assert.equal(name('GET', 'http://h/x', { 'x-beta': '1' }), 'header');
  assert.equal(name('GET', 'http://h/x?v=3', { 'x-beta': '2' }), 'query');
  assert.equal(name('GET', 'http://h/x', { cookie: 'a=b; lang=de' }), 'cookie');
  assert.equal(name('GET', 'http://h/x', { cookie: 'lang=den' }), 'rest');
  assert.equal(name('GET', 'http://h/x', { 'x-always': '' }), 'absent');
  assert.equal(name('POST', 'http://eu.shop.example:8080/x'), 'host');
  assert.equal(name('GET', 'http://eu.shop.example/x'), 'rest');
});

test('no path and no field makes a regular expression try for ever', async () => {
  const { plan } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
routes:
  ~/(?<all>(?:a+)+)b: { name: path, to: a }
  /x:
    - { name: field, match: { headers: { x-a: { regex: "(?:a|a?)+b|(?:.*a){20}" } } }, to: a }
  /*: { name: rest, to: a }
`);
  const hostile = 'a'.repeat(1_000);
  const name = (path: string, field = 'b') => ask(plan, 'GET', `http://h${path}`, { 'x-a': field }).route.name;
  assert.equal(name(`/${hostile}`), 'rest');
  assert.equal(name(`/${hostile}b`), 'path');
  assert.equal(name('/x', `${hostile}c`), 'rest');
  assert.equal(name('/x', `${hostile}b`), 'field');
});

test('`upgrade: false` keeps the request from switching protocols', async () => {
  const { plan, ports } = await planFrom(`upstreams:
  a: http://127.0.0.1:1
  b: { targets: http://127.0.0.1:2, upgrade: false }
routes: { /a: a, /b: b, /c: { to: a, upgrade: false } }
`);
  const { route, exchange } = ask(plan, 'GET', 'http://h/a');
  for (const path of ['/a', '/b', '/c']) {
    const own = ask(plan, 'GET', `http://h${path}`).route;
    const call = ports.calls.at(-1)?.call;
    assert.ok(call);
    call.upgrade = 'websocket';
    own.dispatch(call, { end: () => undefined } as never);
    assert.equal(call.upgrade, path === '/a' ? 'websocket' : null, path);
  }
  assert.equal(exchange.route, route);
});

test('pages for errors are found by code and by status', async () => {
  const { plan } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
defaults: { errors: { "404": "nothing here", route_not_found: { json: { error: missing }, headers: { x-a: b } } } }
routes: { /a: { to: a, errors: { "404": false, "502": down } } }
`);
  const pages = ask(plan, 'GET', 'http://h/a').route.errorPages;
  assert.deepEqual([...(pages?.keys() ?? [])].sort(), ['502', 'route_not_found']);
  assert.equal(pages?.get('502')?.body, 'down');
  assert.equal(pages?.get('route_not_found')?.headers?.get(fieldName('x-a')), 'b');
});

test('routes with equal policies share what is compiled, and path parameters are told apart', async () => {
  const { plan, ports } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
defaults: { requestId: true, securityHeaders: true }
presets: { moved: { request: { path: "/v2/{path.id}" } } }
routes:
  /one: a
  /two: a
  /x/{id}: { to: a, use: moved }
  /y/{other}/{id}: { to: a, use: moved }
`);
  assert.equal(ask(plan, 'GET', 'http://h/one').route.request, ask(plan, 'GET', 'http://h/two').route.request);
  ask(plan, 'GET', 'http://h/x/1');
  assert.equal(ports.calls.at(-1)?.call.target, '/v2/1');
  ask(plan, 'GET', 'http://h/y/1/2');
  assert.equal(ports.calls.at(-1)?.call.target, '/v2/2');
});

test('a template of the defaults that needs a parameter is left out where no route matches', async () => {
  const { plan } = await planFrom(`upstreams: { a: http://127.0.0.1:1 }
defaults: { response: { headers: { set: { x-id: "{path.id}" } } } }
routes: { "/{id}": a }
`);
  assert.equal(ask(plan, 'GET', 'http://h/a/b').route.response, null);
});

test('pools carry over between plans by their options and close with the last plan', async () => {
  const ports = testPorts();
  const first = await planFrom('routes: { /a: http://127.0.0.1:1, /b: http://127.0.0.1:2 }', ports);
  const second = await planFrom('routes: { /a: http://127.0.0.1:1, /c: http://127.0.0.1:3 }', ports);
  // Series are numbered anew here, so that only the first upstream is equal in both.
  assert.deepEqual(
    ports.opened.map(({ name }) => name),
    ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'],
  );
  first.plan.release();
  first.plan.release();
  assert.deepEqual(ports.closed, ['http://127.0.0.1:2']);
  second.plan.release();
  assert.deepEqual(ports.closed, ['http://127.0.0.1:2', 'http://127.0.0.1:1', 'http://127.0.0.1:3']);
});

test('a build that is given up gives back what it holds', async () => {
  const ports = testPorts();
  const { document } = await checkText('routes: { /a: http://127.0.0.1:1 }');
  assert.ok(document);
  const builder = new PlanBuilder(ports);
  for (const part of planParts(document)) builder.add(part);
  await builder.load();
  const build = builder.build();
  build.next();
  build.return(undefined as never);
  assert.equal(ports.closed.length, ports.opened.length);
  assert.equal(ports.upstreams.size, 0);
});
