import fc from 'fast-check';

/** Arbitrary HTTP/1.1 messages as latin1 text: well-formed ones by the grammar, and what mutation makes of them. */

type Field = readonly [name: string, value: string];

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
const blanks = fc.constantFrom('', ' ', ' ', ' ', '\t', '  \t');
const value = fc.oneof(
  fc.constantFrom('', 'a', 'text/html', '"quoted, value"', 'a, b,c', '\xe9\xff', 'a\tb', ':', '1'),
  fc.stringMatching(/^[!-~]([ -~\x80-\xff]{0,20}[!-~])?$/),
);
const ordinary: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof(
    fc.constantFrom('Accept', 'X-One', 'x-two', 'Cookie', 'Range', 'ETag', 'Content-Type', 'Via', 'Date'),
    token.filter((name) => !/^(?:content-length|transfer-encoding|host|connection|expect|upgrade|te)$/i.test(name)),
  ),
  value,
);
const requestSpecial: fc.Arbitrary<Field> = fc.constantFrom<Field>(
  ['Connection', 'keep-alive'],
  ['connection', 'X-One, close'],
  ['Connection', 'te, X-Two'],
  ['TE', 'trailers'],
  ['Expect', '100-continue'],
  ['Keep-Alive', 'timeout=5'],
  ['Upgrade', 'websocket'],
);
const responseSpecial: fc.Arbitrary<Field> = fc.constantFrom<Field>(
  ['Connection', 'keep-alive'],
  ['Connection', 'X-One, close'],
  ['Set-Cookie', 'a=b'],
  ['Keep-Alive', 'timeout=5'],
);

function fieldLine([name, text]: Field, before: string, behind: string): string {
  return `${name}:${before}${text}${behind}\r\n`;
}
const line = (field: fc.Arbitrary<Field>): fc.Arbitrary<string> =>
  fc.tuple(field, blanks, blanks).map(([each, before, behind]) => fieldLine(each, before, behind));

const data = fc.oneof(
  fc.stringMatching(/^[\x00-\xff]{1,40}$/),
  fc.constantFrom('\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'a'.repeat(300)),
);

interface Body {
  readonly fields: readonly string[];
  readonly content: string;
}
const noBody: fc.Arbitrary<Body> = fc.constant({ fields: [], content: '' });
const sizedBody: fc.Arbitrary<Body> = fc
  .tuple(fc.oneof(data, fc.constant('')), fc.constantFrom('', '0', '000'))
  .map(([content, zeros]) => ({ fields: [`Content-Length: ${zeros}${content.length}\r\n`], content }));

const extension = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom(';a', ';a=b', ';a="b c"', ';a=b;c') },
);
const chunk = fc
  .tuple(data, extension, fc.constantFrom('', '', '', '0', '00'), fc.boolean())
  .map(([content, behind, zeros, capitals]) => {
    const size = content.length.toString(16);
    return `${zeros}${capitals ? size.toUpperCase() : size}${behind}\r\n${content}\r\n`;
  });
const chunkedBody: fc.Arbitrary<Body> = fc
  .tuple(
    fc.array(chunk, { maxLength: 4 }),
    fc.constantFrom('0', '0', '000', '0;a=b'),
    fc.array(line(ordinary), { maxLength: 2 }),
    fc.constantFrom('chunked', 'Chunked'),
  )
  .map(([chunks, last, trailers, coding]) => ({
    fields: [`Transfer-Encoding: ${coding}\r\n`],
    content: `${chunks.join('')}${last}\r\n${trailers.join('')}\r\n`,
  }));

