import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rfcTokens, unsecured } from '../../test/support/rfc-tokens.ts';
import { encoded, signatureOf, signer, tokenOf } from '../../test/support/tokens.ts';
import { MAX_TOKEN, parseClaims, parseCompactJws } from './compact-jws.ts';
import { algorithmNames } from './jwa.ts';
import { KeySet } from './key-set.ts';
import { keyFromJwk, keyFromPem, keyFromSecret, type VerificationKey } from './verification-key.ts';

function keyOf({ jwk, secret, algorithm }: { jwk?: object; secret?: string; algorithm: string }): VerificationKey {
  const bytes = Buffer.from(secret ?? '', 'base64url');
  const parsed = jwk === undefined ? keyFromSecret(bytes, [algorithm]) : keyFromJwk({ ...jwk });
  assert.ok(parsed.ok);
  return parsed.value;
}

function finding(token: string, keys: readonly VerificationKey[]): string {
  const jws = parseCompactJws(token);
  return jws === null ? 'malformed' : new KeySet(keys).verify(jws);
}

for (const each of rfcTokens) {
  test(`${each.name}: ${each.algorithm}`, () => {
    const key = keyOf(each);
    const jws = parseCompactJws(each.token);
    assert.ok(jws !== null);
    assert.equal(jws.algorithm, each.algorithm);
    assert.equal(jws.payload.toString(), each.payload);
    assert.ok(key.verifies(each.algorithm, jws.input, jws.signature));
    for (const other of algorithmNames) {
      // RFC 9864 gives the one algorithm of such keys a second name.
      if (other === each.algorithm || (each.algorithm === 'EdDSA' && other === 'Ed25519')) continue;
      assert.ok(!key.verifies(other, jws.input, jws.signature), other);
    }
  });
}

test('RFC 7519, 6.1: without a signature nothing is good', () => {
  const keys = rfcTokens.map(keyOf);
  for (const header of [
    unsecured.slice(0, unsecured.indexOf('.')),
    ...['None', 'NONE', 'nOnE', ''].map((alg) => encoded({ alg })),
  ]) {
    const token = header + unsecured.slice(unsecured.indexOf('.'));
    assert.notEqual(finding(token, keys), 'good');
    assert.notEqual(finding(`${token}AAAA`, keys), 'good');
  }
});

test('every algorithm verifies what it signed, and no bit of it may change', () => {
  for (const algorithm of algorithmNames.filter((name) => !name.startsWith('HS'))) {
    const by = signer(algorithm);
    const key = keyFromJwk({ ...by.jwk });
    assert.ok(key.ok);
    const token = tokenOf(by, { sub: 'ann' });
    assert.equal(finding(token, [key.value]), 'good', algorithm);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.nat(6), (at, bit) => {
        const changed =
          token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << bit)) + token.slice(at + 1);
        assert.notEqual(finding(changed, [key.value]), 'good');
      }),
      { numRuns: 60 },
    );
  }
});

