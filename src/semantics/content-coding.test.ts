import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type ContentCoding,
  codingOf,
  contentCodings,
  forbidsTransform,
  Negotiator,
  negotiate,
  parseAcceptEncoding,
  weakened,
} from './content-coding.ts';

const all: readonly ContentCoding[] = contentCodings;

describe('Accept-Encoding', () => {
  const cases: [text: string | undefined, wanted: string, offered?: readonly ContentCoding[]][] = [
    // Nothing said, nothing done.
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['deflate', 'identity'],
    // What clients say.
    ['gzip, deflate, br, zstd', 'br, gzip;q=0.5'],
    ['gzip, deflate, br', 'br, gzip;q=0.5'],
    ['gzip, deflate', 'gzip'],
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br', 'br'],
    ['zstd', 'zstd'],
    // Between equals the offer decides.
    ['gzip, br, zstd', 'zstd, gzip;q=0.5', ['zstd', 'br', 'gzip']],
    ['gzip, br, zstd', 'gzip', ['gzip', 'br']],
    ['br', 'identity', ['gzip']],
    ['br, gzip', 'br', ['br']],
    ['br, gzip;q=0.9', 'br', ['gzip', 'br']],
    // Weights decide before it.
    ['br;q=0.5, gzip;q=0.9', 'gzip'],
    ['br;q=0.5, gzip;q=0.500', 'br, gzip;q=0.5'],
    ['br;q=0.501, zstd;q=0.502', 'zstd'],
    ['gzip;q=0.001', 'gzip'],
    ['br ; q=1.0 , gzip\t;\tq=0.1', 'br, gzip;q=0.5'],
    ['br;Q=0.2, gzip;Q=0.3', 'gzip'],
    // Refused.
    ['br;q=0, gzip', 'gzip'],
    ['gzip;q=0', 'identity'],
    ['gzip;q=0.000, br;q=0', 'identity'],
    // `*` is what is not named.
    ['*', 'br, gzip;q=0.5'],
    ['*;q=0', 'identity'],
    ['gzip, *;q=0', 'gzip, identity;q=0'],
    ['br;q=0, *', 'zstd, gzip;q=0.5'],
    ['gzip;q=0.3, *;q=0.2', 'gzip'],
    ['identity, *;q=0.5', 'identity'],
    // Identity.
    ['gzip, identity', 'gzip'],
    ['gzip;q=0.5, identity', 'identity'],
    ['gzip;q=0.5, identity;q=0.4', 'gzip'],
    ['gzip;q=0.5, identity;q=0', 'gzip, identity;q=0'],
    ['br, gzip, identity;q=0', 'br, gzip;q=0.5, identity;q=0'],
    ['gzip;q=0, *;q=0.5', 'br'],
    // Nothing is acceptable: the field is disregarded.
    ['identity;q=0', 'identity'],
    ['*;q=0, gzip;q=0', 'identity'],
    // Malformed members are none.
    ['gzip;q=2, br;q=x, zstd', 'zstd'],
    ['gzip;q=0.1234', 'identity'],
    ['gzip;level=9', 'identity'],
    [',, ,gzip, ,', 'gzip'],
    ['gz ip', 'identity'],
  ];
  for (const [text, wanted, offered = all] of cases) {
    test(`${text ?? 'nothing'} asks for ${wanted}${offered === all ? '' : ` of ${offered.join(', ')}`}`, () => {
      assert.equal(negotiate(parseAcceptEncoding(text), offered).text, wanted);
    });
  }

  const member = fc
    .tuple(
      fc.constantFrom('br', 'gzip', 'zstd', 'identity', '*', 'deflate', 'x-gzip', 'Br'),
      fc.constantFrom('', ';q=0', ';q=0.3', ';q=0.7', ';q=1', ' ; q=0.25', ';q=bad'),
    )
    .map((parts) => parts.join(''));
  const field = fc.array(member, { maxLength: 6 }).map((members) => members.join(', '));
  const offers = fc.shuffledSubarray([...contentCodings], { minLength: 1 });

  test('what is asked for instead means the same', () => {
    fc.assert(
      fc.property(field, offers, (text, offered) => {
        const wanted = negotiate(parseAcceptEncoding(text), offered);
        assert.deepEqual(negotiate(parseAcceptEncoding(wanted.text), offered), wanted);
      }),
    );
  });

  test('nobody gets what they refuse, nor what is liked less than another', () => {
    fc.assert(
      fc.property(field, offers, (text, offered) => {
        const accepted = parseAcceptEncoding(text);
        const { coding } = negotiate(accepted, offered);
        if (coding === null) return;
        assert.ok(offered.includes(coding) && accepted[coding] > 0 && accepted[coding] >= accepted.identity);
        for (const other of offered) assert.ok(accepted[coding] >= accepted[other]);
      }),
    );
  });

  test('a negotiator remembers, and does not fill up', () => {
    const negotiator = new Negotiator(all);
    for (let i = 0; i < 1_000; i++) assert.equal(negotiator.wanted(`gzip, x${i}`).text, 'gzip');
    assert.equal(negotiator.wanted('gzip, br').text, 'br, gzip;q=0.5');
    assert.equal(negotiator.wanted(undefined).coding, null);
  });
});

test('Content-Encoding: one known coding, none, or something else', () => {
  const cases: [string | undefined, ReturnType<typeof codingOf>][] = [
    [undefined, null],
    ['', null],
    ['identity', null],
    ['br', 'br'],
    [' GZip ', 'gzip'],
    ['x-gzip', 'gzip'],
    ['zstd', 'zstd'],
    ['deflate', 'other'],
    ['gzip, br', 'other'],
    ['gzip, gzip', 'other'],
  ];
  for (const [text, coding] of cases) assert.equal(codingOf(text), coding, String(text));
});

test('entity tags become weak, and what is no entity tag stays', () => {
  assert.equal(weakened('"a"'), 'W/"a"');
  assert.equal(weakened('W/"a"'), 'W/"a"');
  assert.equal(weakened('a'), 'a');
});

test('no-transform is a directive, not a part of another', () => {
  for (const text of ['no-transform', 'public, No-Transform', 'no-transform,max-age=1', 'a, no-transform ,b']) {
    assert.ok(forbidsTransform(text), text);
  }
  for (const text of [undefined, '', 'no-store', 'x-no-transform', 'no-transforms']) {
    assert.ok(!forbidsTransform(text), String(text));
  }
});
