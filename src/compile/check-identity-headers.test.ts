import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, checkText, planOf } from '../../test/support/compiled.ts';

const names = async (text: string): Promise<readonly string[]> =>
  (await checkText(`upstreams: { a: http://127.0.0.1:1 }\n${text}`)).document?.identityFields ?? assert.fail('errors');

test('fields that any place of the configuration fills from who calls', async () => {
  const found = await names(`
auth: { key: { apiKey: { header: x-api-key, store: false } } }
presets: { told: { request: { headers: { add: { x-preset: ["a", "{identity.id}"] } } } } }
defaults: { auth: key, request: { headers: { set: { X-Default: "u={identity.id}" } } } }
gateways:
  web:
    hosts: shop.example
    request: { headers: { set: { x-gateway: "{identity.plan}" } } }
    routes:
      /a: { to: a, request: { headers: { set: { x-route: "{identity.claims.tier}", x-other: "{client.ip}" } } } }
routes:
  /b:
    - { match: { method: GET }, to: a, request: { headers: { set: { x-alternative: "{identity.roles}" } } } }
    - { to: a, request: { headers: { set: { x-literal: "{{identity.id}}", x-default: false } } } }
`);
  assert.deepEqual(found, ['x-alternative', 'x-default', 'x-gateway', 'x-preset', 'x-route']);
});

test('entries of `auth` that tell the service something besides', async () => {
  const found = await names(`
auth: { sso: { forwardAuth: { url: http://127.0.0.1:2/verify, copy: x-email } } }
routes: { /a: { to: a, auth: sso } }
`);
  assert.deepEqual(found, ['x-auth-user', 'x-email']);
});

test('every route loses them, unmatched requests too, and the ones that are told get them back', async () => {
  const plan = await planOf(
    await checkText(`
upstreams: { a: http://127.0.0.1:1 }
auth: { key: { apiKey: { store: false } } }
routes:
  /told: { to: a, auth: { methods: key, optional: true }, request: { headers: { set: { x-user-id: "{identity.id}" } } } }
  /open: { to: a, auth: public }
`),
  );
  assert.ok(plan.identityFields?.covers('X_USER_ID', 0, 9));
  for (const path of ['/told', '/open', '/nowhere']) {
    const { exchange } = ask(plan, 'GET', `http://x${path}`, { 'x-user-id': '1', 'x_user-id': '2', 'x-user': '3' });
    const left: string[] = [];
    exchange.headers.forEach((name) => {
      left.push(name);
    });
    assert.deepEqual(left, ['x-user'], path);
  }
});

test('a configuration without them pays nothing', async () => {
  const plan = await planOf(await checkText('routes: { /*: http://127.0.0.1:1 }'));
  assert.equal(plan.identityFields, null);
  assert.equal(ask(plan, 'GET', 'http://x/').route.request, null);
});

test('credentials stay where they are, with a warning', async () => {
  const { problems, document } = await checkText(`
upstreams: { a: http://127.0.0.1:1 }
auth: { key: { apiKey: { store: false } } }
routes:
  /a: { to: a, auth: key, request: { headers: { set: { authorization: "Bearer {identity.id}", x-api-key: "{identity.id}" } } } }
`);
  assert.deepEqual(document?.identityFields, []);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['identity-header', 'identity-header'],
  );
});