test('a key is bound to its type, its curve and its `alg`', () => {
  const algorithmsOf = (algorithm: string, rest: object = {}): string[] => {
    const key = keyFromJwk({ ...signer(algorithm).jwk, ...rest });
    return key.ok ? [...key.value.algorithms] : [];
  };
  assert.deepEqual(algorithmsOf('RS256'), ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']);
  assert.deepEqual(algorithmsOf('RS256', { alg: 'PS256' }), ['PS256']);
  assert.deepEqual(algorithmsOf('ES256'), ['ES256']);
  assert.deepEqual(algorithmsOf('ES384'), ['ES384']);
  assert.deepEqual(algorithmsOf('ES512'), ['ES512']);
  assert.deepEqual(algorithmsOf('Ed25519'), ['EdDSA', 'Ed25519']);
  assert.deepEqual(algorithmsOf('Ed448'), ['EdDSA', 'Ed448']);
  for (const alg of ['HS256', 'none', 'ES256', 'RSA-OAEP']) assert.deepEqual(algorithmsOf('RS256', { alg }), []);
  assert.deepEqual(algorithmsOf('ES256', { alg: 'ES384' }), []);
});

test('keys that are no good for signatures are refused', () => {
  const rsa = signer('RS256').jwk;
  const refused = (jwk: object): boolean => !keyFromJwk({ ...jwk }).ok;
  assert.ok(refused({ kty: 'oct', k: 'hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg' }));
  assert.ok(refused({ ...rsa, use: 'enc' }));
  assert.ok(refused({ ...rsa, key_ops: ['sign'] }));
  assert.ok(!refused({ ...rsa, use: 'sig', key_ops: ['verify'] }));
  assert.ok(refused({ ...rsa, kid: 7 }));
  assert.ok(refused({ ...rsa, e: 'AQ' }), 'with the exponent 1 everything is its own signature');
  assert.ok(refused({ ...rsa, n: Buffer.alloc(128, 0xff).toString('base64url') }), '1024 bits');
  assert.ok(refused({ ...signer('ES256').jwk, crv: 'P-384' }));
  assert.ok(refused({ kty: 'OKP', crv: 'X25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }));
  assert.ok(refused({ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' }));
  assert.ok(refused({}));
  for (const [bytes, algorithm] of [
    [31, 'HS256'],
    [47, 'HS384'],
    [63, 'HS512'],
  ] as const) {
    assert.ok(!keyFromSecret(Buffer.alloc(bytes, 1), [algorithm]).ok);
    assert.ok(keyFromSecret(Buffer.alloc(bytes + 1, 1), [algorithm]).ok);
  }
});

test('PEM: public keys and certificates, and no private ones', () => {
  const { key, algorithm } = signer('ES256');
  assert.ok(!Buffer.isBuffer(key));
  const pem = keyFromPem(key.export({ type: 'pkcs8', format: 'pem' }).toString());
  assert.ok(!pem.ok && pem.message.includes('private'));
  assert.ok(!keyFromPem('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----').ok);
  assert.ok(!keyFromPem('').ok);
  assert.equal(algorithm, 'ES256');
});

test('which of several keys is tried', () => {
  const [one, two] = [signer('ES256', 'one'), signer('ES256', 'two')];
  const [first, second] = [
    keyOf({ jwk: { ...one.jwk }, algorithm: '' }),
    keyOf({ jwk: { ...two.jwk }, algorithm: '' }),
  ];
  const unnamed = keyOf({ jwk: { ...two.jwk, kid: undefined }, algorithm: '' });
  assert.equal(finding(tokenOf(two, {}), [first, second]), 'good');
  assert.equal(finding(tokenOf(two, {}, { kid: undefined }), [first, second]), 'good', 'all are tried');
  assert.equal(finding(tokenOf(two, {}), [first, unnamed]), 'good', 'a key without a name may have any');
  assert.equal(finding(tokenOf(two, {}), [first]), 'unknown-key');
  assert.equal(finding(tokenOf(two, {}, { kid: 'one' }), [first, second]), 'bad', 'a name is not tried out');
  assert.equal(finding(tokenOf(two, {}, { kid: undefined }), [first]), 'unknown-key');
  assert.equal(finding(tokenOf(two, {}), []), 'unknown-key');
});

test('ECDSA: both numbers at full length, and neither of them zero', () => {
  const by = signer('ES256');
  const key = keyOf({ jwk: { ...by.jwk }, algorithm: '' });
  const token = tokenOf(by, { sub: 'ann' });
  const input = token.slice(0, token.lastIndexOf('.'));
  const signature = signatureOf(by, input);
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const der = Buffer.concat([Buffer.from([0x30, 0x44, 2, 32]), r, Buffer.from([2, 32]), s]);
  const wrong = [
    Buffer.alloc(0),
    Buffer.alloc(64),
    der,
    signature.subarray(1),
    Buffer.concat([signature, Buffer.alloc(2)]),
  ];
  wrong.push(Buffer.concat([Buffer.alloc(1), r, Buffer.alloc(1), s]), Buffer.alloc(64, 0xff), Buffer.concat([s, r]));
  for (const bytes of wrong) assert.notEqual(finding(`${input}.${bytes.toString('base64url')}`, [key]), 'good');
  // The twin that everybody can compute is as good (many signers make it): no refusal may rest on a token's text.
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const twin = (order - BigInt(`0x${s.toString('hex')}`)).toString(16).padStart(64, '0');
  const both = Buffer.concat([r, Buffer.from(twin, 'hex')]).toString('base64url');
  assert.equal(finding(`${input}.${both}`, [key]), 'good');
});

test('what asks for more than a signature, or is no token, is malformed', () => {
  const by = signer('ES256');
  const key = keyOf({ jwk: { ...by.jwk }, algorithm: '' });
  const claims = { sub: 'ann' };
  const headers = [
    { crit: ['exp'] },
    { crit: ['b64'], b64: false },
    { crit: [] },
    { b64: false },
    { kid: 7 },
    { kid: {} },
    { typ: ['JWT'] },
    { alg: 7 },
    { alg: undefined },
  ];
  for (const header of headers) assert.equal(finding(tokenOf(by, claims, header), [key]), 'malformed');
  for (const header of [
    '[]',
    '"ES256"',
    'null',
    '',
    '{"alg":"ES256"',
    '{"alg":"none","alg":"ES256"}',
    '{"alg":"ES256"}x',
  ]) {
    assert.equal(finding(tokenOf(by, claims, header), [key]), 'malformed', header);
  }
  const token = tokenOf(by, claims);
  const parts = token.split('.');
  const texts = [
    '',
    '.',
    '..',
    '...',
    parts[0],
    parts.slice(0, 2).join('.'),
    `${token}.`,
    `${token}.${parts[0]}`,
    `.${token}`,
  ];
  texts.push(`${token}=`, `${token} `, ` ${token}`, token.replace('.', '. '), `${parts[0]}==.${parts[1]}.${parts[2]}`);
  texts.push(
    `${token}\n`,
    token.replaceAll('.', '%2e'),
    `${parts.join('..')}`,
    `${parts[0]}.${parts[1]}.${parts[2]}.x.y`,
  );
  for (const text of texts) assert.equal(finding(text as string, [key]), 'malformed', JSON.stringify(text));
});

test('keys that a token brings along are never used', () => {
  const [ours, theirs] = [signer('ES256', 'key'), signer('ES256', 'key')];
  const key = keyOf({ jwk: { ...ours.jwk }, algorithm: '' });
  const brought = { jwk: theirs.jwk, jku: 'http://127.0.0.1:1/jwks', x5u: 'http://127.0.0.1:1/x5u', x5c: ['AAAA'] };
  assert.equal(finding(tokenOf(theirs, {}, brought), [key]), 'bad');
  assert.equal(finding(tokenOf(theirs, {}, { ...brought, kid: undefined }), [key]), 'unknown-key');
  assert.equal(finding(tokenOf(ours, {}, brought), [key]), 'good', 'nor do they make a good token bad');
});

test('a public key is no secret', () => {
  const rsa = signer('RS256');
  const key = keyOf({ jwk: { ...rsa.jwk }, algorithm: '' });
  assert.ok(!Buffer.isBuffer(rsa.key));
  for (const secret of [JSON.stringify(rsa.jwk), String(rsa.jwk?.n), Buffer.from(String(rsa.jwk?.n), 'base64url')]) {
    for (const algorithm of ['HS256', 'HS384', 'HS512']) {
      const forged = tokenOf({ algorithm, kid: rsa.kid, key: Buffer.from(secret), jwk: null }, {});
      assert.equal(finding(forged, [key]), 'bad');
    }
  }
});

test('huge and deep tokens are refused before anything is made of them', () => {
  const by = signer('ES256');
  const key = keyOf({ jwk: { ...by.jwk }, algorithm: '' });
  const sized = (length: number): string => tokenOf(by, { fill: 'x'.repeat(length) });
  assert.equal(finding(sized(12_000), [key]), 'good');
  assert.equal(finding(sized(MAX_TOKEN), [key]), 'malformed');
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  assert.notEqual(parseClaims(Buffer.from(`{"a":${deep(15)}}`)), null);
  assert.equal(parseClaims(Buffer.from(`{"a":${deep(16)}}`)), null);
  assert.equal(parseClaims(Buffer.from(`{"a":${deep(100_000)}}`)), null);
});

test('no text makes the parser fail in another way', () => {
  const digits = fc.string({ unit: fc.constantFrom(...'AQgwez._-= {}":,\0é'), maxLength: 60 });
  const token = fc
    .tuple(fc.json(), fc.json(), fc.base64String())
    .map(([a, b, c]) => `${encoded(a)}.${encoded(b)}.${c}`);
  const keys = rfcTokens.map(keyOf);
  fc.assert(
    fc.property(fc.oneof(digits, fc.string(), token), (text) => {
      assert.notEqual(finding(text, keys), 'good');
    }),
  );
  const header = fc.record({ alg: fc.oneof(fc.constantFrom(...algorithmNames), fc.string()), kid: fc.anything() });
  fc.assert(
    fc.property(
      header,
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      (head, payload, signature) => {
        const text = [
          JSON.stringify(head, (_, value) => (typeof value === 'bigint' ? 0 : value)),
          Buffer.from(payload),
          Buffer.from(signature),
        ];
        assert.notEqual(finding(text.map((each) => encoded(each)).join('.'), keys), 'good');
      },
    ),
  );
});
