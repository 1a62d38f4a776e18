import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { MAX_KEYS, parseJwks } from './jwks-parse.ts';

function jwkOf(kind: 'rsa' | 'ec' | 'ed25519', detail: number | string = 2048): Record<string, unknown> {
  const { publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: Number(detail) })
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: String(detail) })
        : generateKeyPairSync('ed25519');
  return { ...publicKey.export({ format: 'jwk' }) };
}

const rsa = { ...jwkOf('rsa'), kid: 'rsa', alg: 'RS256', use: 'sig' };
const ec = { ...jwkOf('ec', 'P-256'), kid: 'ec' };
const ed = { ...jwkOf('ed25519'), kid: 'ed', alg: 'EdDSA', key_ops: ['verify'] };

/** Why a key is left out of a set that has a good one besides; null: it is not. */
function reasonFor(key: unknown): string | null {
  return parseJwks({ keys: [key, ed] }).ignored[0]?.reason ?? null;
}

suite('a JWK Set', () => {
  test('gives its keys, with the members that verifying takes', () => {
    const { keys, ignored } = parseJwks({ keys: [{ ...rsa, x5c: ['…'], 'x-own': {} }, ec, ed], other: 1 });
    const { n, e } = rsa as { n?: unknown; e?: unknown };
    assert.deepEqual(keys[0], { kty: 'RSA', kid: 'rsa', alg: 'RS256', n, e });
    assert.deepEqual(
      keys.map(({ kid }) => kid),
      ['rsa', 'ec', 'ed'],
    );
    assert.deepEqual(ignored, []);
  });

  test('may have keys without an id', () => {
    const { kid: _, ...nameless } = ec;
    const { keys } = parseJwks({ keys: [nameless] });
    assert.ok(keys[0] !== undefined && !Object.hasOwn(keys[0], 'kid'));
  });

  for (const [what, document] of Object.entries({
    'a list': [rsa],
    nothing: null,
    text: '{"keys":[]}',
    'keys that are no list': { keys: { rsa } },
    'no keys at all': { keys: [] },
    'no usable key': { keys: [{ ...rsa, use: 'enc' }, 7] },
    'more keys than anybody has': { keys: Array.from({ length: MAX_KEYS + 1 }, () => ed) },
  })) {
    test(`is not one: ${what}`, () => {
      assert.throws(() => parseJwks(document));
    });
  }
});

suite('left out of a set', () => {
  const mangled = `${String((ec as { x?: string }).x).slice(0, -1)}`;
  const cases: Record<string, [key: unknown, reason: RegExp]> = {
    'what is no object': ['key', /not an object/],
    'a private key': [{ ...ec, d: 'AQAB' }, /not a public key/],
    'a secret': [{ kty: 'oct', k: 'c2VjcmV0', kid: 's' }, /not a public key/],
    'a secret without its value': [{ kty: 'oct', kid: 's' }, /unknown type/],
    'an unknown type': [{ kty: 'AKP', pub: 'AQAB' }, /unknown type/],
    'a key for encryption': [{ ...rsa, use: 'enc' }, /not for signatures/],
    'a key that may only sign': [{ ...rsa, key_ops: ['sign'] }, /not for signatures/],
    'malformed operations': [{ ...rsa, key_ops: 'verify' }, /not for signatures/],
    'an algorithm for encryption': [{ ...rsa, alg: 'RSA-OAEP' }, /another algorithm/],
    'an algorithm of secrets': [{ ...rsa, alg: 'HS256' }, /another algorithm/],
    'an algorithm of another curve': [{ ...ec, alg: 'ES384' }, /another algorithm/],
    'an algorithm that is no text': [{ ...ec, alg: ['ES256'] }, /another algorithm/],
    'a weak RSA key': [jwkOf('rsa', 1024), /below 2048/],
    'RSA with exponent 1': [{ ...rsa, e: 'AQ' }, /exponent|malformed/],
    'RSA with an even exponent': [{ ...rsa, e: 'BA' }, /exponent|malformed/],
    'RSA without a modulus': [{ ...rsa, n: undefined }, /without `n`/],
    'RSA in padded base64': [{ ...rsa, e: 'AQAB==' }, /malformed `e`/],
    'RSA in plain base64': [{ ...rsa, n: `${String((rsa as { n?: string }).n)}+/` }, /malformed `n`/],
    'an id that is no text': [{ ...ec, kid: 7 }, /malformed key id/],
    'an id for a terminal': [{ ...ec, kid: 'a\u001b[2J' }, /malformed key id/],
    'an endless id': [{ ...ec, kid: 'k'.repeat(1000) }, /malformed key id/],
    'a curve that JWS has not': [jwkOf('ec', 'secp256k1'), /unknown curve/],
    'a curve from the prototype': [{ ...ec, crv: 'constructor' }, /unknown curve/],
    'a short coordinate': [{ ...ec, x: 'AQAB' }, /malformed `x`/],
    'a cut coordinate': [{ ...ec, x: mangled }, /malformed `x`/],
    'a point beside its curve': [{ ...ec, y: Buffer.alloc(32, 1).toString('base64url') }, /malformed key/],
    'X25519, which agrees and does not sign': [
      { ...generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }) },
      /unknown curve/,
    ],
  };
  for (const [what, [key, reason]] of Object.entries(cases)) {
    test(what, () => {
      assert.match(reasonFor(key) ?? '', reason);
    });
  }
});

test('whatever the members, a set has an answer and never a private member', () => {
  const member = fc.dictionary(
    fc.constantFrom('kty', 'kid', 'alg', 'use', 'key_ops', 'n', 'e', 'crv', 'x', 'y', 'd', 'k', '__proto__'),
    fc.oneof(
      fc.constantFrom('RSA', 'EC', 'OKP', 'oct', 'P-256', 'Ed25519', 'sig', 'RS256', 'AQAB', ''),
      fc.constantFrom(rsa, ec).map((key) => (key as { x?: unknown; n?: unknown }).x ?? (key as { n?: unknown }).n),
      fc.jsonValue(),
    ),
  );
  const property = fc.property(fc.array(fc.oneof(member, fc.jsonValue()), { maxLength: 4 }), (members) => {
    const { keys } = parseJwks({ keys: [...members, ed] });
    for (const key of keys) {
      assert.ok(Object.keys(key).every((name) => ['kty', 'kid', 'alg', 'n', 'e', 'crv', 'x', 'y'].includes(name)));
    }
  });
  fc.assert(property, { numRuns: 300, seed: 7517 });
});
