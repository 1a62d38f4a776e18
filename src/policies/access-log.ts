import { z } from 'zod';
import { type FieldName, fieldName, type HeaderBlock } from '../base/headers.ts';
import { jsonString, jsonText } from '../base/json-text.ts';
import type { Exchange } from '../plan/exchange.ts';
import { count, headerName, listOf, orTrue, percent } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { fromWire } from '../semantics/percent.ts';
import { maskValues } from '../semantics/query.ts';

/** One JSON line an exchange, written when its last byte has left or it failed. */

const REDACTED = '[redacted]';
/** Never logged, whatever is asked for: whoever reads logs must not be able to act as the client. */
const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie', 'x-api-key']);
/** They may carry the query of another request, and so its credentials. */
const ADDRESSES = new Set(['referer', 'location']);
const referer = fieldName('referer');
const SECRET_PARAMETERS = [
  'access_token',
  'api_key',
  'apikey',
  'client_secret',
  'code',
  'id_token',
  'key',
  'password',
  'refresh_token',
  'secret',
  'sig',
  'signature',
  'token',
  'x-amz-credential',
  'x-amz-security-token',
  'x-amz-signature',
];

/** One field of a line: a text is put between quotes, anything else stands as it is; empty: the field is left out. */
interface Writer {
  readonly isText: boolean;
  write(exchange: Exchange): string;
}

/** Longer texts are cut: nobody reads them, and a line beyond 4 KiB could be torn apart in a pipe with several writers. */
const MAX_TEXT = 1024;

function shown(value: string): string {
  return jsonText(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value);
}

/** Most texts are those of the line before (route, host, upstream), and to compare costs less than to look for escapes. */
function text(read: (exchange: Exchange) => string | null): Writer {
  let last = '';
  let lastShown = '';
  return {
    isText: true,
    write: (exchange) => {
      const value = read(exchange);
      if (value === null) return '';
      if (value !== last) {
        last = value;
        lastShown = shown(value);
      }
      return lastShown;
    },
  };
}

function raw(write: (exchange: Exchange) => string): Writer {
  return { isText: false, write };
}

/** A received field: its bytes are most likely UTF-8. */
function received(name: FieldName): Writer {
  return text((exchange) => fromWire(exchange.headers.get(name) ?? ''));
}

const writers = {
  time: { isText: true, write: () => timestamp() },
  requestId: text((exchange) => exchange.id),
  gateway: text((exchange) => exchange.route.gateway),
  route: text((exchange) => exchange.route.name),
  method: text((exchange) => exchange.method),
  scheme: text((exchange) => exchange.scheme),
  host: text((exchange) => exchange.host),
  path: text((exchange) => exchange.path),
  protocol: text((exchange) =>
    exchange.version === 11 ? 'HTTP/1.1' : exchange.version === 20 ? 'HTTP/2' : 'HTTP/1.0',
  ),
  status: raw((exchange) => String(exchange.status)),
  error: text((exchange) => exchange.error?.code ?? null),
  requestBytes: raw((exchange) => String(exchange.requestBytes)),
  responseBytes: raw((exchange) => String(exchange.responseBytes)),
  duration: raw((exchange) => milliseconds(exchange.endedAt - exchange.startedAt)),
  gatewayTime: raw((exchange) => milliseconds(exchange.endedAt - exchange.startedAt - upstreamTime(exchange))),
  upstreamTime: raw((exchange) => (exchange.upstreamStartedAt > 0 ? milliseconds(upstreamTime(exchange)) : '')),
  client: text((exchange) => exchange.clientAddress),
  userAgent: received(fieldName('user-agent')),
  upstream: text((exchange) => exchange.upstream),
  upstreamAddress: text((exchange) => exchange.upstreamAddress),
  fallback: text((exchange) => exchange.fallback),
  attempts: raw((exchange) => (exchange.attempts > 0 ? String(exchange.attempts) : '')),
  cache: text((exchange) => exchange.cache),
  identity: text((exchange) => exchange.identity?.id ?? null),
  consumer: text((exchange) => exchange.identity?.consumer ?? null),
  auth: text((exchange) => exchange.identity?.method ?? null),
  reported: raw((exchange) => (exchange.reported > 0 ? String(exchange.reported) : '')),
} satisfies Record<string, Writer>;

