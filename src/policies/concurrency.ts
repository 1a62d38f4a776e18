import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { type FieldName, fieldName } from '../base/headers.ts';
import { formatDuration } from '../base/units.ts';
import type { UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { count, duration, headerName } from '../plan/fields.ts';
import { definePolicy, type Fact } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';
import { subscriberOf } from '../semantics/cidr.ts';

const DEFAULT_TIMEOUT_MS = 1_000;

const words = ['route', 'consumer', 'identity', 'address'] as const;
type Word = (typeof words)[number];
type By = Word | { readonly header: string };

interface Options {
  readonly max: number;
  readonly by: By;
  readonly queue: number;
  readonly timeout: number;
  readonly report: boolean;
}

const long = z
  .strictObject({
    max: count(1).describe('Requests under way at once, over all workers.'),
    by: z
      .union([
        z.enum(words),
        z.strictObject({ header: headerName().describe('The value of a header of the request.') }),
      ])
      .default('route')
      .describe(
        'What is counted apart: the route, or callers. Those without what they are told apart by count by address.',
      ),
    queue: count(0)
      .optional()
      .describe(
        'Requests of a worker that may wait for their turn: 503 past it. As many as `max` by route, none by caller.',
      ),
    timeout: duration({ min: 1 }).default(DEFAULT_TIMEOUT_MS).describe('How long they wait at most: 503 after it.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .transform(({ queue, ...given }): Options => ({ ...given, queue: queue ?? (given.by === 'route' ? given.max : 0) }));

const schema = z.union([
  count(1).transform((max): Options => ({ max, by: 'route', queue: max, timeout: DEFAULT_TIMEOUT_MS, report: false })),
  long,
]);

interface Placed extends Options {
  /** Where it was declared: callers are counted over all the routes that have it from there. */
  readonly scope: string;
  /** It was declared for many routes, and on this one nobody has to say who they are. */
  readonly isForAnybody: boolean;
}

export const concurrency = definePolicy<Options, Placed>({
  name: 'concurrency',
  summary:
    'How many requests may be under way at once, on a route or of a caller: the next ones wait for their turn for a while, those of higher `priority` first, and get 503 with `Retry-After` when it does not come.',
  schema,
  examples: [
    { title: 'At most 50 at once on a route, as many again wait', options: 50 },
    { title: 'Five at once for each caller', options: { max: 5, by: 'identity' } },
    { title: 'A short queue in front of something slow', options: { max: 4, queue: 20, timeout: '3s' } },
  ],
  place(options, { scopeOf, isOwn, isPublic }) {
    const isShared = options.by !== 'route';
    return { ...options, scope: isShared ? scopeOf([]) : '', isForAnybody: isShared && isPublic && !isOwn([]) };
  },
  compile({ max, by, queue, timeout, report, scope, isForAnybody }, env) {
    const keyOf = by === 'route' ? null : keyReader(by);
    const name = by === 'route' ? `${env.route.gateway}\n${env.route.name}` : `${scope}\n${JSON.stringify(by)}`;
    const kind = by === 'route' ? 'route' : 'callers';
    const gate = env.gate({ scope: { kind, name }, max, queue, timeout, adaptive: null });
    const { log } = env;
    const reported = (exchange: Exchange): void => {
      refuseOrReport(true, log, 'concurrency', exchange, errors.overloaded);
    };
    const reads: Fact[] = !isForAnybody && (by === 'identity' || by === 'consumer') ? ['identity'] : [];
    return {
      reads,
      dispatch: {
        layer: 'admit',
        words: `at most ${max} at once${by === 'route' ? '' : ` by ${typeof by === 'object' ? by.header : by}`}, ${waits(queue, timeout)}`,
        wrap: (next) => gate.guard(next, keyOf, report ? reported : null),
      },
    };
  },
});

function waits(queue: number, timeout: number): string {
  return queue === 0 ? 'nobody waits' : `${queue} in each worker wait for up to ${formatDuration(timeout)}`;
}

function keyReader(by: Exclude<By, 'route'>): (call: UpstreamCall) => string {
  const field = typeof by === 'object' ? fieldName(by.header) : null;
  return ({ exchange }) => {
    if (exchange === null) return '';
    // No value begins with this: the address of somebody without a tenant is no tenant of that name.
    return callerOf(exchange, by, field) ?? `\0${subscriberOf(exchange.clientAddress)}`;
  };
}

function callerOf(exchange: Exchange, by: By, field: FieldName | null): string | undefined {
  if (field !== null) return exchange.headers.getAll(field);
  const { identity } = exchange;
  if (by === 'address' || identity === null) return undefined;
  return by === 'consumer' ? (identity.consumer ?? undefined) : `${identity.method}\n${identity.id}`;
}
