import { METHODS } from 'node:http';
import type { Transcript } from '../support/codec.ts';

/**
 * Where this codec and llhttp, Node's parser, answer the same bytes differently, and why. A difference that no row
 * explains fails `llhttp-oracle.test.ts`. Rows look at the message that one of the two did not take.
 */
export interface Difference {
  readonly why: string;
  readonly holds: (message: Suspect) => boolean;
}

export interface Suspect {
  /** The head's first line and fields; the rest of the text. */
  readonly line: string;
  readonly fields: readonly string[];
  readonly content: string;
  /** All of it. */
  readonly text: string;
  /** How ours ended, and llhttp's code or Node's. */
  readonly ours: string | null;
  readonly node: string | null;
}

export function suspectAt(text: string, start: number, ours: Transcript, node: string | null): Suspect {
  const from = text.slice(start);
  const message = from.replace(/^(?:\r\n)+/, '');
  const end = message.indexOf('\r\n\r\n');
  const [line = '', ...fields] = (end < 0 ? message : message.slice(0, end)).split('\r\n');
  return { line, fields, content: end < 0 ? '' : message.slice(end + 4), text: from, ours: ours.end, node };
}

function values({ fields }: Suspect, name: string): string[] {
  const prefix = `${name}:`;
  return fields
    .filter((field) => field.toLowerCase().startsWith(prefix))
    .map((field) => field.slice(prefix.length).replace(/^[ \t]+|[ \t]+$/g, ''));
}

const AUTHORITY = /^(?:[0-9A-Za-z._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** llhttp takes it, this codec does not. All of these are on purpose. */
export const strictness: readonly Difference[] = [
  {
    why: 'Names that some services take for the framing fields (WSGI and CGI turn - into _) are refused.',
    holds: (message) => message.fields.some((field) => /^(?:content_length|transfer_encoding):/i.test(field)),
  },
  {
    why: 'RFC 9112, 2.2 asks to ignore one empty line before a request line; llhttp ignores any number, bare CR and LF.',
    holds: ({ text }) => /^(?:\r\n[\r\n]|\n|\r[^\n])/.test(text),
  },
  {
    why: 'RFC 9112, 3.2: Host exactly once, and an authority. Node wants one to be there and reads the first.',
    holds: (message) => {
      const hosts = values(message, 'host');
      return hosts.length > 1 || hosts.some((host) => !AUTHORITY.test(host)) || hosts.length === 0;
    },
  },
  {
    why: 'One final `chunked` is the only transfer coding; llhttp takes any list that ends with it.',
    holds: (message) =>
      values(message, 'transfer-encoding').join(',').toLowerCase() !== 'chunked' &&
      values(message, 'transfer-encoding').length > 0,
  },
  {
    why: 'RFC 9112, 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing, even if it is chunked.',
    holds: (message) =>
      / HTTP\/1\.0$|^HTTP\/1\.0 /.test(message.line) && values(message, 'transfer-encoding').length > 0,
  },
  {
    why: 'RFC 9110, 10.1.1: an expectation that cannot be met is 417, a matter of policy to Node.',
    holds: ({ ours }) => ours === 'expectation_failed',
  },
  {
    why: 'Only HTTP/1.1 and 1.0 are spoken; llhttp also parses 0.9 and 2.0 in this form, and a line without a version.',
    holds: ({ line }) => !/ HTTP\/1\.[01]$/.test(line),
  },
  {
    why: 'RFC 9112, 3: one space between the parts of a request line; llhttp skips any number.',
    holds: ({ line }) => line.includes('  '),
  },
  {
    why: 'CONNECT is for forward proxies.',
    holds: ({ line }) => line.startsWith('CONNECT '),
  },
  {
    why: 'Targets whose path has no safe normal form, or that contradict Host, are refused before routing.',
    holds: ({ ours }) => ours === 'unusable_target',
  },
  {
    why: 'Limits of this codec: target, head, fields, options, digits of a chunk size, bytes of chunk extensions.',
    holds: ({ ours, content, fields }) =>
      ours === 'uri_too_long' ||
      ours === 'headers_too_large' ||
      fields.some((field) => field.split(',').length > 64) ||
      /(?:^|\r\n)[0-9a-f]{14}/i.test(content) ||
      /;[^\r]{4000}/.test(content) ||
      content.split(';').length > 100,
  },
  {
    why: 'RFC 9112, 9.6: `close` ends the connection even where `keep-alive` stands behind it; to llhttp the last one counts.',
    holds: (message) => {
      const options = values(message, 'connection').join(',').toLowerCase();
      return message.ours === null && /(?:^|,)\s*close/.test(options) && options.includes('keep-alive');
    },
  },
];

/** This codec takes it, llhttp does not. Nothing of the difference is forwarded. */
export const leniency: readonly Difference[] = [
  {
    why: 'Any token is a method (RFC 9110, 9.1); llhttp knows a list.',
    holds: ({ line, node }) => node === 'HPE_INVALID_METHOD' && !METHODS.includes(line.split(' ')[0] as string),
  },
  {
    why: 'RFC 9112, 6.3 allows to take equal Content-Length fields as one; one is forwarded.',
    holds: (message) =>
      message.node === 'HPE_UNEXPECTED_CONTENT_LENGTH' &&
      new Set(values(message, 'content-length').map(Number)).size === 1,
  },
  {
    why: 'What a chunk extension says is not read, since none is forwarded; llhttp checks its grammar.',
    holds: ({ node, content }) => node === 'HPE_STRICT' && /(?:^|\r\n)[0-9a-f]+;/i.test(content),
  },
  {
    why: 'Framing fields in a trailer section are dropped; llhttp refuses them.',
    holds: ({ node, content }) =>
      /^HPE_(?:INVALID|UNEXPECTED)_(?:CONTENT_LENGTH|TRANSFER_ENCODING)$/.test(node ?? '') &&
      /\r\n(?:content-length|transfer-encoding):/i.test(content),
  },
  {
    why: 'Blanks behind `chunked` are no part of the value (RFC 9110, 5.5); the field is written anew.',
    holds: (message) =>
      message.node === 'HPE_INVALID_TRANSFER_ENCODING' &&
      message.fields.some((field) => /^transfer-encoding:[ \t]*chunked[ \t]+$/i.test(field)),
  },
  {
    why: 'A 1xx response is not the last of its connection, whatever its Connection says (RFC 9110, 15.2).',
    holds: ({ node, line }) => node === 'HPE_CLOSED_CONNECTION' && /^HTTP\/1\.1 1\d\d/.test(line),
  },
];
