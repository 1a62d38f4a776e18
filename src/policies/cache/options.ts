import { z } from 'zod';
import { duration, headerName, listOf, orTrue, percent, size } from '../../plan/fields.ts';

/** What a route may say about its cache, in words of the configuration. */

const DAY = 24 * 60 * 60 * 1000;
/** Longer than anybody means: more is a slip of units. */
const LONGEST = 365 * DAY;

const lifetime = () => duration({ max: LONGEST });
const conditions = () => listOf(z.string().min(1));

/** Told apart in the key by a text of their own, so that they need no list here. */
const keyHeader = headerName().superRefine((name, context) => {
  if (name !== 'cookie') return;
  const remedy = 'Use `cookies` with the names of those that count.';
  context.addIssue({ code: 'custom', message: 'all cookies together differ for every client', params: { remedy } });
});

const query = z.union([
  z.literal('all').describe('All of it as it came.'),
  z.literal('sorted').describe('All of it, parameters in order of their names.'),
  z.literal('none').describe('Nothing of it.'),
  z.strictObject({
    without: listOf(z.string().min(1)).describe('All but these; a `*` at the end of a name stands for any end.'),
  }),
  listOf(z.string().min(1)).describe('These parameters alone, in this order.'),
]);
export type QueryParts = z.output<typeof query>;

const key = z.strictObject({
  query: query
    .default('all')
    .describe('What counts of the query. The service gets just that, whenever the cache asks it.'),
  headers: listOf(keyHeader).prefault([]).describe('Header fields of the request that count, besides those of `Vary`.'),
  cookies: listOf(z.string().min(1)).prefault([]).describe('Cookies that count, by name.'),
  identity: z.boolean().default(false).describe('Every caller has responses of its own.'),
  consumer: z.boolean().default(false).describe('Every consumer has: all of its callers share them.'),
  also: listOf(z.string().min(1))
    .prefault([])
    .describe('Templates of anything else that counts, such as `{identity.plan}`.'),
});

const heuristic = orTrue(
  z.strictObject({
    share: percent().prefault('10%').describe('Of the time since `Last-Modified`.'),
    most: lifetime().prefault('1d').describe('And no longer than this.'),
  }),
);

const vary = z.strictObject({
  encodings: z
    .union([z.literal('exact'), listOf(z.enum(['zstd', 'br', 'gzip', 'deflate']))])
    .default(['zstd', 'br', 'gzip'])
    .describe(
      'Codings that the service may use: `Accept-Encoding` counts as far as it is about them; `exact`: as it is.',
    ),
  languages: listOf(z.string().min(1))
    .optional()
    .describe('Languages that the service has: `Accept-Language` counts as the best of them.'),
  ignore: listOf(headerName()).prefault([]).describe('Names in `Vary` that do not count here.'),
});

const tags = z.strictObject({
  from: listOf(headerName())
    .prefault(['cache-tag', 'surrogate-key'])
    .describe('Header fields of the response that list tags, between commas or spaces.'),
  hide: z.boolean().default(false).describe('Clients do not get to see those fields.'),
  add: listOf(z.string().regex(/^[!-+\--~]+$/))
    .prefault([])
    .describe('Tags of every response of the route.'),
});

const coalesce = z.strictObject({
  timeout: duration({ min: 1, max: 600_000 })
    .prefault('5s')
    .describe('How long a request waits for the response to another one to begin, before it asks on its own.'),
});

const purge = z.strictObject({
  when: conditions().describe('CEL conditions that must hold, all of them; an error denies.'),
  soft: z.boolean().default(false).describe('What is purged stays as stale, and is validated before it is used.'),
});

const byStatus = z
  .record(
    z
      .string()
      .regex(/^[2-5]\d\d$/)
      .meta({ expects: 'a status such as `404`' }),
    lifetime(),
  )
  .transform((given) => Object.entries(given).map(([status, ttl]) => [Number(status), ttl] as const));

