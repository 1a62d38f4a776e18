/**
 * Requests that are hostile, wrong or merely unusual, each with the answer that a gateway owes them. Texts are latin1,
 * one character a byte. `hostile-requests.test.ts` sends them over real sockets.
 */
export interface RequestCase {
  readonly name: string;
  readonly bytes: string;
  /** Statuses of the answers in order; a refusal is always the last. */
  readonly answers: readonly number[];
  /** What the upstream got: `METHOD target` and, behind another space, the body. */
  readonly forwarded: readonly string[];
  /** Fields of the last forwarded request that must be as said; null: must be absent. */
  readonly fields: Readonly<Record<string, string | null>>;
  /** Trailers of the last forwarded request; names in lower case. */
  readonly trailers: readonly string[];
  /** The client ends its sending side behind the bytes, which are not a whole request. */
  readonly cut: boolean;
  /** The gateway ends the connection: after every refusal but those that understood the whole request. */
  readonly closed: boolean;
}

type Extra = Partial<Pick<RequestCase, 'fields' | 'trailers'>>;

function refused(status: number, name: string, bytes: string, closed = true): RequestCase {
  return { name, bytes, answers: [status], forwarded: [], fields: {}, trailers: [], cut: false, closed };
}

/** The first requests are served, then one is refused. */
function refusedBehind(forwarded: readonly string[], status: number, name: string, bytes: string): RequestCase {
  const answers = [...forwarded.map(() => 200), status];
  return { name, bytes, answers, forwarded, fields: {}, trailers: [], cut: false, closed: true };
}

function served(name: string, bytes: string, forwarded: string | readonly string[], extra: Extra = {}): RequestCase {
  const list = typeof forwarded === 'string' ? [forwarded] : forwarded;
  return {
    name,
    bytes,
    answers: list.map(() => 200),
    forwarded: list,
    fields: {},
    trailers: [],
    cut: false,
    closed: false,
    ...extra,
  };
}

function cutShort(name: string, bytes: string): RequestCase {
  return { name, bytes, answers: [], forwarded: [], fields: {}, trailers: [], cut: true, closed: true };
}