const method = fc.oneof(
  { weight: 3, arbitrary: fc.constant('GET') },
  { weight: 2, arbitrary: fc.constantFrom('POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'M-SEARCH') },
);
const requestTarget = fc.oneof(
  fc.constantFrom('/', '/a/b', '/a?b=c', '/a//b', '/%61', '/a?%zz', '//b', '/a;b=c', 'http://a/b?c', 'http://a?b'),
  fc.stringMatching(/^\/[!$&-9:;=@A-Z_a-z~]{0,20}(\?[!$&-;=?-Z_a-z~]{0,10})?$/),
);

/** One request that RFC 9112 allows. */
export const request: fc.Arbitrary<string> = fc
  .record({
    method,
    target: requestTarget,
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    host: fc.constantFrom('a', 'a.example:8080', '[::1]:80'),
    body: fc.oneof(noBody, sizedBody, chunkedBody),
    fields: fc.array(line(fc.oneof({ weight: 4, arbitrary: ordinary }, { weight: 1, arbitrary: requestSpecial })), {
      maxLength: 5,
    }),
  })
  .map(({ method, target, version, host, body, fields }) => {
    const authority = target.startsWith('http:') ? 'a' : host;
    const framing = version === '1.0' && body.fields[0]?.startsWith('Transfer') ? { fields: [], content: '' } : body;
    const lines = [...fields, ...framing.fields];
    // Framing stands anywhere among the others.
    if (lines.length > 1) lines.splice(fields.length % lines.length, 0, lines.pop() as string);
    return `${method} ${target} HTTP/${version}\r\nHost: ${authority}\r\n${lines.join('')}\r\n${framing.content}`;
  });

/** Up to three of them in a row. */
export const requests: fc.Arbitrary<string> = fc
  .array(request, { minLength: 1, maxLength: 3 })
  .map((each) => each.join(''));

const informational = fc.constantFrom(
  '',
  '',
  '',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
);

/** One response that RFC 9112 allows, to a request of that method. */
export const response: fc.Arbitrary<{ method: string; text: string }> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST'),
    before: informational,
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    status: fc.constantFrom(200, 200, 200, 201, 204, 206, 301, 304, 404, 500),
    reason: fc.constantFrom(' OK', ' ', '', ' Not Found \xe9'),
    body: fc.oneof(noBody, sizedBody, chunkedBody),
    fields: fc.array(line(fc.oneof({ weight: 4, arbitrary: ordinary }, { weight: 1, arbitrary: responseSpecial })), {
      maxLength: 4,
    }),
  })
  .map(({ method, before, version, status, reason, body, fields }) => {
    const unframed = status === 204 || (version === '1.0' && body.fields[0]?.startsWith('Transfer') === true);
    const framing = unframed ? { fields: [], content: '' } : body;
    const content = method === 'HEAD' || status === 304 ? '' : framing.content;
    const head = `HTTP/${version} ${status}${reason}\r\n${fields.join('')}${framing.fields.join('')}\r\n`;
    return { method, text: `${version === '1.0' ? '' : before}${head}${content}` };
  });

interface Mutation {
  readonly kind: 'insert' | 'replace' | 'remove' | 'repeat' | 'swapCase';
  /** Where, as a part of the whole. */
  readonly at: number;
  readonly length: number;
  readonly text: string;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'replace', 'remove', 'repeat', 'swapCase'),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  length: fc.integer({ min: 1, max: 12 }),
  text: fc.oneof(
    fc.constantFrom('\r', '\n', '\r\n', '\0', ' ', '\t', '\x0b', '\x7f', '\x80', '\xff', ':', ',', ';', '_', '-', '+'),
    fc.constantFrom('0', '1', 'x', '"', '%', '#', '/', '\\', '?', '@', '\r\n ', '\r\n\r\n', '0\r\n\r\n', 'HTTP/1.1'),
    fc.constantFrom(
      'Content-Length: 5\r\n',
      'Content-Length: 0\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: gzip, chunked\r\n',
      'Transfer_Encoding: chunked\r\n',
      'Host: b\r\n',
      'Connection: close\r\n',
      'Expect: x\r\n',
      ' folded\r\n',
    ),
  ),
});

function mutate(text: string, { kind, at, length, text: other }: Mutation): string {
  // Whole lines go where lines begin, since elsewhere they are only noise.
  const place = Math.floor(at * text.length);
  const index = other.length > 8 && other.endsWith('\r\n') ? text.indexOf('\n', place) + 1 : place;
  const end = index + length;
  switch (kind) {
    case 'insert':
      return text.slice(0, index) + other + text.slice(index);
    case 'replace':
      return text.slice(0, index) + other + text.slice(index + other.length);
    case 'remove':
      return text.slice(0, index) + text.slice(end);
    case 'repeat':
      return text.slice(0, end) + text.slice(index);
    default: {
      const part = text.slice(index, end);
      return (
        text.slice(0, index) + (part === part.toUpperCase() ? part.toLowerCase() : part.toUpperCase()) + text.slice(end)
      );
    }
  }
}

/** The same text with up to three things done to it. */
export function mutated<T>(arbitrary: fc.Arbitrary<T>, read: (value: T) => string): fc.Arbitrary<string> {
  return fc
    .tuple(arbitrary, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([each, mutations]) => mutations.reduce(mutate, read(each)));
}

/** Cuts a text into pieces at arbitrary places. */
export function piecesOf(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => Math.floor(cut * text.length)))].sort((a, b) => a - b);
  const pieces: string[] = [];
  let from = 0;
  for (const place of places) {
    if (place > from) pieces.push(text.slice(from, place));
    from = Math.max(from, place);
  }
  pieces.push(text.slice(from));
  return pieces;
}

export const cuts: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 1,
  maxLength: 12,
});
