/**
 * Answers of an upstream that are hostile, wrong or merely unusual, and what the client must get for each.
 * `hostile-responses.test.ts` sends them over real sockets.
 */
export interface ResponseCase {
  readonly name: string;
  /** What the upstream sends for the request. */
  readonly bytes: string;
  /** The upstream ends the connection behind its bytes. */
  readonly ends: boolean;
  readonly method: 'GET' | 'HEAD';
  /** Of the client's request. */
  readonly version: '1.0' | '1.1';
  readonly expected: Answer | 'unfinished';
  /** The connection to the upstream may serve another request. */
  readonly reused: boolean;
}
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Fields that must be as said; null: must be absent. */
  readonly fields: Readonly<Record<string, string | null>>;
  readonly trailers: readonly string[];
  readonly informational: readonly number[];
}

type Circumstances = Partial<Pick<ResponseCase, 'ends' | 'method' | 'version' | 'reused'>>;
type Rest = Partial<Omit<Answer, 'status' | 'body'>> & Circumstances;

function make(name: string, bytes: string, expected: ResponseCase['expected'], given: Circumstances): ResponseCase {
  const { ends = false, method = 'GET', version = '1.1', reused = false } = given;
  return { name, bytes, expected, ends, method, version, reused };
}

/** The client gets 502 and nothing else of it, and the connection is not used again. */
function refused(name: string, bytes: string, given: Circumstances = {}): ResponseCase {
  const answer = { status: 502, body: '', fields: {}, trailers: [], informational: [] };
  return make(name, bytes, answer, given);
}

/** The answer crosses, and the connection may serve on unless it says otherwise. */
function forwarded(name: string, bytes: string, status: number, body: string, rest: Rest = {}): ResponseCase {
  const { fields = {}, trailers = [], informational = [], ...given } = rest;
  return make(name, bytes, { status, body, fields, trailers, informational }, { reused: true, ...given });
}

/** The head had crossed when the rest went wrong: the client must be able to tell. */
function unfinished(name: string, bytes: string, given: Circumstances = {}): ResponseCase {
  return make(name, bytes, 'unfinished', given);
}

/** 200 with further field lines and whatever follows the head. */
function ok(lines: readonly string[], content: string): string {
  return `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${content}`;
}
const HELLO = ['Content-Length: 5'];
function line(text: string): string {
  return `${text}\r\nContent-Length: 5\r\n\r\nhello`;
}
function chunked(content: string): string {
  return ok(['Transfer-Encoding: chunked'], content);
}
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const SPLIT = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsmuggled!';
const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join('');