type Field = keyof typeof writers | 'query' | 'referer';
const fieldNames = (Object.keys(writers) as (keyof typeof writers)[]).flatMap((name): Field[] =>
  name === 'path' ? ['path', 'query'] : name === 'userAgent' ? ['userAgent', 'referer'] : [name],
);
const usual = fieldNames.filter((name) => name !== 'scheme' && name !== 'referer' && name !== 'protocol');

const options = z.strictObject({
  fields: listOf(z.enum(fieldNames)).prefault(usual).describe('What a line has, in this order.'),
  headers: listOf(headerName())
    .prefault([])
    .describe('Request headers to log besides; credentials are always redacted.'),
  responseHeaders: listOf(headerName()).prefault([]).describe('The same of the response.'),
  redactQuery: listOf(z.string().min(1))
    .prefault([])
    .describe(
      `Query parameters whose values are redacted, besides ${SECRET_PARAMETERS.map((name) => `\`${name}\``).join(', ')}.`,
    ),
  redactHeaders: listOf(headerName())
    .prefault([])
    .describe(
      `Headers whose values are redacted, besides ${[...CREDENTIALS].map((name) => `\`${name}\``).join(', ')}.`,
    ),
  minStatus: count(100, 599).optional().describe('Only responses from this status on, and those that failed.'),
  sample: percent()
    .prefault('100%')
    .describe('Which share is logged of what did not fail. Failures (5xx, errors) always are.'),
  to: z
    .string()
    .min(1)
    .optional()
    .describe('A file, to which lines are appended, relative to the working directory; without it standard output.'),
});

export const accessLog = definePolicy({
  name: 'accessLog',
  summary: 'Writes one JSON line for every request, without credentials.',
  schema: orTrue(options),
  examples: [
    { title: 'The usual fields on standard output', options: true },
    { title: 'A busy route: failures, and one in a hundred others', options: { sample: '1%', redactQuery: 'email' } },
    {
      title: 'A file of its own',
      options: {
        to: '/var/log/sluice/partners.log',
        headers: ['x-tenant'],
        fields: ['time', 'status', 'path', 'duration'],
      },
    },
  ],
  compile(chosen, env) {
    const sink = chosen.to === undefined ? env.log : env.logTo(chosen.to);
    const { credentials } = env;
    const secrets = new Set([
      ...SECRET_PARAMETERS,
      ...credentials.parameters,
      ...chosen.redactQuery.map((name) => name.toLowerCase()),
    ]);
    const mask: Mask = (query) => maskValues(query, (name) => secrets.has(name.toLowerCase()), REDACTED);
    const masked = {
      query: text((exchange) => (exchange.query === '' ? null : mask(exchange.query))),
      referer: text((exchange) => fromWire(maskAddress(exchange.headers.get(referer) ?? '', mask))),
    };
    const redacted = new Set([...CREDENTIALS, ...credentials.headers, ...chosen.redactHeaders]);
    const fields = chosen.fields.map((name) =>
      fieldOf(name, name === 'query' || name === 'referer' ? masked[name] : writers[name]),
    );
    if (chosen.headers.length > 0) {
      const names = headerFields(chosen.headers, redacted, mask);
      fields.push(
        fieldOf(
          'headers',
          raw((exchange) => headersText(names, exchange.headers)),
        ),
      );
    }
    if (chosen.responseHeaders.length > 0) {
      const names = headerFields(chosen.responseHeaders, redacted, mask);
      const write = (exchange: Exchange) =>
        exchange.response === null ? '' : headersText(names, exchange.response.headers);
      fields.push(fieldOf('responseHeaders', raw(write)));
    }
    const { sample } = chosen;
    const minStatus = chosen.minStatus ?? 0;

    return {
      done(exchange) {
        if (exchange.error === null && exchange.status < 500) {
          if (exchange.status < minStatus) return;
          if (sample < 1 && Math.random() >= sample) return;
        }
        sink.write(lineOf(fields, exchange));
      },
    };
  },
});

/** What stands before a value, by what stands before it: nothing, a value without quotes, a text that is still open. */
interface LineField {
  readonly first: string;
  readonly afterRaw: string;
  readonly afterText: string;
  readonly isText: boolean;
  write(exchange: Exchange): string;
}

function fieldOf(name: string, { isText, write }: Writer): LineField {
  const key = `"${name}":${isText ? '"' : ''}`;
  return { first: `{${key}`, afterRaw: `,${key}`, afterText: `",${key}`, isText, write };
}

/** Two concatenations a field: a line is a rope that has to be walked, and quotes of their own would double its knots. */
function lineOf(fields: readonly LineField[], exchange: Exchange): string {
  let line = '';
  let isOpen = false;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as LineField;
    const value = field.write(exchange);
    if (value === '') continue;
    line += (line === '' ? field.first : isOpen ? field.afterText : field.afterRaw) + value;
    isOpen = field.isText;
  }
  return line === '' ? '{}\n' : `${line}${isOpen ? '"}\n' : '}\n'}`;
}

