/**
 * A reader of HTTP/1.1 messages straight from the grammar of RFC 9112, for judging what the gateway writes. It shares
 * nothing with the gateway's own codec, takes only what RFC 9112 lets a sender send, and is slow.
 */
export type Fields = readonly (readonly [name: string, value: string])[];

interface StrictMessage {
  /** Names in lower case. */
  readonly fields: Fields;
  readonly body: Buffer;
  readonly trailers: Fields;
  /** Offset behind the message. */
  readonly end: number;
  /** Chunk sizes as they came; null without the chunked coding. */
  readonly chunks: readonly number[] | null;
  field(name: string): string | undefined;
}
export interface StrictRequest extends StrictMessage {
  readonly method: string;
  readonly target: string;
}
export interface StrictResponse extends StrictMessage {
  readonly status: number;
  readonly version: string;
  /** The 1xx responses before it. */
  readonly informational: readonly StrictResponse[];
}

/** What was read breaks the grammar. */
export class NotStrict extends Error {}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/1\.[01]$/;
const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/;
const FIELD_LINE =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*$/;
const CHUNK_SIZE = /^[0-9a-fA-F]{1,13}$/;

/** The request at `at`; null: bytes are missing. Throws `NotStrict`. */
export function readRequest(bytes: Buffer, at = 0): StrictRequest | null {
  const head = readSection(bytes, at);
  if (head === null) return null;
  const line = REQUEST_LINE.exec(head.lines[0] as string);
  if (line === null) throw new NotStrict(`request line ${JSON.stringify(head.lines[0])}`);
  const fields = readFields(head.lines.slice(1));
  const hosts = fields.filter(([name]) => name === 'host');
  if (hosts.length !== 1) throw new NotStrict(`${hosts.length} Host fields`);
  const framing = readFraming(fields);
  const content = framing === null ? noContent(head.end) : readContent(bytes, head.end, framing, false);
  if (content === null) return null;
  return { method: line[1] as string, target: line[2] as string, fields, ...content, field: getter(fields) };
}

/** The final response at `at` with the 1xx before it; null: bytes are missing. `ended`: no more will come. */
export function readResponse(bytes: Buffer, at: number, method: string, ended: boolean): StrictResponse | null {
  const informational: StrictResponse[] = [];
  for (let from = at; ; ) {
    const head = readSection(bytes, from);
    if (head === null) return null;
    const line = STATUS_LINE.exec(head.lines[0] as string);
    if (line === null) throw new NotStrict(`status line ${JSON.stringify(head.lines[0])}`);
    const status = Number(line[2]);
    const fields = readFields(head.lines.slice(1));
    const framing = readFraming(fields);
    const facts = { status, version: line[1] as string, fields, field: getter(fields) };
    if (status < 200 || status === 204) {
      if (framing !== null) throw new NotStrict(`a ${status} response with framing`);
    }
    if (status < 200 && status !== 101) {
      informational.push({ ...facts, ...noContent(head.end), informational: [] });
      from = head.end;
      continue;
    }
    const empty = method === 'HEAD' || status === 101 || status === 204 || status === 304;
    const content = empty ? noContent(head.end) : readContent(bytes, head.end, framing, ended);
    return content === null ? null : { ...facts, ...content, informational };
  }
}

interface Section {
  readonly lines: readonly string[];
  readonly end: number;
}

/** Lines up to the empty one. */
function readSection(bytes: Buffer, at: number): Section | null {
  const lines: string[] = [];
  for (let from = at; ; ) {
    const lineEnd = bytes.indexOf('\r\n', from);
    if (lineEnd < 0) return null;
    const line = bytes.latin1Slice(from, lineEnd);
    if (/[\r\n\0]/.test(line)) throw new NotStrict(`control characters in ${JSON.stringify(line)}`);
    from = lineEnd + 2;
    if (line === '') return { lines, end: from };
    lines.push(line);
  }
}

function readFields(lines: readonly string[]): Fields {
  return lines.map((line) => {
    const match = FIELD_LINE.exec(line);
    if (match === null) throw new NotStrict(`field line ${JSON.stringify(line)}`);
    return [(match[1] as string).toLowerCase(), match[2] as string] as const;
  });
}

function getter(fields: Fields): (name: string) => string | undefined {
  return (name) => {
    const values = fields.filter(([candidate]) => candidate === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(', ');
  };
}

/** Content-Length, 'chunked', or null for neither. */
function readFraming(fields: Fields): number | 'chunked' | null {
  const lengths = fields.filter(([name]) => name === 'content-length');
  const codings = fields.filter(([name]) => name === 'transfer-encoding');
  const confusing = fields.find(
    ([name]) => /^(?:content|transfer)[^a-z](?:length|encoding)$/.test(name) && name.includes('_'),
  );
  if (confusing !== undefined) throw new NotStrict(`the look-alike ${confusing[0]}`);
  if (lengths.length + codings.length > 1) throw new NotStrict('framing said twice');
  const [length] = lengths;
  if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length[1])) throw new NotStrict(`Content-Length ${JSON.stringify(length[1])}`);
    return Number(length[1]);
  }
  const [coding] = codings;
  if (coding === undefined) return null;
  if (coding[1].toLowerCase() !== 'chunked') throw new NotStrict(`Transfer-Encoding ${JSON.stringify(coding[1])}`);
  return 'chunked';
}

type Content = Pick<StrictMessage, 'body' | 'trailers' | 'end' | 'chunks'>;

function noContent(end: number): Content {
  return { body: Buffer.alloc(0), trailers: [], end, chunks: null };
}

function readContent(bytes: Buffer, at: number, framing: number | 'chunked' | null, ended: boolean): Content | null {
  if (framing === null) {
    return ended ? { body: bytes.subarray(at), trailers: [], end: bytes.length, chunks: null } : null;
  }
  if (framing !== 'chunked') {
    if (bytes.length < at + framing) return null;
    return { body: bytes.subarray(at, at + framing), trailers: [], end: at + framing, chunks: null };
  }
  const pieces: Buffer[] = [];
  for (let from = at; ; ) {
    const lineEnd = bytes.indexOf('\r\n', from);
    if (lineEnd < 0) return null;
    const line = bytes.latin1Slice(from, lineEnd);
    // Extensions belong to one connection: a gateway has none to send.
    if (!CHUNK_SIZE.test(line)) throw new NotStrict(`chunk size ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    from = lineEnd + 2;
    if (size === 0) {
      const section = readSection(bytes, from);
      if (section === null) return null;
      const chunks = pieces.map(({ length }) => length);
      return { body: Buffer.concat(pieces), trailers: readFields(section.lines), end: section.end, chunks };
    }
    if (bytes.length < from + size + 2) return null;
    pieces.push(bytes.subarray(from, from + size));
    if (bytes[from + size] !== 13 || bytes[from + size + 1] !== 10) throw new NotStrict('no CRLF behind a chunk');
    from += size + 2;
  }
}
