import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identifierEnv } from '../../../../test/support/identifier.ts';
import { identityOf } from '../identity.ts';
import { type RememberedToken, TokenMemory } from './token-memory.ts';

const identity = identityOf({ id: 'ann', consumer: null }, identifierEnv());

function token(overrides: Partial<RememberedToken> = {}): RememberedToken {
  return {
    identity,
    tokenId: null,
    subject: null,
    issuedAt: null,
    goodUntil: 1000,
    size: 10,
    revocations: 0,
    ...overrides,
  };
}

test('a token is remembered until it ends', () => {
  const memory = new TokenMemory(10, 1000);
  const known = token();
  memory.remember('a', known);
  assert.equal(memory.find('a', 999), known);
  assert.equal(memory.find('b', 0), undefined);
  assert.equal(memory.find('a', 1000), undefined);
  assert.equal(memory.size, 0);
});

test('there is no more of them than allowed, and those in use stay', () => {
  const memory = new TokenMemory(10, 1_000_000);
  memory.remember('used', token());
  for (let i = 0; i < 1000; i++) {
    memory.remember(`other ${i}`, token());
    assert.ok(memory.size <= 10);
    assert.notEqual(memory.find('used', 0), undefined);
  }
  assert.notEqual(memory.find('other 999', 0), undefined);
  assert.equal(memory.find('other 900', 0), undefined);
});

test('nor do they take more room', () => {
  const memory = new TokenMemory(1000, 1000);
  for (let i = 0; i < 100; i++) {
    memory.remember(`token ${i}`, token({ size: 100 }));
    assert.ok(memory.size <= 10);
  }
  memory.remember('larger than all of it', token({ size: 5000 }));
  memory.remember('next', token({ size: 1 }));
  assert.notEqual(memory.find('next', 0), undefined);
});

test('some are forgotten, or all', () => {
  const memory = new TokenMemory(10, 1000);
  memory.remember('a', token());
  memory.remember('b', token());
  memory.forget('a');
  assert.equal(memory.find('a', 0), undefined);
  assert.notEqual(memory.find('b', 0), undefined);
  memory.clear();
  assert.equal(memory.size, 0);
  const none = new TokenMemory(0, 1000);
  none.remember('a', token());
  assert.equal(none.find('a', 0), undefined);
});
