import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Gateway, startGateway, startUpstream, type Upstream, until } from '../harness.ts';

/** Policies and handlers written by users, out of `examples/`: loaded, run, isolated, and loaded anew after a change. */

const example = (path: string) => readFileSync(new URL(`../../examples/${path}`, import.meta.url), 'utf8');

const files = {
  'tenant.ts': example('policies/tenant.ts'),
  'hello.ts': example('handlers/hello.ts'),
  'order-summary.ts': example('handlers/order-summary.ts'),
  'broken.ts': `
import { definePolicy, z } from 'sluice-gateway';
export default definePolicy({
  name: 'broken',
  summary: 'Fails.',
  schema: z.literal(true),
  examples: [],
  compile: () => ({ request: { phase: 'guard', run() { throw new Error('hunter2'); } } }),
});
`,
  'failing.ts': `
export default { fetch: async () => { throw new Error('hunter2'); } };
`,
};

describe('users’ own code', () => {
  let orders: Upstream;
  let gateway: Gateway;

  before(async () => {
    orders = await startUpstream((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/v1/orders/7') {
        response.end(
          JSON.stringify({
            id: '7',
            items: [
              { price: 3, quantity: 2 },
              { price: 5, quantity: 1 },
            ],
          }),
        );
      } else {
        response.statusCode = 404;
        response.end('{}');
      }
    });
    gateway = await startGateway(
      `
policies: [./tenant.ts, ./broken.ts]
upstreams: { orders: ${orders.url} }
routes:
  /hello/{name}: { handler: ./hello.ts }
  /orders/{id}/summary: { handler: ./order-summary.ts, tenant: { known: [acme, globex] } }
  /failing: { handler: ./failing.ts }
  /broken: { to: orders, broken: true }
`,
      { files },
    );
  });
  after(async () => {
    await gateway?.stop();
    await orders?.close();
  });

  const ask = (path: string, init?: RequestInit) => fetch(gateway.url + path, init);
  const message = async () => ((await (await ask('/hello/zoë')).json()) as { message: string }).message;

  test('a handler answers', async () => {
    assert.equal(await message(), 'Hello, zoë!');
    const french = await ask('/hello/zoë', { headers: { 'accept-language': 'fr' } });
    assert.equal(((await french.json()) as { message: string }).message, 'Bonjour, zoë!');
  });

  test('a handler asks an upstream, behind a policy of the user’s', async () => {
    const asAcme = { headers: { 'x-tenant': 'acme' } };
    const summary = await ask('/orders/7/summary', asAcme);
    assert.deepEqual(await summary.json(), { id: '7', count: 2, total: 11 });
    assert.equal(summary.headers.get('x-tenant'), 'acme');
    assert.equal((await ask('/orders/8/summary', asAcme)).status, 404);
    const stranger = await ask('/orders/7/summary', { headers: { 'x-tenant': 'initech' } });
    assert.equal(stranger.status, 403);
    assert.equal(((await stranger.json()) as { code: string }).code, 'tenant_unknown');
  });

  test('what fails is one request’s affair', async () => {
    for (const path of ['/failing', '/broken']) {
      const response = await ask(path);
      const text = await response.text();
      assert.equal(response.status, 500, path);
      assert.equal((JSON.parse(text) as { code: string }).code, 'internal_error');
      assert.equal(text.includes('hunter2'), false, 'the client learns nothing');
    }
    await until('both are in the process log, with their stacks', () => {
      const told = gateway.stderr.split('\n').filter((line) => line.includes('hunter2'));
      return told.length === 2 && told.every((line) => line.includes('.ts:'));
    });
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    assert.match(metrics, /^sluice_internal_errors_total(\{[^}]*\})? 2$/m);
    assert.equal(await message(), 'Hello, zoë!');
  });

  test('changed code is taken up by fresh workers', async () => {
    writeFileSync(join(gateway.directory, 'hello.ts'), files['hello.ts'].replace("'Hello'", "'Good morning'"));
    await until('the new greeting', async () => (await message()) === 'Good morning, zoë!');
  });
});
