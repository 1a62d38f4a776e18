import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCaller } from './assumed-caller.ts';

const nobody = { entry: null, consumer: null, plan: null, scopes: [], roles: [], groups: [], claims: {} };

test('pairs: lists by spaces or repetition, claims with their types', () => {
  assert.deepEqual(parseCaller('id=42,scopes=users:read orders:read,roles=admin,roles=support,entry=customer'), {
    ...nobody,
    id: '42',
    entry: 'customer',
    scopes: ['users:read', 'orders:read'],
    roles: ['admin', 'support'],
  });
  const { claims } = parseCaller('claims.tier=gold,claims.level=3,claims.beta=true,claims.url=a=b');
  assert.deepEqual(claims, { tier: 'gold', level: 3, beta: true, url: 'a=b' });
});

test('a JSON object for what pairs cannot say', () => {
  const text = '{"id": "a,b", "roles": ["x y"], "claims": {"realm": {"tier": "gold"}}}';
  assert.deepEqual(parseCaller(text), { ...nobody, id: 'a,b', roles: ['x y'], claims: { realm: { tier: 'gold' } } });
});

test('slips are told in words', () => {
  assert.throws(() => parseCaller('role=admin'), /Did you mean `roles`\?/);
  assert.throws(() => parseCaller('{"scope": "a"}'), /Did you mean `scopes`\?/);
  assert.throws(() => parseCaller('admin'), /has no `=`/);
  assert.throws(() => parseCaller('{"id"'), /not JSON/);
});
