/** How a hostile request is written down: its bytes as latin1 text, one character a byte, and what must become of it. */
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

export function refused(status: number, name: string, bytes: string, closed = true): RequestCase {
  return { name, bytes, answers: [status], forwarded: [], fields: {}, trailers: [], cut: false, closed };
}

/** The first requests are served, then one is refused. */
export function refusedBehind(forwarded: readonly string[], status: number, name: string, bytes: string): RequestCase {
  const answers = [...forwarded.map(() => 200), status];
  return { name, bytes, answers, forwarded, fields: {}, trailers: [], cut: false, closed: true };
}

export function served(
  name: string,
  bytes: string,
  forwarded: string | readonly string[],
  extra: Extra = {},
): RequestCase {
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

export function cutShort(name: string, bytes: string): RequestCase {
  return { name, bytes, answers: [], forwarded: [], fields: {}, trailers: [], cut: true, closed: true };
}

/** A GET with further field lines. */
export function get(...lines: string[]): string {
  return `GET /a HTTP/1.1\r\n${['Host: a', ...lines].join('\r\n')}\r\n\r\n`;
}
/** A GET without a Host of ours. */
export function bare(...lines: string[]): string {
  return `GET /a HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}
/** A POST with field lines and whatever follows its head. */
export function post(lines: readonly string[], body: string): string {
  return `POST /a HTTP/1.1\r\n${['Host: a', ...lines].join('\r\n')}\r\n\r\n${body}`;
}
export function length(value: string): string {
  return post([`Content-Length: ${value}`], 'hello');
}
export const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
export function coding(...values: string[]): string {
  return post(
    values.map((value) => `Transfer-Encoding: ${value}`),
    CHUNKS,
  );
}
export function chunked(body: string): string {
  return post(['Transfer-Encoding: chunked'], body);
}
/** A request line of its own, the rest harmless. */
export function line(text: string): string {
  return `${text}\r\nHost: a\r\n\r\n`;
}
export function target(text: string): string {
  return line(`GET ${text} HTTP/1.1`);
}
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
export const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join('');
