import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatScrypt, type PasswordHash, parsePasswordHash, weaknessOf } from './password-hash.ts';

const SALT = Buffer.alloc(16, 1).toString('base64').replace(/=+$/, '');
const DIGEST = Buffer.alloc(32, 2).toString('base64').replace(/=+$/, '');
const BCRYPT = 'R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW';

function parse(text: string): PasswordHash {
  const parsed = parsePasswordHash(text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message);
  return parsed.value;
}

test('reads the parameters of each kind', () => {
  const bytes = { salt: Buffer.alloc(16, 1), digest: Buffer.alloc(32, 2) };
  assert.deepEqual(parse(`$scrypt$ln=17,r=8,p=1$${SALT}$${DIGEST}`), {
    kind: 'scrypt',
    cost: 131_072,
    blockSize: 8,
    parallelization: 1,
    ...bytes,
  });
  assert.deepEqual(parse(`$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${DIGEST}`), {
    kind: 'argon2id',
    memory: 19_456,
    passes: 2,
    parallelism: 1,
    ...bytes,
  });
  for (const version of ['2a', '2b', '2y']) {
    const text = `$${version}$12$${BCRYPT}`;
    assert.deepEqual(parse(text), { kind: 'bcrypt', cost: 12, text });
  }
});

const refused: Record<string, string> = {
  plain: 'secret',
  'nothing at all': '',
  'MD5 of Apache': '$apr1$xxxxxxxx$xxxxxxxxxxxxxxxxxxxxxx',
  'SHA-1': '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
  'SHA-512 crypt': '$6$rounds=5000$salt$hash',
  argon2i: `$argon2i$v=19$m=19456,t=2,p=1$${SALT}$${DIGEST}`,
  'an old version of Argon2': `$argon2id$v=16$m=19456,t=2,p=1$${SALT}$${DIGEST}`,
  'more memory than a machine has': `$argon2id$v=19$m=4194304,t=2,p=1$${SALT}$${DIGEST}`,
  'less memory than lanes need': `$argon2id$v=19$m=8,t=2,p=2$${SALT}$${DIGEST}`,
  'scrypt with too much memory': `$scrypt$ln=20,r=32,p=1$${SALT}$${DIGEST}`,
  'a block size of 0': `$scrypt$ln=17,r=0,p=1$${SALT}$${DIGEST}`,
  'a short digest': `$scrypt$ln=17,r=8,p=1$${SALT}$AAAA`,
  'no salt': `$scrypt$ln=17,r=8,p=1$$${DIGEST}`,
  'base64 with padding': `$scrypt$ln=17,r=8,p=1$${SALT}==$${DIGEST}`,
  'base64 with stray bits': `$scrypt$ln=17,r=8,p=1$${SALT.slice(0, -1)}R$${DIGEST}`,
  'bcrypt cut short': `$2b$12$${BCRYPT.slice(1)}`,
  'bcrypt for minutes': `$2b$31$${BCRYPT}`,
  'bcrypt below its least cost': `$2b$03$${BCRYPT}`,
  'a defective bcrypt': `$2x$12$${BCRYPT}`,
};
for (const [what, text] of Object.entries(refused)) {
  test(`refuses ${what}`, () => {
    const parsed = parsePasswordHash(text);
    assert.equal(parsed.ok, false);
    if (!parsed.ok && text !== '') assert.ok(!(parsed.message + parsed.remedy).includes(text), 'nothing of it is told');
  });
}

test('knows what is cheap to guess', () => {
  const weak = [
    `$scrypt$ln=14,r=8,p=1$${SALT}$${DIGEST}`,
    `$scrypt$ln=10,r=8,p=16$${SALT}$${DIGEST}`,
    `$argon2id$v=19$m=4096,t=3,p=1$${SALT}$${DIGEST}`,
    `$2y$05$${BCRYPT}`,
  ];
  const strong = [
    `$scrypt$ln=17,r=8,p=1$${SALT}$${DIGEST}`,
    `$scrypt$ln=15,r=8,p=3$${SALT}$${DIGEST}`,
    `$argon2id$v=19$m=7168,t=5,p=1$${SALT}$${DIGEST}`,
    `$argon2id$v=19$m=47104,t=1,p=1$${SALT}$${DIGEST}`,
    `$2b$10$${BCRYPT}`,
  ];
  for (const text of weak) assert.notEqual(weaknessOf(parse(text)), null, text);
  for (const text of strong) assert.equal(weaknessOf(parse(text)), null, text);
});

test('what is formatted is read again, and no text makes the parser throw', () => {
  const bytes = (min: number, max: number) =>
    fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 1, max: 8 }),
      bytes(8, 64),
      bytes(16, 64),
      (...of) => {
        const [logarithm, blockSize, salt, digest] = of;
        const hash = { kind: 'scrypt' as const, cost: 2 ** logarithm, blockSize, parallelization: 1, salt, digest };
        assert.deepEqual(parse(formatScrypt(hash)), hash);
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => typeof parsePasswordHash(`$${text}`).ok === 'boolean'));
});
