import { z } from 'zod';
import { fieldName } from '../base/headers.ts';
import { formatSize } from '../base/units.ts';
import type { Condition } from '../plan/condition.ts';
import type { Exchange } from '../plan/exchange.ts';
import { count, listOf, orTrue, size } from '../plan/fields.ts';
import { definePolicy, type Hooks } from '../plan/policy.ts';
import { type ContentCoding, contentCodings, Negotiator, noCoding } from '../semantics/content-coding.ts';
import { MediaTypes } from '../semantics/media-types.ts';
import { acceptEncoding } from './compress/coded-fields.ts';
import { CodingSink } from './compress/coding-sink.ts';
import { type Change, type Changes, Compression } from './compress/compression.ts';
import { carriesCredentials, isExposed } from './compress/exposure.ts';

const range = fieldName('range');

/** Types that are text, or as redundant as text. `text/event-stream` is not among them: a coder would be kept for each client. */
const defaultTypes = [
  'text/*',
  'application/json',
  'application/*+json',
  'application/x-ndjson',
  'application/xml',
  'application/*+xml',
  'application/javascript',
  'application/x-javascript',
  'application/wasm',
  'application/yaml',
  'application/sql',
  'application/rtf',
  'application/vnd.ms-fontobject',
  'font/ttf',
  'font/otf',
  'image/svg+xml',
  'image/bmp',
  'image/x-icon',
];

/**
 * Up to this, coding a body as a whole on the spot costs less than half of what a trip through the thread pool does
 * (16 KiB: 50 to 150 µs against 150 to 300), and holds up nobody for long.
 */
const INLINE_BYTES = 32_768;
/** Past these levels it would. */
const INLINE_LEVELS: Readonly<Record<ContentCoding, number>> = { br: 6, zstd: 6, gzip: 9 };

const mediaType = z
  .string()
  .meta({ expects: 'a media type such as `application/json` or `text/*`', examples: ['text/*', 'application/*+json'] })
  .superRefine((text, context) => {
    if (MediaTypes.isPattern(text)) return;
    const remedy = 'Write for instance `application/json`, `text/*` or `application/*+json`.';
    context.addIssue({ code: 'custom', message: 'this is not a media type', params: { remedy } });
  });

const levels = z.strictObject({
  br: count(0, 11).default(4).describe('0 to 11.'),
  zstd: count(1, 19).default(3).describe('1 to 19.'),
  gzip: count(1, 9).default(6).describe('1 to 9.'),
});

const options = z.strictObject({
  codings: listOf(z.enum(contentCodings))
    .prefault([...contentCodings])
    .describe('What is offered. Clients choose; between those that a client likes equally, the first one is taken.'),
  types: listOf(mediaType)
    .prefault(defaultTypes)
    .describe(
      'Media types whose bodies are compressed. No wildcard means `text/event-stream`: where it is named, each event is sent as soon as it comes.',
    ),
  minSize: size().prefault('1KiB').describe('Shorter bodies stay as they are.'),
  levels: levels.prefault({}).describe('How much work goes into it.'),
  authenticated: z
    .union([z.boolean(), z.literal('same-site')])
    .default('same-site')
    .describe(
      'Whether answers to callers with credentials are compressed: their length can tell an attacker what is in them who can make the caller’s browser send requests and put something of his own into the answers (BREACH). `same-site`: not where another site caused a request with what browsers send by themselves (cookies, Basic, a client certificate). `false`: never with any credential. `true`: always.',
    ),
  unless: z
    .string()
    .min(1)
    .optional()
    .describe('CEL: answers to these requests are not compressed, nor where it cannot be evaluated.'),
  upstream: z
    .enum(['client', 'identity'])
    .default('client')
    .describe(
      'What the service is asked for: what the client would like best, so that it may do the work itself; or `identity`, an answer without coding.',
    ),
  decode: z
    .boolean()
    .default(true)
    .describe(
      'Undo gzip, br and zstd of a service where the client does not accept it. A body that grows more than 200 times, and past 16 MiB, is cut off as malformed.',
    ),
  maxStreams: count(1)
    .default(100)
    .describe(
      'Long answers that a worker compresses at once, each of which takes up to 1 MiB of memory; further ones stay as they are.',
    ),
});

type Options = z.output<typeof options>;

interface Placed extends Options {
  /** A rule of the route writes what this goes by. */
  readonly isOverruled: boolean;
}

