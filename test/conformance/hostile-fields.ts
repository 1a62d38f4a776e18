import { bare, CHUNKS, get, post, type RequestCase, refused, served, times } from './request-case.ts';

/** Field lines and the fields that say something about the connection or its other end. */

const names: readonly RequestCase[] = [
  refused(400, 'Transfer_Encoding', post(['Transfer_Encoding: chunked'], CHUNKS)),
  refused(
    400,
    'TRANSFER_ENCODING beside Content-Length',
    post(['TRANSFER_ENCODING: chunked', 'Content-Length: 15'], CHUNKS),
  ),
  refused(400, 'Content_Length', post(['Content_Length: 5'], 'hello')),
  refused(400, 'a space before the colon', get('Transfer-Encoding : chunked')),
  refused(400, 'a tab before the colon', get('Content-Length\t: 5')),
  refused(400, 'a space before the first name', bare(' Host: a')),
  refused(400, 'a space before a name', get(' Content-Length: 5')),
  refused(400, 'no colon', get('Content-Length')),
  refused(400, 'no name', get(': x')),
  refused(400, 'a space in a name', get('X Y: z')),
  refused(400, 'a bracket in a name', get('X[Y]: z')),
  refused(400, 'a quoted name', get('"X": y')),
  refused(400, 'a slash in a name', get('X/Y: z')),
  refused(400, 'an at sign in a name', get('X@Y: z')),
  refused(400, 'latin1 in a name', get('X\xe9: z')),
  refused(400, 'UTF-8 in a name', get('\xd0\xa5: z')),
  refused(400, 'NUL in a name', get('X\0Y: z')),
  refused(400, 'NUL behind a name', get('Content-Length\0: 5')),
  refused(400, 'DEL in a name', get('X\x7f: z')),
  refused(400, 'a byte order mark before a name', get('\xef\xbb\xbfX: y')),
  served('every character that a name may have', get("!#$%&'*+-.^_`|~09AZaz: y"), 'GET /a', {
    fields: { "!#$%&'*+-.^_`|~09azaz": 'y' },
  }),
  served('an underscore in other names', get('X_Y: z'), 'GET /a', { fields: { x_y: 'z' } }),
  served('names that only begin alike', get('Content-Lengths: 5', 'X-Transfer-Encoding: chunked'), 'GET /a', {
    fields: { 'content-lengths': '5', 'x-transfer-encoding': 'chunked', 'content-length': null },
  }),
];

const values: readonly RequestCase[] = [
  refused(400, 'NUL in a value', get('X: a\0b')),
  refused(400, 'a bare CR in a value', get('X: a\rb')),
  refused(400, 'a bare CR before a smuggled field', get('X: a\rContent-Length: 5')),
  refused(400, 'a bare LF in a value', get('X: a\nb')),
  refused(400, 'a bare LF before a smuggled field', get('X: a\nTransfer-Encoding: chunked')),
  refused(400, 'CR CR LF', get('X: a\r')),
  refused(400, 'an escape character in a value', get('X: \x1b[31m')),
  refused(400, 'a backspace in a value', get('X: a\x08b')),
  refused(400, 'DEL in a value', get('X: a\x7f')),
  refused(400, 'a fold by a space', get('X: a', ' b')),
  refused(400, 'a fold by a tab', get('X: a', '\tb')),
  refused(400, 'a fold of blanks only', get('X: a', ' ')),
  served('an empty value', get('X:'), 'GET /a', { fields: { x: '' } }),
  served('a value of blanks', get('X: \t '), 'GET /a', { fields: { x: '' } }),
  served('latin1, UTF-8 and tabs in a value', get('X: \xe9\t\xc3\xa9'), 'GET /a', { fields: { x: '\xe9\t\xc3\xa9' } }),
  served('colons in a value', get('X: :a: b:'), 'GET /a', { fields: { x: ':a: b:' } }),
  served('a field many times', get('X: 1', 'x: 2', 'X: 3'), 'GET /a', { fields: { x: '1, 2, 3' } }),
];

const hosts: readonly RequestCase[] = [
  refused(400, 'no Host', bare()),
  refused(400, 'Host twice, equal', bare('Host: a', 'Host: a')),
  refused(400, 'Host twice, differing', bare('Host: a', 'hOST: b')),
  refused(400, 'Host twice in HTTP/1.0', 'GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n'),
  refused(400, 'Host empty', bare('Host:')),
  refused(400, 'Host of blanks', bare('Host: \t')),
  refused(400, 'Host folded', bare('Host:', ' a')),
  ...[
    ['a space', 'a b'],
    ['a comma', 'a, b'],
    ['a slash', 'a/b'],
    ['a question mark', 'a?b'],
    ['a number sign', 'a#b'],
    ['a backslash', 'a\\b'],
    ['user information', 'u@a'],
    ['a scheme', 'http://a'],
    ['quotes', '"a"'],
    ['a semicolon, to write into Forwarded', 'a;for=192.0.2.1'],
    ['an escape', 'a%00'],
    ['latin1', '\xe9'],
    ['UTF-8', 'b\xc3\xbccher.example'],
    ['a port that is no number', 'a:b'],
    ['a port that is too long', 'a:123456'],
    ['a port and nothing else', ':80'],
    ['a colon and no port', 'a:'],
    ['two ports', 'a:80:80'],
    ['an address without its end', '[::1'],
    ['an address without its beginning', '::1]'],
    ['an address with something behind', '[::1]a'],
    ['an address without brackets', '::1'],
    ['an address that is none', '[a b]'],
    ['an address with a zone', '[fe80::1%25eth0]'],
    ['nothing in brackets', '[]'],
  ].map(([what, value]) => refused(400, `Host with ${what}`, bare(`Host: ${value}`))),
  served('Host with a port', bare('Host: A.example:8080'), 'GET /a', { fields: { host: 'A.example:8080' } }),
  served('Host with an address', bare('Host: [::FFFF:192.0.2.1]:80'), 'GET /a', {
    fields: { host: '[::FFFF:192.0.2.1]:80' },
  }),
  served('Host with an underscore and a final dot', bare('Host: a_b.example.'), 'GET /a', {
    fields: { host: 'a_b.example.' },
  }),
  served('HTTP/1.0 without Host', 'GET /a HTTP/1.0\r\n\r\n', 'GET /a', { fields: { 'x-forwarded-host': null } }),
];

