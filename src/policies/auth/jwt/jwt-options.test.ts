import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { identifierEnv } from '../../../../test/support/identifier.ts';
import { secretSigner, signer } from '../../../../test/support/tokens.ts';
import { jwt } from './jwt.ts';

function messages(options: unknown): string[] {
  const parsed = jwt.schema.safeParse(options);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function warnings(options: unknown): string[] {
  return (jwt.check?.(jwt.schema.parse(options), new Map()) ?? []).map(({ code }) => code);
}

const issuer = 'https://login.example';
const ec = signer('ES256');
const rsa = signer('RS256');
const secret = 's'.repeat(32);

for (const { title, options } of jwt.examples) {
  test(`example: ${title}`, () => {
    const resolved = JSON.parse(JSON.stringify(options).replaceAll(/\$\{file:[^}]*\}/g, secret));
    assert.deepEqual(messages(resolved), []);
    jwt.compile(jwt.schema.parse(resolved), identifierEnv()).close();
  });
}

test('the shop’s entry', () => {
  assert.deepEqual(messages({ issuer: 'http://127.0.0.1:4000', audience: 'shop' }), []);
  assert.deepEqual(warnings({ issuer: 'http://127.0.0.1:4000', audience: 'shop' }), []);
});

test('keys come from one place', () => {
  assert.deepEqual(messages({}), [': there is no key to verify tokens with']);
  assert.deepEqual(messages({ issuer: 'joe' }), ['issuer.0: no keys can be found at this issuer']);
  assert.deepEqual(messages({ issuer: [issuer, 'file:///x'] }), ['issuer.1: no keys can be found at this issuer']);
  assert.deepEqual(messages({ issuer: 'joe', jwksUrl: `${issuer}/keys` }), []);
  assert.deepEqual(messages({ jwksUrl: `${issuer}/keys`, jwks: { keys: [ec.jwk] } }), [
    'jwks: the keys come from `jwksUrl` already',
  ]);
  assert.deepEqual(messages({ secret, jwks: { keys: [ec.jwk] } }), ['secret: the keys come from `jwks` already']);
});

test('keys are checked before anybody depends on them', () => {
  assert.deepEqual(messages({ jwks: { keys: [ec.jwk, rsa.jwk] } }), []);
  assert.deepEqual(messages({ jwks: JSON.stringify({ keys: [ec.jwk] }) }), [], 'as a file has it');
  for (const jwks of ['{', '[]', '{"keys":1}']) assert.deepEqual(messages({ jwks }), ['jwks: this is not a JWK Set']);
  const oct = { kty: 'oct', k: 'c'.repeat(43) };
  assert.deepEqual(messages({ jwks: { keys: [oct] } }), ['jwks.keys.0: this is a secret and not a public key']);
  assert.deepEqual(messages({ publicKey: 'nonsense' }), ['publicKey.0: this is not a public key in PEM']);
  assert.deepEqual(messages({ secret: 'short' }), ['secret.0: a secret for HS256 needs 32 bytes; this one has 5']);
  assert.deepEqual(messages({ secret, algorithms: ['HS256', 'HS512'] }), [
    'secret.0: a secret for HS512 needs 64 bytes; this one has 32',
  ]);
  const { key } = secretSigner('HS256', Buffer.alloc(32, 7));
  assert.deepEqual(messages({ secret: { base64: Buffer.isBuffer(key) ? key.toString('base64url') : '' } }), []);
});

test('algorithms are those of the keys', () => {
  assert.deepEqual(messages({ jwks: { keys: [ec.jwk] }, algorithms: 'ES256' }), []);
  assert.deepEqual(messages({ jwks: { keys: [ec.jwk] }, algorithms: 'RS256' }), [
    'jwks.keys.0: none of `algorithms` is for this key',
  ]);
  assert.deepEqual(messages({ issuer, algorithms: ['RS256', 'HS256'] }), ['algorithms.1: `HS256` needs a `secret`']);
  assert.deepEqual(messages({ secret, algorithms: ['RS256', 'HS256'] }), ['algorithms.0: `RS256` is not for a secret']);
  assert.equal(messages({ issuer, algorithms: 'none' }).length, 1);
});

test('where a token is', () => {
  for (const place of [{ header: 'X-Token' }, { header: 'x-token', scheme: 'Token' }, { cookie: 'session' }]) {
    assert.deepEqual(messages({ issuer, ...place }), []);
  }
  assert.deepEqual(messages({ issuer, cookie: 'session', scheme: 'Token' }), [
    'scheme: only a header has a word before the token',
  ]);
  for (const wrong of [{ cookie: 'a b' }, { header: 'a b' }, { query: '' }, { realm: 'a"b' }]) {
    assert.equal(messages({ issuer, ...wrong }).length, 1);
  }
});

test('what is most likely not meant is a warning', () => {
  assert.deepEqual(warnings({ issuer }), ['any-audience']);
  assert.deepEqual(warnings({ secret }), []);
  assert.deepEqual(warnings({ issuer, audience: 'shop', requiredClaims: 'sub' }), ['endless-tokens']);
  assert.deepEqual(warnings({ issuer, audience: 'shop', requiredClaims: [], maxAge: '1h' }), []);
});

test('every option says what it is', () => {
  const schema = z.toJSONSchema(jwt.schema, { io: 'input', unrepresentable: 'any' });
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    assert.ok(typeof property === 'object' && property.description !== undefined, name);
  }
});
