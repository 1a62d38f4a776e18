import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeAnswer, encodeQuestion } from './dns-message.ts';

const ID = 0x1234;
const asked = encodeQuestion(ID, 'orders.test', 'A') as Buffer;

/** An answer to `asked`, from hexadecimal digits. */
function answer(counts: readonly [number, number, number], records: string, flags = 0x8180): Buffer {
  const head = Buffer.from(asked.subarray(0, 12));
  head.writeUInt16BE(flags, 2);
  for (const [index, count] of counts.entries()) head.writeUInt16BE(count, 6 + 2 * index);
  return Buffer.concat([head, asked.subarray(12), Buffer.from(records.replaceAll(' ', ''), 'hex')]);
}

const read = (message: Buffer) => decodeAnswer(message, asked, 'orders.test', 'A');
const A_10_0_0_1 = 'c00c 0001 0001 0000001e 0004 0a000001';

describe('DNS messages', () => {
  test('questions', () => {
    assert.equal(
      asked.toString('hex'),
      '1234 0100 0001 0000 0000 0000 06 6f7264657273 04 74657374 00 0001 0001'.replaceAll(' ', ''),
    );
    for (const name of ['', '.', 'a..b', `${'a'.repeat(64)}.test`, Array(60).fill('abcd').join('.'), 'ä.test'])
      assert.equal(encodeQuestion(ID, name, 'A'), null, name);
    assert.ok(encodeQuestion(ID, 'orders.test.', 'A')?.equals(asked));
  });

  test('addresses with the shortest time to live', () => {
    const found = read(answer([2, 0, 0], `${A_10_0_0_1} c00c 0001 0001 0000000a 0004 0a000002`));
    assert.deepEqual(found?.addresses, [
      { address: '10.0.0.1', ttl: 30 },
      { address: '10.0.0.2', ttl: 10 },
    ]);
    assert.equal(found?.ttl, 10);
  });

  test('aliases are followed, and their time to live counts', () => {
    // orders.test CNAME web.test; web.test A.
    const alias = 'c00c 0005 0001 00000005 0006 03776562 c013';
    const found = read(answer([2, 0, 0], `${alias} c029 0001 0001 0000001e 0004 0a000001`));
    assert.deepEqual(found?.addresses, [{ address: '10.0.0.1', ttl: 30 }]);
    assert.equal(found?.ttl, 5);
    // One that leads to itself ends.
    const loop = read(answer([1, 0, 0], 'c00c 0005 0001 00000005 0002 c00c'));
    assert.deepEqual(loop?.addresses, []);
  });

  test('IPv6 addresses have one text', () => {
    const question = encodeQuestion(ID, 'orders.test', 'AAAA') as Buffer;
    const texts = [
      '20010db8000000000000000000000001',
      '00000000000000000000000000000000',
      '20010db8000000010001000100010001',
    ];
    const records = texts.map((text) => `c00c 001c 0001 0000001e 0010 ${text}`).join('');
    const message = Buffer.concat([question, Buffer.from(records.replaceAll(' ', ''), 'hex')]);
    message.writeUInt16BE(0x8180, 2);
    message.writeUInt16BE(3, 6);
    assert.deepEqual(
      decodeAnswer(message, question, 'orders.test', 'AAAA')?.addresses.map(({ address }) => address),
      ['2001:db8::1', '::', '2001:db8:0:1:1:1:1:1'],
    );
  });

  test('no such name, for as long as the authority says', () => {
    const soa = 'c013 0006 0001 00000e10 0018 c00c c00c 00000001 00000001 00000001 00000001 0000003c';
    const none = read(answer([0, 1, 0], soa, 0x8183));
    assert.deepEqual([none?.code, none?.addresses, none?.ttl], [3, [], 60]);
  });

  test('answers to other questions are nobody’s', () => {
    const good = answer([1, 0, 0], A_10_0_0_1);
    const otherId = Buffer.from(good);
    otherId.writeUInt16BE(ID + 1, 0);
    assert.equal(read(otherId), null);
    assert.equal(read(asked), null);
    assert.equal(decodeAnswer(good, asked, 'other.test', 'A'), null);
    assert.equal(decodeAnswer(good, asked, 'orders.test', 'AAAA'), null);
    assert.equal(read(Buffer.alloc(3)), null);
    assert.ok(decodeAnswer(good, asked, 'Orders.TEST.', 'A'));
  });

  test('malformed ones throw', () => {
    const bad = [
      ['cut off', 'c00c 0001 0001 0000001e 0004 0a00'],
      ['a wrong size', 'c00c 0001 0001 0000001e 0003 0a0000'],
      ['a name that refers to itself', 'c01d 0001 0001 0000001e 0004 0a000001'],
      ['a name that refers forward', 'c0ff 0001 0001 0000001e 0004 0a000001'],
      ['a label with a dot', '03612e62 00 0001 0001 0000001e 0004 0a000001'],
      ['an unknown kind of label', '80 0001 0001 0000001e 0004 0a000001'],
    ] as const;
    for (const [what, records] of bad) assert.throws(() => read(answer([1, 0, 0], records)), Error, what);
  });

  test('whatever comes, it ends', () => {
    const good = answer([1, 0, 0], A_10_0_0_1);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
        const message = Buffer.from(good);
        for (const [at, byte] of changes) message[at] = byte;
        try {
          read(message);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }),
    );
  });
});
