import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeaderBlock } from '../../base/headers.ts';
import { decodeHead, encodeResponse } from './stored-head.ts';

const policy = {
  status: 200,
  responseTime: 0,
  initialAge: 0,
  lifetime: 60_000,
  isHeuristic: false,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  mustValidate: false,
  forbidsStale: false,
  etag: '',
  lastModified: '',
  lastModifiedTime: -1,
  date: 0,
  vary: '',
};
/** A store that others write to may hold anything; this is as long as what it replaces. */
const FILLER = 'x-filler: 0123456789012345678901234567890123456789';

function poisoned(lines: string, status = 200) {
  const meta = encodeResponse({ ...policy, status }, HeaderBlock.of([['x-filler', FILLER.slice(10)]]), 0) as Buffer;
  meta.write(
    lines.padEnd(FILLER.length + 2, '0').slice(0, FILLER.length + 2),
    meta.length - FILLER.length - 2,
    'latin1',
  );
  return decodeHead(meta, 5);
}

describe('a stored head', () => {
  it('is none when it is no head', () => {
    assert.notEqual(poisoned(`${FILLER}\r\n`), null);
    for (const lines of [
      'no end of line',
      'no-colon\r\n',
      'a: b\r\n\r\nHTTP/1.1 200 OK\r\n',
      'a: b\rc: d\r\n',
      ' a: b\r\n',
    ]) {
      assert.equal(poisoned(lines), null, JSON.stringify(lines));
    }
  });

  it('frames no message', () => {
    const rest = `y: ${'0'.repeat(FILLER.length - 31)}\r\n`;
    assert.equal(poisoned(`transfer-encoding: chunked\r\n${rest}`), null);
    const twice = poisoned(`content-length: 5\r\ncontent-length: 50\r\ny: ${'0'.repeat(FILLER.length - 42)}\r\n`);
    assert.equal(twice?.fields.serialize().match(/content-length/g)?.length, 1);
    assert.equal(poisoned(`${FILLER}\r\n`, 101), null);
  });
});