/** A GET with further field lines. */
function get(...lines: string[]): string {
  return `GET /a HTTP/1.1\r\n${['Host: a', ...lines].join('\r\n')}\r\n\r\n`;
}
/** A GET without a Host of ours. */
function bare(...lines: string[]): string {
  return `GET /a HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}
/** A POST with field lines and whatever follows its head. */
function post(lines: readonly string[], body: string): string {
  return `POST /a HTTP/1.1\r\n${['Host: a', ...lines].join('\r\n')}\r\n\r\n${body}`;
}
function length(value: string): string {
  return post([`Content-Length: ${value}`], 'hello');
}
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
function coding(...values: string[]): string {
  return post(
    values.map((value) => `Transfer-Encoding: ${value}`),
    CHUNKS,
  );
}
function chunked(body: string): string {
  return post(['Transfer-Encoding: chunked'], body);
}
/** A request line of its own, the rest harmless. */
function line(text: string): string {
  return `${text}\r\nHost: a\r\n\r\n`;
}
function target(text: string): string {
  return line(`GET ${text} HTTP/1.1`);
}
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join('');

const contentLengths: readonly RequestCase[] = [
  refused(400, 'Content-Length twice, differing', post(['Content-Length: 5', 'Content-Length: 6'], 'hello')),
  refused(
    400,
    'Content-Length twice, differing, zero first',
    post(['Content-Length: 0', 'Content-Length: 5'], 'hello'),
  ),
  refused(400, 'Content-Length as a list of equal values', length('5, 5')),
  refused(400, 'Content-Length as a list of differing values', length('5, 6')),
  refused(400, 'Content-Length with a trailing comma', length('5,')),
  refused(400, 'Content-Length with a plus sign', length('+5')),
  refused(400, 'Content-Length negative', length('-5')),
  refused(400, 'Content-Length minus zero', length('-0')),
  refused(400, 'Content-Length hexadecimal', length('0x5')),
  refused(400, 'Content-Length with letters behind', length('5a')),
  refused(400, 'Content-Length with a space inside', length('5 5')),
  refused(400, 'Content-Length with a tab inside', length('5\t5')),
  refused(400, 'Content-Length with a fraction', length('5.0')),
  refused(400, 'Content-Length with an exponent', length('1e1')),
  refused(400, 'Content-Length with an underscore', length('1_0')),
  refused(400, 'Content-Length with a parameter', length('5;a=b')),
  refused(400, 'Content-Length quoted', length('"5"')),
  refused(400, 'Content-Length empty', length('')),
  refused(400, 'Content-Length of blanks', length(' \t ')),
  refused(400, 'Content-Length past 2^64', length('18446744073709551621')),
  refused(400, 'Content-Length past 2^53', length('9007199254740993')),
  refused(400, 'Content-Length behind a vertical tab', length('\x0b5')),
  refused(400, 'Content-Length behind a no-break space', length('\xa05')),
  refused(400, 'Content-Length in full-width digits', length('\xef\xbc\x95')),
  refused(400, 'Content-Length with NUL', length('5\0')),
  served(
    'Content-Length twice, equal, is one',
    post(['Content-Length: 5', 'Content-Length: 5'], 'hello'),
    'POST /a hello',
    {
      fields: { 'content-length': '5' },
    },
  ),
  served('Content-Length with leading zeros', length('0005'), 'POST /a hello'),
  served('Content-Length with blanks around', post(['Content-Length: \t 5 \t'], 'hello'), 'POST /a hello'),
  served('Content-Length without a blank', post(['content-LENGTH:5'], 'hello'), 'POST /a hello'),
  served('Content-Length zero', post(['Content-Length: 0'], ''), 'POST /a'),
  served('a body on GET', get('Content-Length: 5').concat('hello'), 'GET /a hello'),
];

const transferCodings: readonly RequestCase[] = [
  refused(
    400,
    'Content-Length before Transfer-Encoding',
    post(['Content-Length: 5', 'Transfer-Encoding: chunked'], CHUNKS),
  ),
  refused(
    400,
    'Content-Length behind Transfer-Encoding',
    post(['Transfer-Encoding: chunked', 'Content-Length: 5'], CHUNKS),
  ),
  refused(
    400,
    'Content-Length zero with Transfer-Encoding',
    post(['Content-Length: 0', 'Transfer-Encoding: chunked'], CHUNKS),
  ),
  refused(400, 'Transfer-Encoding chunked in two fields', coding('chunked', 'chunked')),
  refused(400, 'Transfer-Encoding chunked twice in one field', coding('chunked, chunked')),
  refused(400, 'Transfer-Encoding identity', coding('identity')),
  refused(400, 'Transfer-Encoding identity, then chunked', coding('identity', 'chunked')),
  refused(400, 'Transfer-Encoding chunked, identity', coding('chunked, identity')),
  refused(400, 'Transfer-Encoding chunked, then identity', coding('chunked', 'identity')),
  refused(400, 'Transfer-Encoding gzip, chunked', coding('gzip, chunked')),
  refused(400, 'Transfer-Encoding gzip', coding('gzip')),
  refused(400, 'Transfer-Encoding xchunked', coding('xchunked')),
  refused(400, 'Transfer-Encoding chunkedx', coding('chunkedx')),
  refused(400, 'Transfer-Encoding quoted', coding('"chunked"')),
  refused(400, 'Transfer-Encoding in single quotes', coding("'chunked'")),
  refused(400, 'Transfer-Encoding with a parameter', coding('chunked;q=1')),
  refused(400, 'Transfer-Encoding with a leading comma', coding(', chunked')),
  refused(400, 'Transfer-Encoding with a trailing comma', coding('chunked,')),
  refused(400, 'Transfer-Encoding broken by a blank', coding('chu nked')),
  refused(400, 'Transfer-Encoding empty', coding('')),
  refused(400, 'Transfer-Encoding empty, then chunked', coding('', 'chunked')),
  refused(400, 'Transfer-Encoding behind a vertical tab', coding('\x0bchunked')),
  refused(400, 'Transfer-Encoding before a form feed', coding('chunked\x0c')),
  refused(400, 'Transfer-Encoding before a no-break space', coding('chunked\xa0')),
  refused(400, 'Transfer-Encoding with NUL', coding('chunked\0')),
  refused(400, 'Transfer-Encoding with a bare CR', coding('chunked\r')),
  refused(400, 'Transfer-Encoding folded', post(['Transfer-Encoding:', ' chunked'], CHUNKS)),
  refused(400, 'Transfer-Encoding with the long s', coding('chunked'.replace('c', '\xc5\xbf'))),
  refused(
    400,
    'Transfer-Encoding in HTTP/1.0',
    `POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  ),
  served('Transfer-Encoding in capitals', coding('CHUNKED'), 'POST /a hello', {
    fields: { 'transfer-encoding': 'chunked', 'content-length': null },
  }),
  served('Transfer-Encoding with blanks around', coding(' \t chunked\t '), 'POST /a hello'),
  served('chunked on GET', get('Transfer-Encoding: chunked').concat(CHUNKS), 'GET /a hello'),
  served('other codings belong elsewhere', post(['Content-Encoding: gzip', 'Content-Length: 1'], 'x'), 'POST /a x', {
    fields: { 'content-encoding': 'gzip' },
  }),
];

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

