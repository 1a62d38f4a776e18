import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consumer, identifierEnv } from '../../../test/support/identifier.ts';
import { identityOf } from './identity.ts';

const env = identifierEnv({
  defaultPlan: 'free',
  consumers: new Map([
    ['acme', consumer({ plan: 'gold', roles: ['buyer'], groups: ['partners'] })],
    ['plain', consumer()],
  ]),
});

test('a caller has what the configuration says of its consumer besides its own', () => {
  const facts = {
    id: 'ann',
    consumer: 'acme',
    scopes: ['a'],
    roles: ['buyer', 'admin'],
    groups: ['staff'],
    claims: { x: 1 },
  };
  assert.deepEqual(identityOf(facts, env), {
    id: 'ann',
    method: 'customer',
    consumer: 'acme',
    plan: 'gold',
    scopes: ['a'],
    roles: ['buyer', 'admin'],
    groups: ['staff', 'partners'],
    claims: { x: 1 },
  });
});

test('the nearest plan counts: credential, consumer, entry', () => {
  const planOf = (name: string | null, plan: string | null = null) =>
    identityOf({ id: 'ann', consumer: name, plan }, env).plan;
  assert.equal(planOf('acme', 'trial'), 'trial');
  assert.equal(planOf('acme'), 'gold');
  assert.equal(planOf('plain'), 'free');
  assert.equal(planOf('unheard of'), 'free');
  assert.equal(planOf(null), 'free');
  assert.equal(identityOf({ id: 'ann', consumer: null }, identifierEnv()).plan, null);
});

test('an identity that many requests share cannot be changed', () => {
  const identity = identityOf({ id: 'ann', consumer: 'acme', roles: ['a'] }, env);
  for (const part of [identity, identity.scopes, identity.roles, identity.groups, identity.claims]) {
    assert.ok(Object.isFrozen(part));
  }
});
