import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { until } from '../../test/harness.ts';
import { type ContentCoding, contentCodings } from '../semantics/content-coding.ts';
import { BodyCoder, type CoderOwner, decodeWhole, encodeWhole } from './body-coder.ts';
import { Chunk } from './call.ts';

const level = 3;
const compress = { br: brotliCompressSync, zstd: zstdCompressSync, gzip: gzipSync } as const;

/** Takes what comes out, or does not. */
class Taker implements CoderOwner {
  readonly pieces: Buffer[] = [];
  takes = true;
  drains = 0;
  end: 'ended' | 'failed' | null = null;

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  coded(chunk: Chunk): boolean {
    this.pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    return this.takes;
  }

  drained(): void {
    this.drains++;
  }

  ended(): void {
    assert.equal(this.end, null);
    this.end = 'ended';
  }

  failed(): void {
    assert.equal(this.end, null);
    this.end = 'failed';
  }

  async over(): Promise<string> {
    return await until('the end', () => this.end ?? undefined);
  }
}

function whole(bytes: Buffer): Chunk {
  return Chunk.whole(bytes, false);
}

async function coded(make: (owner: CoderOwner) => BodyCoder, input: Buffer, pieceSize: number): Promise<Buffer> {
  const taker = new Taker();
  const coder = make(taker);
  for (let at = 0; at < input.length; at += pieceSize) {
    const drains = taker.drains;
    // A source's buffer is used again as soon as the call is over.
    const lent = Buffer.from(input.subarray(at, at + pieceSize));
    const more = coder.write(whole(lent));
    lent.fill(0);
    if (!more) await until('room', () => taker.drains > drains);
  }
  coder.end();
  assert.equal(await taker.over(), 'ended');
  return taker.bytes;
}

const bodies: [what: string, body: Buffer, pieceSize: number][] = [
  ['nothing', Buffer.alloc(0), 1],
  ['one byte', Buffer.from('a'), 1],
  ['some text in small pieces', Buffer.from('some text, '.repeat(300)), 7],
  ['a megabyte of text', Buffer.from('some text, '.repeat(100_000)), 16_384],
  ['what cannot be compressed', randomBytes(300_000), 65_536],
];

for (const coding of contentCodings) {
  describe(coding, () => {
    for (const [what, body, pieceSize] of bodies) {
      test(`${what} goes through and back`, async () => {
        for (const isFlowing of [false, true]) {
          const length = isFlowing ? -1 : body.length;
          const encoded = await coded(
            (owner) => BodyCoder.encoder({ coding, level }, length, isFlowing, owner),
            body,
            pieceSize,
          );
          assert.deepEqual(decodeWhole(coding, encoded, 10_000_000), body);
          assert.deepEqual(await coded((owner) => BodyCoder.decoder(coding, owner), encoded, pieceSize), body);
        }
        assert.deepEqual(decodeWhole(coding, encodeWhole({ coding, level }, body), 10_000_000), body);
      });
    }

    test('what flows comes out as soon as it went in', async () => {
      const taker = new Taker();
      const decoded = new Taker();
      const coder = BodyCoder.encoder({ coding, level }, -1, true, taker);
      const decoder = BodyCoder.decoder(coding, decoded);
      for (const text of ['one ', 'two ', 'three ']) {
        const before = decoded.bytes.toString();
        coder.write(whole(Buffer.from(text)));
        await until('a piece', () => taker.pieces.length > 0);
        for (const piece of taker.pieces.splice(0)) decoder.write(whole(piece));
        await until(text, () => decoded.bytes.toString() === before + text);
      }
      coder.destroy();
      decoder.destroy();
    });

    test('who does not take its output stops its input, and nothing grows meanwhile', async () => {
      const taker = new Taker();
      taker.takes = false;
      const coder = BodyCoder.encoder({ coding, level }, -1, false, taker);
      const piece = randomBytes(32_768);
      let written = 0;
      for (let idle = 0; idle < 50; ) {
        if (coder.write(whole(piece))) written++;
        else idle++;
        await new Promise((resolve) => setImmediate(resolve));
        if (written > 100) assert.fail('it takes whatever comes');
      }
      assert.ok(taker.bytes.length <= 100_000);
      taker.takes = true;
      coder.resume();
      await until('room', () => taker.drains > 0);
      coder.end();
      assert.equal(await taker.over(), 'ended');
    });

    test('nothing comes once it is destroyed', async () => {
      const taker = new Taker();
      const coder = BodyCoder.encoder({ coding, level }, -1, true, taker);
      coder.write(whole(randomBytes(100_000)));
      coder.destroy();
      assert.ok(coder.write(whole(Buffer.from('more'))));
      coder.resume();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual([taker.pieces.length, taker.end], [0, null]);
    });

    for (const [what, input] of malformed(coding)) {
      test(`${what} fails`, async () => {
        const taker = new Taker();
        const coder = BodyCoder.decoder(coding, taker);
        coder.write(whole(input));
        coder.end();
        assert.equal(await taker.over(), 'failed');
        assert.equal(decodeWhole(coding, input, 1_000_000), 'malformed');
      });
    }

    test('a bomb goes off early', async () => {
      const bomb = encodeWhole({ coding, level: 9 }, Buffer.alloc(50_000_000));
      const taker = new Taker();
      const coder = BodyCoder.decoder(coding, taker);
      coder.write(whole(bomb));
      coder.end();
      assert.equal(await taker.over(), 'failed');
      assert.ok(taker.bytes.length <= 17_000_000, `${taker.bytes.length} bytes came out`);
      assert.equal(decodeWhole(coding, bomb, 1_000_000), 'too long');
    });
  });
}

function malformed(coding: ContentCoding): [string, Buffer][] {
  const encoded = compress[coding](randomBytes(1_000));
  return [
    ['what stops in the middle', encoded.subarray(0, 500)],
    ['what is something else', Buffer.from('<html>this is not what it says</html>')],
  ];
}
