import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { checkConfig } from '../../../src/compile/check.ts';
import { printPlan } from '../../../src/compile/print-plan.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Plan, Route } from '../../../src/plan/plan.ts';
import type { Registry } from '../../../src/plan/registry.ts';
import { registry } from '../../../src/policies/registry.ts';
import { inFolder, planOf, testPorts } from '../../support/compiled.ts';

/** What a configuration does not ask for costs nothing: its plan is the one of a gateway that has never heard of it. */

const FEATURES = new Set(['fallback', 'cache', 'mirror', 'retry', 'breaker', 'fault', 'compress']);

const withoutFeatures: Registry = {
  ...registry,
  policies: registry.policies.filter(({ name }) => !FEATURES.has(name)),
  upstreamPolicies: registry.upstreamPolicies.filter(({ name, setting = name }) => !FEATURES.has(setting)),
};

const plain = `upstreams:
  orders: { targets: [http://127.0.0.1:1, http://127.0.0.1:2] }
  users: http://127.0.0.1:3
routes:
  /orders/*: orders
  /users/{id}: { to: users }
  /both: { to: { orders: 9, users: 1 } }
`;
/** The same for what has policies, so that there is a chain to compare. */
const usual = `${plain}defaults: { requestId: true, accessLog: true, timeout: 5s, securityHeaders: true }\n`;

async function planWith(text: string, known: Registry): Promise<{ plan: Plan; ports: ReturnType<typeof testPorts> }> {
  return inFolder({ 'sluice.yaml': text }, async (folder) => {
    const loaded = await loadConfig([join(folder, 'sluice.yaml')], { env: {} });
    const ports = testPorts({ registry: known });
    return { plan: await planOf(await checkConfig(loaded, { registry: known }), ports), ports };
  });
}

function routesOf({ hosts }: Plan): Route[] {
  return hosts
    .gateways()
    .flatMap(({ tree }) => [...tree.groups()].flatMap(({ alternatives }) => alternatives.map(({ route }) => route)));
}

/** The shape of a plan, and the text of every function in it: an equal layer has equal code. */
function anatomy(plan: Plan): string {
  const code = routesOf(plan).map(({ name, request, response, done, dispatch }) => {
    const hooks = [...(request ?? []), ...(response ?? [])].map(({ run }) => String(run));
    return [name, String(dispatch), ...hooks, ...(done ?? []).map(String)].join('\n');
  });
  return [printPlan(plan), ...code].join('\n');
}

describe('a plan without resilience and cache', () => {
  for (const [what, text] of Object.entries({ plain, usual })) {
    test(`is the one of a gateway that has neither (${what})`, async () => {
      const [one, other] = await Promise.all([planWith(text, registry), planWith(text, withoutFeatures)]);
      assert.equal(anatomy(one.plan), anatomy(other.plan));
      assert.deepEqual(one.ports.opened, other.ports.opened);
    });
  }

  test('leads from a route straight to its pool', async () => {
    const { plan, ports } = await planWith(plain, registry);
    for (const options of ports.opened) {
      const lease = ports.upstreams.acquire(options);
      const { dispatch } = lease.resource;
      lease.release();
      const to = routesOf(plan).filter((route) => route.dispatch === dispatch);
      assert.equal(to.length, 1, options.name);
    }
    for (const route of routesOf(plan)) {
      assert.deepEqual(
        [route.request, route.response, route.requestBody, route.responseBody, route.done],
        [null, null, null, null, null],
      );
    }
  });

  test('and each of them, where it is asked for, makes another', async () => {
    const { plan } = await planWith(plain, registry);
    for (const setting of [
      'fallback: { respond: 503 }',
      'cache: true',
      'mirror: users',
      'retry: true',
      'breaker: true',
      'fault: { abort: 503 }',
      'compress: true',
    ]) {
      const asked = await planWith(plain.replace('{ to: users }', `{ to: users, ${setting} }`), registry);
      assert.notEqual(anatomy(asked.plan), anatomy(plan), setting);
    }
  });
});
