import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClaimPath, readClaim, readName, readNames } from './claim-path.ts';
import { type ClaimRules, goodUntil, judgeClaims } from './claims.ts';
import type { JsonObject } from './strict-json.ts';

const now = 1_800_000_000.5;
const lax: ClaimRules = { issuers: [], audiences: [], required: [], maxAge: null, skew: 30 };
const judge = (claims: JsonObject, rules: Partial<ClaimRules> = {}) => judgeClaims(claims, { ...lax, ...rules }, now);

test('a token is good from its beginning to its end, give or take what clocks differ', () => {
  assert.equal(judge({}), 'good');
  assert.equal(judge({ exp: now + 1 }), 'good');
  assert.equal(judge({ exp: now - 29 }), 'good');
  assert.equal(judge({ exp: now - 30 }), 'expired', 'on or after is past it (RFC 7519, 4.1.4)');
  assert.equal(judge({ exp: now }, { skew: 0 }), 'expired');
  assert.equal(judge({ nbf: now + 30 }), 'good');
  assert.equal(judge({ nbf: now + 31 }), 'bad');
  assert.equal(judge({ iat: now + 30 }), 'good');
  assert.equal(judge({ iat: now + 31 }), 'bad');
});

test('dates are numbers, and such as can be', () => {
  const wrong = ['1800000100', null, true, [now + 100], { at: now }, -1, 1e15, 253_402_300_800, 1_800_000_100_000];
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const value of wrong) assert.equal(judge({ [name]: value } as JsonObject), 'bad', `${name} ${String(value)}`);
  }
  assert.equal(judge({ exp: 253_402_300_799 }), 'good');
  assert.equal(judge({ exp: 0 }), 'expired');
});

test('issuer and audience are named to the letter', () => {
  const issuers = ['https://login.example', 'https://other.example/'];
  assert.equal(judge({ iss: 'https://other.example/' }, { issuers }), 'good');
  for (const iss of ['https://other.example', 'https://login.example/', '', null, 1, ['https://login.example']]) {
    assert.equal(judge({ iss } as JsonObject, { issuers }), 'bad');
  }
  assert.equal(judge({}, { issuers }), 'bad');
  const audiences = ['shop', 'store'];
  for (const aud of ['shop', 'store', ['other', 'store']]) assert.equal(judge({ aud }, { audiences }), 'good');
  for (const aud of ['shops', 'SHOP', '', [], ['other'], ['shop', 1], { shop: 1 }, null]) {
    assert.equal(judge({ aud } as JsonObject, { audiences }), 'bad');
  }
  assert.equal(judge({}, { audiences }), 'bad');
});

test('age, required claims, and a name for revocation', () => {
  assert.equal(judge({ iat: now - 600 }, { maxAge: 600 }), 'good');
  assert.equal(judge({ iat: now - 630 }, { maxAge: 600 }), 'expired');
  assert.equal(judge({ exp: now + 600 }, { maxAge: 600 }), 'bad', 'it does not say how old it is');
  assert.equal(judge({ a: 1 }, { required: ['a', 'b'] }), 'bad');
  assert.equal(judge({ a: 1, b: null }, { required: ['a', 'b'] }), 'bad');
  assert.equal(judge({ a: 0, b: false }, { required: ['a', 'b'] }), 'good');
  assert.equal(judge({}, { required: ['constructor'] }), 'bad');
  assert.equal(judge({ jti: 7 }), 'bad');
});

test('when good claims end', () => {
  assert.equal(goodUntil({}, lax), Number.POSITIVE_INFINITY);
  assert.equal(goodUntil({ exp: 100 }, lax), 130);
  assert.equal(goodUntil({ exp: 100, iat: 10 }, { ...lax, maxAge: 50 }), 90);
  assert.equal(goodUntil({ exp: 60, iat: 10 }, { ...lax, maxAge: 500 }), 90);
});

test('claims are found by name, by steps, and by pointer', () => {
  const claims = {
    sub: 'ann',
    realm_access: { roles: ['admin'] },
    'https://shop.example/roles': ['clerk'],
    resource_access: { 'my.app': { 'a/b': ['c'] } },
    'a.b': 1,
    a: { b: 2 },
  };
  const read = (path: string) => readClaim(claims, parseClaimPath(path));
  assert.equal(read('sub'), 'ann');
  assert.deepEqual(read('realm_access.roles'), ['admin']);
  assert.deepEqual(read('https://shop.example/roles'), ['clerk']);
  assert.deepEqual(read('/resource_access/my.app/a~1b'), ['c']);
  assert.equal(read('a.b'), 1, 'a whole name comes first');
  assert.equal(read('/a/b'), 2);
  for (const path of [
    'constructor',
    'realm_access.roles.0',
    'realm_access.roles.length',
    'sub.length',
    '__proto__',
    'x.y',
    '/',
    '',
  ]) {
    assert.equal(read(path), undefined, path);
  }
});

test('names are texts, and numbers that everybody writes alike', () => {
  const paths = ['id', 'sub'].map(parseClaimPath);
  assert.equal(readName({ id: 'a', sub: 'b' }, paths), 'a');
  assert.equal(readName({ id: '', sub: 'b' }, paths), 'b');
  assert.equal(readName({ id: 7 }, paths), '7');
  for (const id of [1e20, 1.5, true, null, ['a'], {}]) assert.equal(readName({ id }, paths), null);
});

test('lists of names come from lists and texts', () => {
  const read = (claims: object, spaced: boolean) =>
    readNames({ ...claims }, ['scope', 'scp'].map(parseClaimPath), spaced);
  assert.deepEqual(read({ scope: 'a b  a' }, true), ['a', 'b']);
  assert.deepEqual(read({ scope: 'a', scp: ['b', 'a c'] }, true), ['a', 'b', 'c']);
  assert.deepEqual(read({ scope: 'Domain Users' }, false), ['Domain Users']);
  assert.deepEqual(read({ scope: ['a', 1, null, 'b', ''] }, false), ['a', 'b']);
  for (const scope of [1, null, true, { a: true }, '']) assert.deepEqual(read({ scope }, true), []);
});