export const compress = definePolicy<Options, Placed>({
  name: 'compress',
  summary:
    'Compresses answers with br, zstd or gzip, as the client prefers. With `cache`, what is kept is compressed already. Answers that have a coding, say `no-transform`, are parts (206) or are signed stay as they are, and so does what `Range` asks for.',
  schema: orTrue(options),
  examples: [
    { title: 'Whatever is text', options: true },
    {
      title: 'Only large JSON, and gzip first',
      options: { types: 'application/json', minSize: '10KiB', codings: ['gzip', 'br'] },
    },
    { title: 'More work, where a cache keeps what comes of it', options: { levels: { br: 9, gzip: 9 } } },
    {
      title: 'Not what has a secret beside something that the client wrote',
      options: { authenticated: false, unless: "request.path.startsWith('/account/')" },
    },
  ],
  place: (given, { setting }) => ({ ...given, isOverruled: changesAcceptEncoding(setting('request')) }),
  compile(given, env) {
    if (given.isOverruled) {
      const message = '`request` changes `accept-encoding`, which tells what the client takes';
      const remedy = 'Remove that rule. `upstream: identity` asks the service for an answer without coding.';
      env.problem('warning', 'overruled-setting', message, remedy, []);
    }
    const compression = new Compression({
      negotiator: new Negotiator(given.codings),
      minSize: given.minSize,
      asksIdentity: given.upstream === 'identity',
      types: new MediaTypes(given.types),
      encode: encodings(given.levels),
      decode: given.decode ? decodings : null,
      maxStreams: given.maxStreams,
    });
    const unless = given.unless === undefined ? null : env.condition(given.unless, ['unless']);
    const hooks: Hooks[] = [
      { request: { phase: 'guard', run: (exchange) => settle(exchange, compression, given.authenticated) } },
      {
        dispatch: {
          layer: 'transform',
          words: `${given.codings.join(', ')}; from ${formatSize(given.minSize)}`,
          wrap: (next) =>
            function code(call, sink) {
              const wanted = compression.negotiator.wanted(call.headers.getAll(acceptEncoding));
              const coding = new CodingSink(compression, wanted, call, sink);
              next(coding.inner, coding);
            },
        },
      },
    ];
    if (unless !== null || given.authenticated === false) {
      const isPrivate = given.authenticated === false;
      hooks.push({
        reads: unless?.reads ?? [],
        request: { phase: 'rewrite', run: (exchange) => exempt(exchange, unless, isPrivate) },
      });
    }
    return hooks;
  },
});

/**
 * What the request asks for from here on is what its answer will have: whoever keeps answers keeps one of each kind,
 * however clients word it, and never meets one that was not to be compressed.
 */
function settle(exchange: Exchange, { negotiator }: Compression, authenticated: Options['authenticated']): undefined {
  if (exchange.upgrade !== null) return;
  const { headers } = exchange;
  const asked = headers.getAll(acceptEncoding);
  const isExempt =
    headers.has(range) ||
    (authenticated === 'same-site' && isExposed(exchange)) ||
    (authenticated === false && carriesCredentials(exchange));
  const { text } = isExempt ? noCoding : negotiator.wanted(asked);
  if (asked !== text) headers.set(acceptEncoding, text);
}

/** The same for what only is known of a request once its caller is. */
function exempt(exchange: Exchange, unless: Condition | null, isPrivate: boolean): undefined {
  if (exchange.upgrade !== null) return;
  if ((isPrivate && exchange.identity !== null) || (unless !== null && unless.evaluate(exchange) !== false)) {
    exchange.headers.set(acceptEncoding, noCoding.text);
  }
}

function changes(make: (coding: ContentCoding) => Change): Changes {
  return { br: make('br'), zstd: make('zstd'), gzip: make('gzip') };
}

function encodings(given: Options['levels']): Changes {
  return changes((coding) => {
    const level = given[coding];
    const inlineBytes = level <= INLINE_LEVELS[coding] ? INLINE_BYTES : 0;
    return { from: null, to: coding, encoding: { coding, level }, inlineBytes };
  });
}

const decodings = changes((coding) => ({ from: coding, to: null, encoding: null, inlineBytes: INLINE_BYTES }));

function changesAcceptEncoding(request: unknown): boolean {
  const { headers = {} } = (request ?? {}) as { headers?: Record<'set' | 'add' | 'rename' | 'remove', unknown> };
  const { remove = [], ...maps } = headers as { remove?: readonly string[] } & Record<string, object | undefined>;
  const names = [...remove, ...Object.values(maps).flatMap((map) => Object.keys(map ?? {}))];
  return names.some((name) => name.toLowerCase() === acceptEncoding.lower);
}
