import { z } from 'zod';
import { type FieldName, fieldName } from '../base/headers.ts';
import { jsonString } from '../base/json-text.ts';
import type { Exchange } from '../plan/exchange.ts';
import { count, headerName, listOf, orTrue, percent } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';
import { fromWire } from '../semantics/percent.ts';
import { maskValues } from '../semantics/query.ts';

/** One JSON line an exchange, written when its last byte has left or it failed. */

const REDACTED = '[redacted]';
/** Never logged, whatever is asked for: whoever reads logs must not be able to act as the client. */
const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie', 'x-api-key']);
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

type Writer = (exchange: Exchange) => string;

const userAgent = fieldName('user-agent');
const referer = fieldName('referer');

function received(text: string | undefined): string {
  return text === undefined ? '' : jsonString(fromWire(text));
}

function optional(text: string | null): string {
  return text === null || text === '' ? '' : jsonString(text);
}

/** Each gives the JSON value of its field, or nothing: then the field is left out of the line. */
const writers = {
  time: () => timestamp(),
  requestId: (exchange) => optional(exchange.id),
  gateway: (exchange) => jsonString(exchange.route.gateway),
  route: (exchange) => jsonString(exchange.route.name),
  method: (exchange) => jsonString(exchange.method),
  scheme: (exchange) => jsonString(exchange.scheme),
  host: (exchange) => optional(exchange.host),
  path: (exchange) => jsonString(exchange.path),
  protocol: (exchange) =>
    exchange.version === 11 ? '"HTTP/1.1"' : exchange.version === 20 ? '"HTTP/2"' : '"HTTP/1.0"',
  status: (exchange) => String(exchange.status),
  error: (exchange) => (exchange.error === null ? '' : jsonString(exchange.error.code)),
  requestBytes: (exchange) => String(exchange.requestBytes),
  responseBytes: (exchange) => String(exchange.responseBytes),
  duration: (exchange) => milliseconds(exchange.endedAt - exchange.startedAt),
  gatewayTime: (exchange) => milliseconds(exchange.endedAt - exchange.startedAt - upstreamTime(exchange)),
  upstreamTime: (exchange) => (exchange.upstreamStartedAt > 0 ? milliseconds(upstreamTime(exchange)) : ''),
  client: (exchange) => optional(exchange.clientAddress),
  userAgent: (exchange) => received(exchange.headers.get(userAgent)),
  referer: (exchange) => received(exchange.headers.get(referer)),
  upstream: (exchange) => optional(exchange.upstream),
  upstreamAddress: (exchange) => optional(exchange.upstreamAddress),
  attempts: (exchange) => (exchange.attempts > 0 ? String(exchange.attempts) : ''),
  identity: (exchange) => (exchange.identity === null ? '' : jsonString(exchange.identity.id)),
  reported: (exchange) => (exchange.reported > 0 ? String(exchange.reported) : ''),
} satisfies Record<string, Writer>;

type Field = keyof typeof writers | 'query';
const fieldNames = (Object.keys(writers) as (keyof typeof writers)[]).flatMap((name): Field[] =>
  name === 'path' ? ['path', 'query'] : [name],
);
const usual = fieldNames.filter((name) => name !== 'scheme' && name !== 'referer' && name !== 'protocol');

const options = z.strictObject({
  fields: listOf(z.enum(fieldNames)).default(usual).describe('What a line has, in this order.'),
  headers: listOf(headerName())
    .default([])
    .describe('Request headers to log besides; credentials are always redacted.'),
  responseHeaders: listOf(headerName()).default([]).describe('The same of the response.'),
  redactQuery: listOf(z.string().min(1))
    .default([])
    .describe(
      `Query parameters whose values are redacted, besides ${SECRET_PARAMETERS.map((name) => `\`${name}\``).join(', ')}.`,
    ),
  redactHeaders: listOf(headerName())
    .default([])
    .describe(
      `Headers whose values are redacted, besides ${[...CREDENTIALS].map((name) => `\`${name}\``).join(', ')}.`,
    ),
  minStatus: count(100, 599).optional().describe('Only responses from this status on, and those that failed.'),
  sample: percent()
    .default(1)
    .describe('Which share is logged of what did not fail. Failures (5xx, errors) always are.'),
  to: z.string().min(1).optional().describe('A file, to which lines are appended; without it standard output.'),
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
    const secrets = new Set([...SECRET_PARAMETERS, ...chosen.redactQuery.map((name) => name.toLowerCase())]);
    const isSecret = (name: string): boolean => secrets.has(name.toLowerCase());
    const query: Writer = (exchange) =>
      exchange.query === '' ? '' : jsonString(maskValues(exchange.query, isSecret, REDACTED));

    const redacted = new Set([...CREDENTIALS, ...chosen.redactHeaders]);
    const fields = chosen.fields.map((name) => ({
      key: `"${name}":`,
      write: name === 'query' ? query : writers[name],
    }));
    const requestFields = headerFields(chosen.headers, redacted);
    const responseFields = headerFields(chosen.responseHeaders, redacted);
    const { sample } = chosen;
    const minStatus = chosen.minStatus ?? 0;

    function line(exchange: Exchange): string {
      let text = '';
      for (let i = 0; i < fields.length; i++) {
        const { key, write } = fields[i] as (typeof fields)[number];
        const value = write(exchange);
        if (value !== '') text += text === '' ? key + value : `,${key}${value}`;
      }
      if (requestFields !== null) text = withHeaders(text, 'headers', requestFields, exchange.headers);
      if (responseFields !== null && exchange.response !== null) {
        text = withHeaders(text, 'responseHeaders', responseFields, exchange.response.headers);
      }
      return `{${text}}\n`;
    }

    return {
      done(exchange) {
        if (exchange.error === null && exchange.status < 500) {
          if (exchange.status < minStatus) return;
          if (sample < 1 && Math.random() >= sample) return;
        }
        sink.write(line(exchange));
      },
    };
  },
});

interface HeaderField {
  readonly name: FieldName;
  readonly key: string;
  readonly redacted: boolean;
}

function headerFields(names: readonly string[], redacted: ReadonlySet<string>): readonly HeaderField[] | null {
  if (names.length === 0) return null;
  return names.map((name) => ({ name: fieldName(name), key: `${jsonString(name)}:`, redacted: redacted.has(name) }));
}

function withHeaders(line: string, key: string, fields: readonly HeaderField[], headers: Exchange['headers']): string {
  let text = '';
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as HeaderField;
    const value = headers.getAll(field.name);
    if (value === undefined) continue;
    text += `${text === '' ? '' : ','}${field.key}${field.redacted ? `"${REDACTED}"` : received(value)}`;
  }
  return text === '' ? line : `${line}${line === '' ? '' : ','}"${key}":{${text}}`;
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
    secondText = `"${new Date(whole * 1000).toISOString().slice(0, 19)}`;
  }
  return `${secondText}${FRACTIONS[now - whole * 1000] as string}Z"`;
}