interface HeaderField {
  readonly name: FieldName;
  readonly key: string;
  readonly redacted: boolean;
  /** For an address, whose query is masked like the request's own; null: it is none. */
  readonly mask: Mask | null;
}

type Mask = (query: string) => string;

function headerFields(names: readonly string[], redacted: ReadonlySet<string>, mask: Mask): readonly HeaderField[] {
  return names.map((name) => ({
    name: fieldName(name),
    key: `${jsonString(name)}:`,
    redacted: redacted.has(name),
    mask: ADDRESSES.has(name) ? mask : null,
  }));
}

function maskAddress(address: string, mask: Mask): string {
  const query = address.indexOf('?') + 1;
  return query === 0 ? address : address.slice(0, query) + mask(address.slice(query));
}

function headersText(fields: readonly HeaderField[], headers: HeaderBlock): string {
  let members = '';
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as HeaderField;
    const value = headers.getAll(field.name);
    if (value === undefined) continue;
    const told = field.redacted ? REDACTED : field.mask === null ? value : maskAddress(value, field.mask);
    members += `${members === '' ? '' : ','}${field.key}"${shown(fromWire(told))}"`;
  }
  return members === '' ? '' : `{${members}}`;
}

/** The part of an exchange that an upstream took; what is left is ours and the client's. */
function upstreamTime(exchange: Exchange): number {
  if (exchange.upstreamStartedAt === 0) return 0;
  const end = exchange.upstreamEndedAt > 0 ? exchange.upstreamEndedAt : exchange.endedAt;
  return end - exchange.upstreamStartedAt;
}

/** `.000` to `.999`: turning a double into text costs more than the rest of a line's numbers together. */
const FRACTIONS: readonly string[] = Array.from({ length: 1000 }, (_, i) => `.${String(i).padStart(3, '0')}`);

function milliseconds(duration: number): string {
  const micro = duration > 0 ? Math.round(duration * 1000) : 0;
  const whole = Math.floor(micro / 1000);
  return whole + (FRACTIONS[micro - whole * 1000] as string);
}

let second = 0;
let secondText = '';

/** Now, as ISO 8601; all but the fraction is made once a second. */
function timestamp(): string {
  const now = Date.now();
  const whole = Math.floor(now / 1000);
  if (whole !== second) {
    second = whole;
    secondText = `${new Date(whole * 1000).toISOString().slice(0, 19)}`;
  }
  return `${secondText}${FRACTIONS[now - whole * 1000] as string}Z`;
}
