import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isPresentable, keyDigest, makeKey, originOf, parseKey, visiblePart } from './api-key.ts';

describe('keys made here', () => {
  it('carry their id, at least 160 bits of secret, and letters that one double click selects', () => {
    const { id, key } = makeKey();
    assert.match(key, /^slk_[0-9a-z]{10}_[0-9A-Za-z]{36}$/);
    assert.ok(key.startsWith(`${visiblePart(id)}_`));
    assert.deepEqual(originOf(key), { id });
    assert.ok(Math.log2(62 ** (key.length - 'slk_0123456789_'.length - 6)) >= 160);
  });

  it('are all different, and use every letter', () => {
    const made = Array.from({ length: 300 }, makeKey);
    assert.equal(new Set(made.map(({ key }) => key)).size, 300);
    assert.equal(new Set(made.map(({ id }) => id)).size, 300);
    assert.equal(new Set(made.flatMap(({ key }) => [...key.slice(15, 45)])).size, 62);
  });

  it('have a checksum that is fixed for all time', () => {
    // CRC-32 of what stands before it is 0xc2bd4593, by another implementation (zlib.crc32 of Python).
    assert.deepEqual(originOf('slk_0123456789_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa3Z6loR'), { id: '0123456789' });
  });

  it('are recognised as mistyped whatever single character is wrong', () => {
    const { key } = makeKey();
    fc.assert(
      fc.property(fc.nat(key.length - 5), fc.constantFrom(...'0aZ_-'), (offset, letter) => {
        const at = offset + 4;
        fc.pre(key.charAt(at) !== letter);
        assert.equal(originOf(key.slice(0, at) + letter + key.slice(at + 1)), 'malformed');
      }),
    );
    for (const wrong of [key.slice(0, -1), `${key}0`, 'slk_', 'slk__', key.toUpperCase().replace('SLK', 'slk')]) {
      assert.equal(originOf(wrong), 'malformed', wrong);
    }
  });

  it('are told from keys made elsewhere', () => {
    for (const foreign of ['', 'sk_live_123', 'slk', 'SLK_0123456789_a', '7b2f3c0d9a']) {
      assert.equal(originOf(foreign), 'foreign', foreign);
    }
  });
});

describe('what is presented', () => {
  it('is a key only if a key can look like that', () => {
    for (const fine of ['a', '!~', 'x'.repeat(512), makeKey().key]) assert.ok(isPresentable(fine), fine);
    for (const wrong of ['', ' ', 'a b', 'a\tb', 'caf\u00e9', 'x'.repeat(513), '\0', '\x7f']) {
      assert.ok(!isPresentable(wrong), JSON.stringify(wrong));
    }
  });
});

describe('a key as it is written in a configuration', () => {
  it('becomes its SHA-256, in clear or as a digest', () => {
    const key = 'a-key-from-the-old-gateway';
    const digest = createHash('sha256').update(key).digest('hex');
    assert.equal(keyDigest(key), digest);
    assert.deepEqual(parseKey(key), { ok: true, value: digest });
    assert.deepEqual(parseKey(`sha256:${digest}`), { ok: true, value: digest });
    assert.deepEqual(parseKey(`sha256:${digest.toUpperCase()}`), { ok: true, value: digest });
    const made = makeKey().key;
    assert.deepEqual(parseKey(made), { ok: true, value: keyDigest(made) });
  });

  it('is refused when it can be no key or no good one, without being repeated', () => {
    const { key } = makeKey();
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['', /no client could send it/],
      ['two words of a pass phrase', /no client could send it/],
      ['sha256:abc', /not a SHA-256 digest/],
      [`sha256:${'g'.repeat(64)}`, /not a SHA-256 digest/],
      ['sha256:', /not a SHA-256 digest/],
      ['changeme', /can be guessed/],
      [key.slice(0, -1), /checksum/],
    ];
    for (const [written, message] of wrong) {
      const parsed = parseKey(written);
      assert.ok(!parsed.ok, written);
      assert.match(parsed.message, message);
      if (written.length > 7) assert.ok(!(parsed.message + parsed.remedy).includes(written));
    }
  });

  it('never throws, and never yields anything but a digest', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({ unit: 'binary' }).map((text) => `sha256:${text}`),
        ),
        (written) => {
          const parsed = parseKey(written);
          if (parsed.ok) assert.match(parsed.value, /^[0-9a-f]{64}$/);
        },
      ),
    );
  });
});