const lineEnds: readonly RequestCase[] = [
  refused(400, 'a bare LF behind the request line', 'GET /a HTTP/1.1\nHost: a\r\n\r\n'),
  refused(400, 'a bare LF behind a field', 'GET /a HTTP/1.1\r\nHost: a\n\r\n'),
  refused(400, 'a bare LF ends the head', 'GET /a HTTP/1.1\r\nHost: a\r\n\n'),
  refused(400, 'bare LF throughout', 'GET /a HTTP/1.1\nHost: a\n\n'),
  refused(400, 'a bare CR behind the request line', 'GET /a HTTP/1.1\rHost: a\r\n\r\n'),
  refused(400, 'bare CR throughout', 'GET /a HTTP/1.1\rHost: a\r\r'.concat('\n')),
  refused(400, 'LF CR', 'GET /a HTTP/1.1\n\rHost: a\n\r\n\r'),
  refused(400, 'a leading LF', `\n${get()}`),
  refused(400, 'a leading CR', `\r${get()}`),
  refused(400, 'two leading empty lines', `\r\n\r\n${get()}`),
  refused(400, 'a leading space', ` ${get()}`),
  served('one leading empty line', `\r\n${get()}`, 'GET /a'),
  served('an empty line behind a body, as old clients have it', `${length('5')}\r\n${get()}`, [
    'POST /a hello',
    'GET /a',
  ]),
];