const long = z.strictObject({
  ttl: lifetime().optional().describe('How long a response is fresh where the service says nothing.'),
  byStatus: byStatus
    .optional()
    .describe('The same by status, errors too: `{ 404: 10s }`. `0`: responses of that status are not kept.'),
  override: z
    .boolean()
    .default(false)
    .describe('`ttl` and `byStatus` hold whatever the service says, `no-store` and `private` included.'),
  heuristic: z
    .union([z.literal(false), heuristic])
    .default(false)
    .describe('Guess the lifetime from `Last-Modified` where nobody says one (RFC 9111, 4.2.2).'),
  staleWhileRevalidate: lifetime()
    .prefault('0')
    .describe('How long past its lifetime a response is served while it is refreshed, where the service says nothing.'),
  staleIfError: lifetime()
    .prefault('0')
    .describe('How long past its lifetime it is served when the service fails, where the service says nothing.'),
  key: key.prefault({}).describe('What responses are told apart by, besides gateway, scheme, host and path.'),
  methods: listOf(z.enum(['GET', 'HEAD']))
    .prefault(['GET', 'HEAD'])
    .describe('Requests that are answered. Others pass; those that change something remove what is kept of their URL.'),
  bypass: conditions().prefault([]).describe('CEL conditions: where one holds, the cache is neither asked nor filled.'),
  noStore: conditions().prefault([]).describe('CEL conditions: where one holds, the response is not kept.'),
  shared: z
    .boolean()
    .default(false)
    .describe(
      'Responses are for everybody although the service is told who calls. Without it they are kept only where the service says so itself, with `public` or `s-maxage` and a lifetime.',
    ),
  cookies: z
    .enum(['careful', 'remove', 'ignore'])
    .default('careful')
    .describe(
      'Cookies of requests that are not in the key. `careful`: a response to a request with some is kept only where the service itself says for how long. `remove`: the service does not get them, whenever the cache asks it. `ignore`: they make no difference.',
    ),
  setCookie: z
    .enum(['refuse', 'strip', 'keep'])
    .default('refuse')
    .describe('Responses with `Set-Cookie`: not kept, kept without it, or kept with it.'),
  headers: z
    .enum(['forward', 'remove'])
    .default('forward')
    .describe(
      'Header fields of requests that are not in the key. `remove`: the service gets only those that HTTP itself needs, those in the key and those of the gateway, whenever the cache asks it, so that no client can have a say in what others get.',
    ),
  vary: vary.prefault({}).describe('How variants are told apart.'),
  targets: listOf(headerName())
    .prefault(['cdn-cache-control', 'surrogate-control'])
    .describe(
      'Response fields that speak to this cache before `Cache-Control` does (RFC 9213), the most important first.',
    ),
  tags: tags.prefault({}).describe('By what responses can be purged.'),
  maxObject: size({ min: 1 }).prefault('4MiB').describe('Largest response that is kept, head and body together.'),
  coalesce: z
    .union([z.literal(false), orTrue(coalesce)])
    .prefault(true)
    .describe('Requests for what is being fetched already wait for it; `false`: each asks on its own.'),
  refreshEarly: z
    .boolean()
    .default(true)
    .describe('Refresh what is asked for often shortly before its lifetime ends, in the background.'),
  clientControl: z
    .boolean()
    .default(true)
    .describe('Heed `Cache-Control` of requests, such as `no-cache` (RFC 9111, 5.2.1).'),
  cacheStatus: z.boolean().default(true).describe('Say in `Cache-Status` what the cache did (RFC 9211).'),
  purge: z
    .union([z.literal(false), purge])
    .default(false)
    .describe('Let requests with the method `PURGE` remove what is kept of their URL, or of the tags in `Cache-Tag`.'),
});

export const cacheOptions = orTrue(long).superRefine((given, context) => {
  if (given.override && given.ttl === undefined && given.byStatus === undefined) {
    const params = { remedy: 'Add `ttl`.' };
    context.addIssue({ code: 'custom', message: 'there is nothing that could hold', path: ['override'], params });
  }
});
export type CacheOptions = z.output<typeof cacheOptions>;