const statusLines: readonly ResponseCase[] = [
  refused('nothing at all', '', { ends: true }),
  refused('a head that is cut', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n', { ends: true }),
  refused('HTTP/0.9, content without a head', '<html>hello</html>\r\n\r\n', { ends: true }),
  refused('ICY', line('ICY 200 OK')),
  refused('HTTP/2.0', line('HTTP/2.0 200 OK')),
  refused('HTTP/1.2', line('HTTP/1.2 200 OK')),
  refused('HTTP/0.9', line('HTTP/0.9 200 OK')),
  refused('http/1.1', line('http/1.1 200 OK')),
  refused('a leading empty line', `\r\n${line('HTTP/1.1 200 OK')}`),
  refused('a leading space', line(' HTTP/1.1 200 OK')),
  refused('two spaces before the status', line('HTTP/1.1  200 OK')),
  refused('a tab before the status', line('HTTP/1.1\t200 OK')),
  refused('a status of two digits', line('HTTP/1.1 20 OK')),
  refused('a status of four digits', line('HTTP/1.1 2000 OK')),
  refused('a status below 100', line('HTTP/1.1 099 OK')),
  refused('a status with a sign', line('HTTP/1.1 +20 OK')),
  refused('a status that is no number', line('HTTP/1.1 2x0 OK')),
  refused('a status that runs into its reason', line('HTTP/1.1 200OK')),
  refused('a bare LF behind the status line', 'HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello'),
  refused('a bare CR in the reason', line('HTTP/1.1 200 O\rK')),
  refused('NUL in the reason', line('HTTP/1.1 200 O\0K')),
  refused('an escape character in the reason', line('HTTP/1.1 200 \x1b[31m')),
  refused('a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  forwarded('no reason', line('HTTP/1.1 200 '), 200, 'hello'),
  forwarded('no reason and no space', line('HTTP/1.1 200'), 200, 'hello'),
  forwarded('a reason in latin1', line('HTTP/1.1 200 D\xe9j\xe0 vu'), 200, 'hello'),
  forwarded('a status that nobody knows', line('HTTP/1.1 299 x'), 299, 'hello'),
  forwarded('a status outside the classes', line('HTTP/1.1 999 x'), 999, 'hello'),
];

const fields: readonly ResponseCase[] = [
  refused('a bare LF behind a field', 'HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello'),
  refused('a bare LF ends the head', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello'),
  refused('bare LF throughout', 'HTTP/1.1 200 OK\nContent-Length: 5\n\nhello'),
  refused('a bare CR in a value', ok(['X: a\rSet-Cookie: b=c', ...HELLO], 'hello')),
  refused('a bare LF in a value', ok(['X: a\nSet-Cookie: b=c', ...HELLO], 'hello')),
  refused('NUL in a value', ok(['X: a\0b', ...HELLO], 'hello')),
  refused('a control character in a value', ok(['X: \x07', ...HELLO], 'hello')),
  refused('a fold', ok(['X: a', ' b', ...HELLO], 'hello')),
  refused('a space before the first field', ok([' X: a', ...HELLO], 'hello')),
  refused('a space before the colon', ok(['Content-Length : 5'], 'hello')),
  refused('no colon', ok(['X', ...HELLO], 'hello')),
  refused('no name', ok([': x', ...HELLO], 'hello')),
  refused('a space in a name', ok(['X Y: z', ...HELLO], 'hello')),
  refused('latin1 in a name', ok(['X\xe9: z', ...HELLO], 'hello')),
  refused('Transfer_Encoding', ok(['Transfer_Encoding: chunked', ...HELLO], 'hello')),
  refused('Content_Length', ok(['Content_Length: 3', ...HELLO], 'hello')),
  refused('an over-long head', ok([`X: ${'a'.repeat(70_000)}`, ...HELLO], 'hello')),
  refused('a head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(200_000)}`),
  refused('too many fields', ok([...Array.from({ length: 200 }, (_, i) => `X-${i}: y`), ...HELLO], 'hello')),
  forwarded(
    'fields of one hop',
    ok(
      [
        'Connection: keep-alive, X-One',
        'X-One: 1',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: x',
        'Upgrade: h2c',
        'X-Two: 2',
        ...HELLO,
      ],
      'hello',
    ),
    200,
    'hello',
    {
      fields: {
        'x-one': null,
        'keep-alive': null,
        'proxy-connection': null,
        upgrade: null,
        connection: null,
        'x-two': '2',
      },
    },
  ),
  forwarded(
    'Connection cannot take Content-Length',
    ok(['Connection: content-length', ...HELLO], 'hello'),
    200,
    'hello',
    {
      fields: { 'content-length': '5' },
    },
  ),
  forwarded('Connection: close', ok(['Connection: close', ...HELLO], 'hello'), 200, 'hello', {
    fields: { connection: null },
    reused: false,
  }),
  forwarded(
    'fields that belong to requests',
    ok(['Host: http://x/', 'Expect: x', 'TE: x', ...HELLO], 'hello'),
    200,
    'hello',
  ),
  forwarded('cookies stay apart', ok(['Set-Cookie: a=b', 'Set-Cookie: c=d', ...HELLO], 'hello'), 200, 'hello', {
    fields: { 'set-cookie': 'a=b, c=d' },
  }),
];

const framing: readonly ResponseCase[] = [
  refused('Content-Length twice, differing', ok(['Content-Length: 5', 'Content-Length: 6'], 'hello')),
  refused('Content-Length as a list', ok(['Content-Length: 5, 5'], 'hello')),
  refused('Content-Length negative', ok(['Content-Length: -5'], 'hello')),
  refused('Content-Length with a plus sign', ok(['Content-Length: +5'], 'hello')),
  refused('Content-Length hexadecimal', ok(['Content-Length: 0x5'], 'hello')),
  refused('Content-Length empty', ok(['Content-Length:'], 'hello')),
  refused('Content-Length past 2^64', ok(['Content-Length: 18446744073709551621'], 'hello')),
  refused('Content-Length before Transfer-Encoding', ok([...HELLO, 'Transfer-Encoding: chunked'], CHUNKS)),
  refused('Content-Length behind Transfer-Encoding', ok(['Transfer-Encoding: chunked', ...HELLO], CHUNKS)),
  refused('Transfer-Encoding identity', ok(['Transfer-Encoding: identity'], 'hello'), { ends: true }),
  refused('Transfer-Encoding gzip, chunked', ok(['Transfer-Encoding: gzip, chunked'], CHUNKS)),
  refused('Transfer-Encoding chunked, gzip', ok(['Transfer-Encoding: chunked, gzip'], CHUNKS)),
  refused('Transfer-Encoding chunked twice', ok(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], CHUNKS)),
  refused('Transfer-Encoding xchunked', ok(['Transfer-Encoding: xchunked'], CHUNKS)),
  refused('Transfer-Encoding with a vertical tab', ok(['Transfer-Encoding: \x0bchunked'], CHUNKS)),
  refused('Transfer-Encoding empty', ok(['Transfer-Encoding:'], CHUNKS)),
  refused('Transfer-Encoding in HTTP/1.0', `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`),
  refused('100 with a length', `HTTP/1.1 100 Continue\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`),
  refused('103 with a length', `HTTP/1.1 103 Early Hints\r\nContent-Length: ${SPLIT.length}\r\n\r\n${SPLIT}`),
  refused('103 chunked', `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}${SPLIT}`),
  refused(
    '101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ),
  forwarded(
    '1xx without end',
    times(2_000, () => 'HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n'),
    502,
    '',
    { informational: new Array(32).fill(103), reused: false },
  ),
  forwarded('Content-Length twice, equal', ok([...HELLO, ...HELLO], 'hello'), 200, 'hello', {
    fields: { 'content-length': '5' },
  }),
  forwarded('Content-Length zero', ok(['Content-Length: 0'], ''), 200, ''),
  forwarded('the end of the connection ends the content', ok([], 'hello'), 200, 'hello', { ends: true, reused: false }),
  forwarded('the same in HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nhello', 200, 'hello', { ends: true, reused: false }),
  forwarded('the same to HTTP/1.0', ok([], 'hello'), 200, 'hello', { ends: true, reused: false, version: '1.0' }),
  forwarded('HTTP/1.0 closes', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 200, 'hello', { reused: false }),
  forwarded(
    'HTTP/1.0 with keep-alive',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello',
    200,
    'hello',
  ),
  forwarded('chunked to HTTP/1.0', chunked(CHUNKS), 200, 'hello', {
    version: '1.0',
    fields: { 'transfer-encoding': null },
  }),
  forwarded(
    '103, then the answer',
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: y\r\n\r\n${ok(HELLO, 'hello')}`,
    200,
    'hello',
    {
      informational: [103],
    },
  ),
  forwarded('103 is nothing for HTTP/1.0', `HTTP/1.1 103 Early Hints\r\n\r\n${ok(HELLO, 'hello')}`, 200, 'hello', {
    version: '1.0',
  }),
  forwarded('100 that nobody waits for', `HTTP/1.1 100 Continue\r\n\r\n${ok(HELLO, 'hello')}`, 200, 'hello'),
  forwarded('204', 'HTTP/1.1 204 No Content\r\n\r\n', 204, ''),
  forwarded('204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', 204, '', {
    fields: { 'content-length': null },
  }),
  forwarded(
    '304 with the length of another answer',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    304,
    '',
    {
      fields: { 'content-length': '5' },
    },
  ),
  forwarded('HEAD with a length', ok(HELLO, ''), 200, '', { method: 'HEAD', fields: { 'content-length': '5' } }),
  forwarded('HEAD, chunked', ok(['Transfer-Encoding: chunked'], ''), 200, '', { method: 'HEAD' }),
  forwarded('HEAD with content', ok(HELLO, 'hello'), 200, '', { method: 'HEAD', reused: false }),
  forwarded('204 with content', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', 204, '', {
    reused: false,
  }),
  forwarded('304 with content', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello', 304, '', {
    reused: false,
  }),
  forwarded('content that is longer than its length', ok(HELLO, 'hello!'), 200, 'hello', { reused: false }),
  forwarded('another answer behind the answer', ok(HELLO, `hello${SPLIT}`), 200, 'hello', { reused: false }),
  forwarded('another answer behind the last chunk', chunked(`${CHUNKS}${SPLIT}`), 200, 'hello', { reused: false }),
  forwarded('another answer behind no content', `HTTP/1.1 204 No Content\r\n\r\n${SPLIT}`, 204, '', { reused: false }),
  forwarded('an empty line behind the answer', ok(HELLO, 'hello\r\n'), 200, 'hello', { reused: false }),
  forwarded('an answer within the answer', ok([`Content-Length: ${SPLIT.length}`], SPLIT), 200, SPLIT),
];

const chunks: readonly ResponseCase[] = [
  unfinished('content that is shorter than its length', ok(HELLO, 'hell'), { ends: true }),
  unfinished('chunks that are cut', chunked('5\r\nhello\r\n'), { ends: true }),
  unfinished('a last chunk that is cut', chunked('5\r\nhello\r\n0\r\n'), { ends: true }),
  unfinished('chunks that are cut, to HTTP/1.0', chunked('5\r\nhello\r\n'), { ends: true, version: '1.0' }),
  unfinished('a chunk size that is none', chunked('x\r\nhello\r\n0\r\n\r\n')),
  unfinished('a chunk size that is negative', chunked('-5\r\nhello\r\n0\r\n\r\n')),
  unfinished('a chunk size with a space', chunked('5 \r\nhello\r\n0\r\n\r\n')),
  unfinished('a chunk size with 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n')),
  unfinished('a chunk size that is too large', chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n')),
  unfinished('a chunk size with a bare LF', chunked('5\nhello\n0\n\n')),
  unfinished('a chunk with a bare LF behind', chunked('5\r\nhello\n0\r\n\r\n')),
  unfinished('a chunk that is longer than its size', chunked('5\r\nhello!\r\n0\r\n\r\n')),
  unfinished('a chunk extension without end', chunked(`5;${'a'.repeat(5_000)}\r\nhello\r\n0\r\n\r\n`)),
  unfinished('a trailer with a bare LF', chunked('5\r\nhello\r\n0\r\nX: a\n\r\n')),
  unfinished('a trailer that is folded', chunked('5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n')),
  unfinished('an over-long trailer', chunked(`0\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`)),
  forwarded('chunks', chunked(CHUNKS), 200, 'hello', { fields: { 'transfer-encoding': 'chunked' } }),
  forwarded('chunk extensions are dropped', chunked('5;a=b\r\nhello\r\n1;"\r\n!\r\n0;c\r\n\r\n'), 200, 'hello!'),
  forwarded('chunk sizes with leading zeros', chunked('005\r\nhello\r\n000\r\n\r\n'), 200, 'hello'),
  forwarded('trailers', chunked('5\r\nhello\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n'), 200, 'hello', {
    trailers: ['x-one', 'x-two'],
  }),
  forwarded(
    'trailers that frame or set cookies',
    chunked(
      '0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\nConnection: close\r\nX: y\r\n\r\n',
    ),
    200,
    '',
    {
      trailers: ['x'],
    },
  ),
];

export const responseCases: readonly ResponseCase[] = [...statusLines, ...fields, ...framing, ...chunks];