const requestLines: readonly RequestCase[] = [
  refused(400, 'two spaces behind the method', line('GET  /a HTTP/1.1')),
  refused(400, 'two spaces before the version', line('GET /a  HTTP/1.1')),
  refused(400, 'tabs between the parts', line('GET\t/a\tHTTP/1.1')),
  refused(400, 'a space behind the version', line('GET /a HTTP/1.1 ')),
  refused(400, 'four parts', line('GET /a /b HTTP/1.1')),
  refused(400, 'HTTP/0.9, without a version', 'GET /a\r\n\r\n'),
  refused(505, 'version HTTP/0.9', line('GET /a HTTP/0.9')),
  refused(505, 'version HTTP/1.2', line('GET /a HTTP/1.2')),
  refused(505, 'version HTTP/2.0', line('GET /a HTTP/2.0')),
  refused(505, 'version HTTP/3.0', line('GET /a HTTP/3.0')),
  refused(505, 'the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused(400, 'version HTTP/2', line('GET /a HTTP/2')),
  refused(400, 'version HTTP/1', line('GET /a HTTP/1')),
  refused(400, 'version HTTP/1.10', line('GET /a HTTP/1.10')),
  refused(400, 'version HTTP/11.1', line('GET /a HTTP/11.1')),
  refused(400, 'version HTTP/1,1', line('GET /a HTTP/1,1')),
  refused(400, 'version HTTP/1.x', line('GET /a HTTP/1.x')),
  refused(400, 'version HTTP/01.1', line('GET /a HTTP/01.1')),
  refused(400, 'version HTTP/+1.1', line('GET /a HTTP/+1.1')),
  refused(400, 'version http/1.1', line('GET /a http/1.1')),
  refused(400, 'version HTTPS/1.1', line('GET /a HTTPS/1.1')),
  refused(400, 'version RTSP/1.0', line('GET /a RTSP/1.0')),
  refused(400, 'no target', line('GET HTTP/1.1')),
  refused(400, 'an empty target', line('GET  HTTP/1.1')),
  refused(400, 'no method', line(' /a HTTP/1.1')),
  refused(400, 'a parenthesis in the method', line('GE(T /a HTTP/1.1')),
  refused(400, 'latin1 in the method', line('G\xc9T /a HTTP/1.1')),
  refused(400, 'NUL in the method', line('G\0T /a HTTP/1.1')),
  refused(400, 'a colon in the method', line('GET: /a HTTP/1.1')),
  refused(400, 'an over-long method', line(`${'M'.repeat(65)} /a HTTP/1.1`)),
  refused(400, 'NUL in the target', target('/a\0')),
  refused(400, 'a tab in the target', target('/a\tb')),
  refused(400, 'DEL in the target', target('/a\x7f')),
  refused(400, 'latin1 in the target', target('/\xe9')),
  refused(400, 'UTF-8 in the target', target('/\xc3\xa9')),
  refused(400, 'a TLS ClientHello', `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'\x00'.repeat(100)}`),
  refused(400, 'another protocol', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'),
  refused(400, 'a PROXY header that nobody expects', `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get()}`),
  refused(400, 'a response', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  served('a method in small letters is another method', line('get /a HTTP/1.1'), 'get /a'),
  served('an unknown method', line("M-SEARCH!#$%&'*+.^_`|~ /a HTTP/1.1"), "M-SEARCH!#$%&'*+.^_`|~ /a"),
  served('the longest method', line(`${'M'.repeat(64)} /a HTTP/1.1`), `${'M'.repeat(64)} /a`),
];

const targets: readonly RequestCase[] = [
  refused(400, 'authority-form', target('a:80')),
  refused(400, 'CONNECT', line('CONNECT a:443 HTTP/1.1')),
  refused(400, 'CONNECT with a path', line('CONNECT /a HTTP/1.1')),
  refused(400, 'asterisk-form', line('OPTIONS * HTTP/1.1')),
  refused(400, 'a relative target', target('a/b')),
  refused(400, 'only a query', target('?x')),
  refused(400, 'a fragment', target('/a#b')),
  refused(400, 'a fragment in the query', target('/a?b#c')),
  refused(400, 'a backslash', target('/a\\b')),
  refused(400, 'an absolute-form target that contradicts Host', target('http://b/a')),
  refused(400, 'an absolute-form target with another port than Host', target('http://a:81/a')),
  refused(400, 'an absolute-form target with user information', target('http://a@a/a')),
  refused(400, 'an absolute-form target with another scheme', target('ftp://a/a')),
  refused(400, 'an absolute-form target with a file scheme', target('file:///etc/passwd')),
  refused(400, 'an absolute-form target without an authority', target('http:///a')),
  refused(400, 'an absolute-form target without slashes', target('http:a/a')),
  refused(400, 'an absolute-form target with a fragment', target('http://a/a#b')),
  refused(400, 'an absolute-form target with a bad port', 'GET http://a:b/ HTTP/1.0\r\n\r\n'),
  refused(400, 'an absolute-form target with a broken address', 'GET http://[::1/ HTTP/1.0\r\n\r\n'),
  refused(400, 'an encoded NUL', target('/a%00')),
  refused(400, 'an encoded LF', target('/a%0ab')),
  refused(400, 'an encoded backslash', target('/a%5cb')),
  refused(400, 'an encoded slash', target('/a%2Fb')),
  refused(400, 'an escape that is none', target('/%zz')),
  refused(400, 'an escape that is cut', target('/%4')),
  refused(400, 'dot segments that leave the root', target('/../a')),
  refused(400, 'encoded dot segments that leave the root', target('/%2e%2E/a')),
  refused(400, 'dot segments with a parameter', target('/a/..;/b')),
  refused(400, 'dot segments behind an encoded slash', target('/a/..%2fb')),
  refused(400, 'over-long UTF-8', target('/a/%c0%ae%c0%ae/b')),
  served('an absolute-form target', target('http://a/b?c'), 'GET /b?c', { fields: { host: 'a' } }),
  served('an absolute-form target in capitals', target('HTTP://A/b'), 'GET /b', { fields: { host: 'a' } }),
  served('an absolute-form target and Host in different cases', 'GET http://a/b HTTP/1.1\r\nHost: A\r\n\r\n', 'GET /b'),
  served('an absolute-form target without a path', target('http://a'), 'GET /'),
  served('an absolute-form target with only a query', target('http://a?b'), 'GET /?b'),
  served('an absolute-form target in HTTP/1.0 names the host', 'GET http://b:81/c HTTP/1.0\r\n\r\n', 'GET /c', {
    fields: { host: 'b:81' },
  }),
  served('two leading slashes are no authority', target('//b/c'), 'GET //b/c', { fields: { host: 'a' } }),
  served('dot segments', target('/a/./b/../c'), 'GET /a/c'),
  served('escaped letters', target('/%61%2e%7e?%61'), 'GET /a.~?%61'),
  served('escapes have one spelling', target('/%c3%a9'), 'GET /%C3%A9'),
  served('characters that URLs should not have', target('/"<>^`{|}?"<>^`{|}\\'), 'GET /"<>^`{|}?"<>^`{|}\\'),
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

const sizes: readonly RequestCase[] = [
  refused(414, 'an over-long target', target(`/${'a'.repeat(8_192)}`)),
  refused(414, 'a target longer than any head', target(`/${'a'.repeat(100_000)}`)),
  refused(431, 'an over-long value', get(`X: ${'a'.repeat(40_000)}`)),
  refused(431, 'an over-long name', get(`${'x'.repeat(40_000)}: a`)),
  refused(431, 'too many bytes of fields', get(times(90, (i) => `X-${i}: ${'a'.repeat(400)}\r\n`).concat('X: x'))),
  refused(431, 'too many fields', get(times(100, (i) => `X-${i}: y\r\n`).concat('X: x'))),
  refused(431, 'blanks without end', get(`X:${' '.repeat(40_000)}`)),
  refused(400, 'an endless method', 'A'.repeat(40_000)),
  refused(
    413,
    'a body above the route\u2019s limit',
    'POST /small/a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world',
    false,
  ),
  refused(
    413,
    'a chunked body above the route\u2019s limit',
    'POST /small/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n',
  ),
  served('the longest target', target(`/${'a'.repeat(8_191)}`), `GET /${'a'.repeat(8_191)}`),
  served('as many fields as may be', get(times(98, (i) => `X-${i}: y\r\n`).concat('X: x')), 'GET /a', {
    fields: { x: 'x' },
  }),
];

const chunks: readonly RequestCase[] = [
  refused(400, 'a chunk size with a bare LF', chunked('5\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a bare CR', chunked('5\rhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with CR CR LF', chunked('5\r\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size that is negative', chunked('-5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a plus sign', chunked('+5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with 0x', chunked('0x5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with an h', chunked('5h\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a space before', chunked(' 5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a space behind', chunked('5 \r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a tab behind', chunked('5\t\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with a space before its extension', chunked('5 ;a\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with NUL', chunked('5\0\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with an underscore', chunked('0_5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size that is a list', chunked('5,5\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size that is quoted', chunked('"5"\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size that is missing', chunked('\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size of an extension only', chunked(';a=b\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size of 2^64 and five', chunked('10000000000000005\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size of 2^64 minus one', chunked('ffffffffffffffff\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size of 2^53', chunked('20000000000000\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk size with digits without end', chunked(`${'0'.repeat(10_000)}5\r\nhello\r\n0\r\n\r\n`)),
  refused(400, 'a chunk that is longer than its size', chunked('4\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk that is shorter than its size', chunked('6\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk with a bare LF behind', chunked('5\r\nhello\n0\r\n\r\n')),
  refused(400, 'a chunk with a bare CR behind', chunked('5\r\nhello\r0\r\n\r\n')),
  refused(400, 'a chunk with nothing behind', chunked('5\r\nhello0\r\n\r\n')),
  refused(400, 'a chunk with two empty lines behind', chunked('5\r\nhello\r\n\r\n0\r\n\r\n')),
  refused(400, 'a second chunk that is wrong', chunked('5\r\nhello\r\nx\r\n')),
  refused(400, 'a chunk extension with a bare LF', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk extension with a bare CR', chunked('5;a\rb\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk extension with NUL', chunked('5;a\0\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk extension with a line break in quotes', chunked('5;a="\n"\r\nhello\r\n0\r\n\r\n')),
  refused(400, 'a chunk extension without end', chunked(`5;${'a'.repeat(5_000)}\r\nhello\r\n0\r\n\r\n`)),
  refused(400, 'chunk extensions without end', chunked(`${times(500, () => `1;${'a'.repeat(20)}\r\nx\r\n`)}0\r\n\r\n`)),
  refused(400, 'a last chunk with a bare LF', chunked('5\r\nhello\r\n0\n\r\n')),
  refused(
    400,
    'a last chunk and then no empty line',
    chunked('5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'),
  ),
  refused(400, 'an end of trailers with a bare LF', chunked('5\r\nhello\r\n0\r\n\n')),
  refused(400, 'a trailer that is folded', chunked('5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n')),
  refused(400, 'a trailer with a bare LF', chunked('5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n')),
  refused(400, 'a trailer without a colon', chunked('5\r\nhello\r\n0\r\nX\r\n\r\n')),
  refused(400, 'a trailer with NUL', chunked('5\r\nhello\r\n0\r\nX: \0\r\n\r\n')),
  refused(431, 'an over-long trailer', chunked(`0\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`)),
  refused(431, 'too many trailers', chunked(`0\r\n${times(101, (i) => `X-${i}: y\r\n`)}\r\n`)),
  served(
    'chunk sizes in both cases',
    chunked('A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n'),
    'POST /a 01234567890123456789',
  ),
  served('chunk sizes with leading zeros', chunked('0005\r\nhello\r\n0000\r\n\r\n'), 'POST /a hello'),
  served(
    'chunk extensions are dropped',
    chunked('5;a\r\nhello\r\n1; b = "c;\t\xe9" \r\n!\r\n0;d=e\r\n\r\n'),
    'POST /a hello!',
  ),
  served('data that looks like a last chunk', chunked('7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'), 'POST /a \r\n0\r\n\r\n'),
  served('no chunk but the last', chunked('0\r\n\r\n'), 'POST /a'),
  served('trailers', chunked('5\r\nhello\r\n0\r\nX-One: 1\r\nX-Two:\t2 \r\n\r\n'), 'POST /a hello', {
    trailers: ['x-one', 'x-two'],
  }),
  served(
    'trailers that frame, route or say who',
    chunked(
      `0\r\n${['Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: b', 'Authorization: x', 'Cookie: a=b', 'Connection: close', 'Expect: x', 'X-Forwarded-For: 192.0.2.1', 'Forwarded: for=192.0.2.1', 'X-One: 1'].join('\r\n')}\r\n\r\n`,
    ),
    'POST /a',
    { trailers: ['x-one'] },
  ),
];

const sequences: readonly RequestCase[] = [
  refused(400, 'CL.TE', post(['Content-Length: 6', 'Transfer-Encoding: chunked'], '0\r\n\r\nG')),
  refused(400, 'TE.CL', post(['Transfer-Encoding: chunked', 'Content-Length: 4'], `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`)),
  refused(400, 'TE.TE', post(['Transfer-Encoding: chunked', 'Transfer-encoding: x'], `0\r\n\r\n${SMUGGLED}`)),
  refused(
    400,
    'TE.TE with a space',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding : x'], `0\r\n\r\n${SMUGGLED}`),
  ),
  refused(400, 'TE.0', post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], SMUGGLED)),
  refused(
    400,
    'a smuggled field behind a fold',
    post(['X: y', '\tTransfer-Encoding: chunked', 'Content-Length: 0'], ''),
  ),
  refused(400, 'a split head by an encoded CR LF in the raw', target('/a\r\nX: y')),
  served('a request inside a body', post([`Content-Length: ${SMUGGLED.length}`], SMUGGLED), `POST /a ${SMUGGLED}`),
  served(
    'a request inside a chunk',
    chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    `POST /a ${SMUGGLED}`,
  ),
  served('CL.0: the next request is the next request', `${post(['Content-Length: 0'], '')}${SMUGGLED}`, [
    'POST /a',
    'GET /smuggled',
  ]),
  served('GET without a length has no body', `${get()}${SMUGGLED}`, ['GET /a', 'GET /smuggled']),
  served('pipelined, framed in each way', `${length('5')}${chunked(CHUNKS)}${get()}`, [
    'POST /a hello',
    'POST /a hello',
    'GET /a',
  ]),
  served('Connection: close is the end', `${get('Connection: close')}${SMUGGLED}`, 'GET /a'),
  served('HTTP/1.0 is the end', `GET /a HTTP/1.0\r\n\r\n${SMUGGLED}`, 'GET /a'),
  served('HTTP/1.0 with keep-alive goes on', `GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${SMUGGLED}`, [
    'GET /a',
    'GET /smuggled',
  ]),
  refusedBehind(['GET /a'], 400, 'garbage behind a request', `${get()}garbage\r\n\r\n${SMUGGLED}`),
  refusedBehind(['POST /a hello'], 400, 'a body that is longer than its length', `${length('5')}x\r\n\r\n${SMUGGLED}`),
  refusedBehind(['POST /a hello'], 400, 'garbage behind the last chunk', `${chunked(CHUNKS)}\0${SMUGGLED}`),
  refusedBehind(['GET /a'], 400, 'a bad request behind a good one', `${get()}${coding('xchunked')}`),
  cutShort('a head that is cut', 'GET /a HTTP/1.1\r\nHost: a\r\nX: '),
  cutShort('a body that is cut', length('6')),
  cutShort('chunks that are cut', chunked('5\r\nhello\r\n')),
  cutShort('a last chunk that is cut', chunked('5\r\nhello\r\n0\r\n')),
  cutShort('trailers that are cut', chunked('5\r\nhello\r\n0\r\nX: y\r\n')),
];

export const requestCases: readonly RequestCase[] = [
  ...contentLengths,
  ...transferCodings,
  ...names,
  ...values,
  ...lineEnds,
  ...requestLines,
  ...targets,
  ...hosts,
  ...hops,
  ...expectations,
  ...sizes,
  ...chunks,
  ...sequences,
];
