import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Chunk } from '../../plan/call.ts';
import { ChunkedDecoder, chunkedEvent } from './chunked.ts';

/** What a taker gets for a text that arrives in these pieces: `=` before data, `#` before verbatim framing. */
function read(
  pieces: readonly string[],
  verbatim: boolean,
  decoder = new ChunkedDecoder(),
): { got: string[]; payload: number } {
  const got: string[] = [];
  const chunk = new Chunk(Buffer.alloc(0));
  let payload = 0;
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1');
    for (let at = 0; at < bytes.length; at = decoder.position) {
      const event = decoder.next(bytes, at, bytes.length, verbatim, chunk);
      if (event === chunkedEvent.data) {
        assert.ok(chunk.end > chunk.start);
        payload += chunk.payload;
        got.push(`${chunk.framed ? '#' : '='}${bytes.latin1Slice(chunk.start, chunk.end)}`);
      } else if (event === chunkedEvent.last) {
        got.push(`.${bytes.latin1Slice(decoder.position)}`);
        return { got, payload };
      } else if (event === chunkedEvent.error) {
        got.push('!');
        return { got, payload };
      }
    }
  }
  return { got, payload };
}

const decoded = (...pieces: string[]): string[] => read(pieces, false).got;
const verbatim = (...pieces: string[]): string[] => read(pieces, true).got;

suite('decoded', () => {
  test('chunk after chunk, up to the trailers', () => {
    assert.deepEqual(decoded('4\r\nWiki\r\n5\r\npedia\r\n0\r\nX: y\r\n\r\n'), ['=Wiki', '=pedia', '.X: y\r\n\r\n']);
  });

  test('data is handed on as it comes', () => {
    assert.deepEqual(decoded('a\r\n012', '34', '56789\r', '\n0\r\n\r\n'), ['=012', '=34', '=56789', '.\r\n']);
  });

  test('extensions and leading zeros are dropped', () => {
    assert.deepEqual(decoded('0004;a=b;c="d"\r\nWiki\r\n000;e\r\n\r\n'), ['=Wiki', '.\r\n']);
  });

  test('bytes one by one', () => {
    assert.deepEqual(decoded(...'2;x\r\nab\r\n0\r\n'), ['=a', '=b', '.']);
  });

  test('data may look like framing', () => {
    assert.deepEqual(decoded('7\r\n\r\n0\r\n\r\n\r\n0\r\n'), ['=\r\n0\r\n\r\n', '.']);
  });
});

suite('verbatim', () => {
  test('all canonical chunks at hand are one piece, without the last', () => {
    const { got, payload } = read(['4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n'], true);
    assert.deepEqual(got, ['#4\r\nWiki\r\n5\r\npedia\r\n', '.\r\n']);
    assert.equal(payload, 9);
  });

  test('a chunk that arrives in parts goes on in parts', () => {
    const { got, payload } = read(['A\r\n012', '3456789', '\r', '\n1\r\nx\r\n0\r\n'], true);
    assert.deepEqual(got, ['#A\r\n012', '#3456789', '#\r', '#\n1\r\nx\r\n', '.']);
    assert.equal(payload, 11);
  });

  test('a chunk with an extension or zeros is taken out of its framing, its neighbours are not', () => {
    assert.deepEqual(verbatim('1\r\na\r\n1;x\r\nb\r\n01\r\nc\r\n1\r\nd\r\n0\r\n'), [
      '#1\r\na\r\n',
      '=b',
      '=c',
      '#1\r\nd\r\n',
      '.',
    ]);
  });

  test('a size line that is cut is no longer verbatim, the chunk behind it is', () => {
    assert.deepEqual(verbatim('1', '\r\na\r\n1\r\nb\r\n0\r\n'), ['=a', '#1\r\nb\r\n', '.']);
    assert.deepEqual(verbatim('1\r', '\na\r\n0\r\n'), ['=a', '.']);
  });

  test('what is wrong with a later chunk does not take the earlier ones along', () => {
    assert.deepEqual(verbatim('1\r\na\r\nx\r\n'), ['#1\r\na\r\n', '!']);
    assert.deepEqual(verbatim('1\r\nabc'), ['!']);
  });

  test('a taker that takes framing only later gets no half of it', () => {
    const decoder = new ChunkedDecoder();
    assert.deepEqual(read(['4\r\nWi'], false, decoder).got, ['=Wi']);
    assert.deepEqual(read(['ki\r\n1\r\nx\r\n0\r\n'], true, decoder).got, ['=ki', '#1\r\nx\r\n', '.']);
  });
});

suite('refused', () => {
  for (const text of [
    '\r\n',
    ';a\r\n',
    ' 1\r\n',
    '1 \r\n',
    '1\n',
    '1\r\r\n',
    '-1\r\n',
    '+1\r\n',
    '0x1\r\n',
    'g\r\n',
    '1;a\nb\r\n',
    '1;a\0\r\n',
    '1;\x7f\r\n',
    '1\r\nab\r\n',
    '1\r\na\n',
    '1\r\na\rb',
    '10000000000000\r\n',
    '00000000000001\r\n',
    `1;${'a'.repeat(4_096)}\r\n`,
  ]) {
    test(JSON.stringify(text.slice(0, 20)), () => {
      for (const mode of [false, true]) {
        assert.equal(read([text], mode).got.at(-1), '!');
        assert.equal(read([...text], mode).got.at(-1), '!');
      }
    });
  }

  test('the largest size that is taken', () => {
    assert.deepEqual(decoded('fffffffffffff\r\na'), ['=a']);
    assert.deepEqual(verbatim('fffffffffffff\r\na'), ['#fffffffffffff\r\na']);
  });

  test('extensions are bounded in all, not one by one', () => {
    const chunk = `1;${'a'.repeat(99)}\r\nx\r\n`;
    assert.equal(decoded(chunk.repeat(40)).at(-1), '=x');
    assert.equal(decoded(chunk.repeat(41)).at(-1), '!');
  });
});

test('one decoder is used for body after body', () => {
  const decoder = new ChunkedDecoder();
  for (const cut of ['5;abc', '5\r\nhel', '5\r\nhello', '5\r\nhello\r', '5\r\nhello\r\n', '0\r\n']) {
    for (const mode of [false, true]) {
      read([cut], mode, decoder);
      assert.equal(decoder.finished, cut === '0\r\n');
      decoder.reset();
      assert.ok(!decoder.finished);
      assert.deepEqual(read(['1;a\r\nx\r\n0\r\n'], mode, decoder).got, ['=x', '.']);
      decoder.reset();
    }
  }
});