const hops: readonly RequestCase[] = [
  served(
    'Connection takes the fields that it names',
    get('Connection: close, X-One', 'X-One: 1', 'X-Two: 2'),
    'GET /a',
    {
      fields: { 'x-one': null, 'x-two': '2', connection: null },
    },
  ),
  served(
    'Connection before, behind and in several fields',
    get('X-One: 1', 'Connection: x-one', 'connection: X-Two', 'X-Two: 2'),
    'GET /a',
    {
      fields: { 'x-one': null, 'x-two': null, connection: null },
    },
  ),
  served('Connection cannot take Host', get('Connection: Host'), 'GET /a', { fields: { host: 'a' } }),
  served(
    'Connection cannot take Content-Length',
    post(['Connection: content-length', 'Content-Length: 5'], 'hello'),
    'POST /a hello',
  ),
  served(
    'Connection cannot take Transfer-Encoding',
    post(['Connection: transfer-encoding', 'Transfer-Encoding: chunked'], CHUNKS),
    'POST /a hello',
  ),
  served(
    'Connection cannot take Authorization',
    get('Connection: authorization', 'Authorization: Basic eA=='),
    'GET /a',
    {
      fields: { authorization: 'Basic eA==' },
    },
  ),
  served('Connection cannot take Cookie', get('Connection: cookie', 'Cookie: a=b'), 'GET /a', {
    fields: { cookie: 'a=b' },
  }),
  served(
    'Connection cannot take what the gateway says',
    get('Connection: x-forwarded-for, x-forwarded-host'),
    'GET /a',
    {
      fields: { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'a' },
    },
  ),
  served('Connection with empty items and blanks', get('Connection: , ,\t x-one ,', 'X-One: 1'), 'GET /a', {
    fields: { 'x-one': null },
  }),
  served(
    'fields of one hop',
    get('Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'Proxy-Authorization: x', 'TE: gzip'),
    'GET /a',
    {
      fields: { 'keep-alive': null, 'proxy-connection': null, 'proxy-authorization': null, te: null },
    },
  ),
  served('TE: trailers crosses, said anew', get('Connection: TE', 'TE: gzip, trailers;q=0.5'), 'GET /a', {
    fields: { te: 'trailers', connection: 'te' },
  }),
  served(
    'what clients say about themselves',
    get('X-Forwarded-For: 192.0.2.1', 'Forwarded: for=192.0.2.1', 'X-Real-IP: 192.0.2.1'),
    'GET /a',
    {
      fields: { 'x-forwarded-for': '127.0.0.1', forwarded: null, 'x-real-ip': null },
    },
  ),
  served(
    'Upgrade to h2c is ignored',
    get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
    'GET /a',
    {
      fields: { upgrade: null, connection: null, 'http2-settings': null },
    },
  ),
  served('Upgrade to h2c among others is ignored', get('Connection: Upgrade', 'Upgrade: h2c, websocket'), 'GET /a', {
    fields: { upgrade: null, connection: null },
  }),
  served('Upgrade that Connection does not name', get('Upgrade: websocket'), 'GET /a', { fields: { upgrade: null } }),
  served('Upgrade in HTTP/1.0', 'GET /a HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', 'GET /a', {
    fields: { upgrade: null, connection: null },
  }),
  served(
    'Upgrade with a body',
    post(['Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 5'], 'hello'),
    'POST /a hello',
    {
      fields: { upgrade: null, connection: null },
    },
  ),
  served('Upgrade to what is no protocol', get('Connection: upgrade', 'Upgrade: web socket\xe9'), 'GET /a', {
    fields: { upgrade: null, connection: null },
  }),
  served('Upgrade that the service does not take', get('Connection: upgrade', 'Upgrade: WebSocket'), 'GET /a', {
    fields: { upgrade: 'websocket', connection: 'upgrade' },
  }),
  refused(400, 'an unreasonable number of Connection options', get(`Connection: ${times(2_000, () => 'a,')}`)),
];

const expectations: readonly RequestCase[] = [
  refused(417, 'Expect something', post(['Expect: x', 'Content-Length: 5'], 'hello')),
  refused(417, 'Expect nothing', post(['Expect:', 'Content-Length: 5'], 'hello')),
  refused(417, 'Expect 100-continue and something', post(['Expect: 100-continue, x', 'Content-Length: 5'], 'hello')),
  refused(417, 'Expect 200-ok', post(['Expect: 200-ok', 'Content-Length: 5'], 'hello')),
  served('Expect 100-Continue', post(['Expect: 100-Continue', 'Content-Length: 5'], 'hello'), 'POST /a hello', {
    fields: { expect: '100-continue' },
  }),
  served('Expect without a body', get('Expect: 100-continue'), 'GET /a', { fields: { expect: null } }),
  served(
    'Expect in HTTP/1.0',
    'POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
    'POST /a hello',
    {
      fields: { expect: null },
    },
  ),
];

export const fieldCases: readonly RequestCase[] = [...names, ...values, ...hosts, ...hops, ...expectations];
