import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isBasicUser, parseBasicCredentials, parseHtpasswd } from './basic-credentials.ts';

function encode(text: string | Buffer): string {
  return Buffer.from(text).toString('base64');
}

test('reads the examples of RFC 7617', () => {
  assert.deepEqual(parseBasicCredentials('QWxhZGRpbjpvcGVuIHNlc2FtZQ=='), { user: 'Aladdin', password: 'open sesame' });
  assert.deepEqual(parseBasicCredentials('dGVzdDoxMjPCow=='), { user: 'test', password: '123£' });
});

test('a password may have colons and be empty, and so may a name', () => {
  assert.deepEqual(parseBasicCredentials(encode('a:b:c')), { user: 'a', password: 'b:c' });
  assert.deepEqual(parseBasicCredentials(encode('a:')), { user: 'a', password: '' });
  assert.deepEqual(parseBasicCredentials(encode(':b')), { user: '', password: 'b' });
});

test('spellings of one text are one', () => {
  const composed = parseBasicCredentials(encode('ren\u00e9:caf\u00e9'));
  assert.deepEqual(parseBasicCredentials(encode('rene\u0301:cafe\u0301')), composed);
});

const refused: Record<string, string> = {
  nothing: '',
  'no colon': encode('alice'),
  'no base64': 'alice:secret',
  base64url: encode('alice:\u00ff\u00ff\u00fe').replace('/', '_'),
  'missing padding': encode('alice:secre').replace(/=+$/, ''),
  'too much padding': `${encode('alice:secret')}====`,
  'white space inside': `${encode('alice:').slice(0, 4)} ${encode('alice:').slice(4)}`,
  'stray bits': 'YTpiYR==',
  'Latin-1': encode(Buffer.from('alice:caf\u00e9', 'latin1')),
  'an overlong encoding': encode(Buffer.from([0x61, 0x3a, 0xc0, 0xaf])),
  'a surrogate': encode(Buffer.from([0x61, 0x3a, 0xed, 0xa0, 0x80])),
  'NUL in the password': encode('alice:sec\0ret'),
  'a line break in the name': encode('ali\nce:secret'),
  DEL: encode('alice:\x7f'),
};
for (const [what, text] of Object.entries(refused)) {
  test(`refuses ${what}`, () => assert.equal(parseBasicCredentials(text), null));
}

test('whatever can be sent is read as it was meant', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (user, password) => {
      fc.pre(isBasicUser(user) && isBasicUser(`x${password.replaceAll(':', '')}`));
      assert.deepEqual(parseBasicCredentials(encode(`${user}:${password}`)), {
        user: user.normalize('NFC'),
        password: password.normalize('NFC'),
      });
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => parseBasicCredentials(text) !== undefined));
});

test('lines of a password file', () => {
  const text = '# staff\n\nalice:$2y$10$abc\r\n bob:$2y$10$def\nnobody\n:nameless\n';
  assert.deepEqual(parseHtpasswd(text), [['alice', '$2y$10$abc'], ['bob', '$2y$10$def'], null, null]);
});
