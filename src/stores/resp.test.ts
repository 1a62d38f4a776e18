import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RespError, RespReader, type RespReply, RespViolation, respBytes, respCommand } from './resp.ts';

function read(bytes: Buffer, cuts: readonly number[] = []): RespReply[] {
  const reader = new RespReader();
  const replies: RespReply[] = [];
  const edges = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) {
    reader.feed(bytes.subarray(edges[i - 1], edges[i]));
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  }
  return replies;
}

function write(reply: RespReply): string {
  if (reply === null) return '$-1\r\n';
  if (reply instanceof RespError) return `-${reply.text}\r\n`;
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(write).join('')}`;
}

const latin1 = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const leaf = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constant(null),
  latin1,
  fc.stringMatching(/^[A-Z]+ [a-z ]*$/).map((text) => new RespError(text)),
);
const reply: fc.Arbitrary<RespReply> = fc.oneof(
  leaf,
  fc.array(leaf, { maxLength: 8 }),
  fc.array(fc.array(leaf), { maxLength: 3 }),
);

describe('RESP', () => {
  it('is read whole, however it is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (replies, cuts) => {
        const bytes = Buffer.from(replies.map(write).join(''), 'latin1');
        assert.deepEqual(read(bytes, cuts), replies);
      }),
    );
  });

  it('never takes noise for more than it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          read(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof RespViolation, String(error));
        }
      }),
    );
  });

  it('has lines, nothings and numbers past what a double holds', () => {
    assert.deepEqual(read(Buffer.from('+OK\r\n*-1\r\n:-5\r\n:36028797018963969\r\n')), [
      'OK',
      null,
      -5,
      36028797018963968,
    ]);
  });

  for (const [what, text] of [
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n'],
    ['RESP3', '_\r\n'],
    ['a bare line feed', ':1\n'],
    ['a line without its carriage return', '+OK\n'],
    ['a number with a space', ': 1\r\n'],
    ['no number', ':\r\n'],
    ['a number with letters', ':1a\r\n'],
    ['too many digits', ':12345678901234567890\r\n'],
    ['a text of another length', '$2\r\nabc\r\n'],
    ['a negative length', '$-2\r\n'],
    ['a text out of bounds', '$99999999\r\n'],
    ['a list out of bounds', '*99999999\r\n'],
    ['a list that never gets anywhere', '*1\r\n'.repeat(20)],
    ['a line that goes on', `+${'x'.repeat(5000)}`],
  ] as const) {
    it(`is not ${what}`, () => {
      assert.throws(() => read(Buffer.from(text)), RespViolation);
    });
  }

  it('says what a server refuses in one printable line', () => {
    const [error] = read(Buffer.from('-NOSCRIPT No \u001b[31m matching\u0007 script\r\n'));
    assert.ok(error instanceof RespError);
    assert.equal(error.kind, 'NOSCRIPT');
    assert.match(error.text, /^[\x20-\x7e]+$/);
  });

  it('is written with lengths in bytes', () => {
    assert.equal(respCommand('AUTH', respBytes('ü')), '*2\r\n$4\r\nAUTH\r\n$2\r\n\u00c3\u00bc\r\n');
  });
});
