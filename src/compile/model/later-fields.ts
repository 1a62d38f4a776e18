import { z } from 'zod';
import { count, duration, listOf, mapOf, percent } from '../../plan/fields.ts';

/**
 * Shapes of what the configuration may say already and the gateway cannot do yet. `../later.ts` says what `check` and
 * the routes make of it.
 */

const statusCode = z.int().min(100).max(599);
const share = percent();

const retry = z.looseObject({
  attempts: count(1, 10).optional().describe('The first try counts.'),
  for: listOf(z.union([z.enum(['connect', 'reset', 'timeout']), statusCode])).optional(),
  budget: share.optional().describe('Largest share of retries among all calls.'),
});

const breaker = z.looseObject({
  errorRate: share.optional(),
  minimumCalls: count(1).optional(),
  window: duration({ min: 100 }).optional(),
  openFor: duration({ min: 100 }).optional(),
});

const balance = z.union([
  z.enum(['round-robin', 'least-request', 'ewma']),
  z.strictObject({
    hash: z.union([
      z.enum(['address', 'identity']),
      z.strictObject({ header: z.string().optional(), cookie: z.string().optional() }),
    ]),
  }),
]);

export const laterUpstreamShape = {
  retry: retry.optional().describe('Try again where that is safe.'),
  breaker: breaker.optional().describe('Stop calling a failing service for a while.'),
  balance: balance.optional().describe('How calls are spread over the targets.'),
};

const cache = z.looseObject({
  ttl: duration().optional(),
  staleWhileRevalidate: duration().optional(),
  staleIfError: duration().optional(),
});

const fallback = listOf(
  z.union([
    z.literal('stale'),
    z.strictObject({ to: z.string() }),
    z.strictObject({ respond: z.looseObject({ status: statusCode.optional() }) }),
    z.strictObject({ handler: z.string() }),
  ]),
);

/** Settings that routes inherit. */
export const laterSettingShape = {
  cache: z
    .union([z.literal(false), cache])
    .optional()
    .describe('Keep responses.'),
  fallback: z
    .union([z.literal(false), fallback])
    .optional()
    .describe('What to answer when the target fails.'),
  compress: z
    .union([z.boolean(), z.looseObject({})])
    .optional()
    .describe('Compress responses.'),
  retry: z
    .union([z.literal(false), retry])
    .optional()
    .describe('Try again where that is safe.'),
  breaker: z
    .union([z.literal(false), breaker])
    .optional()
    .describe('Stop calling a failing service for a while.'),
  mirror: z
    .union([z.literal(false), z.looseObject({})])
    .optional()
    .describe('Send a copy somewhere else.'),
  fault: z
    .union([z.literal(false), z.looseObject({})])
    .optional()
    .describe('Make requests fail, for drills.'),
};

export const composeSchema = mapOf(
  z.strictObject({
    to: z.string(),
    path: z.string().optional(),
    select: listOf(z.string()).optional(),
    timeout: duration({ min: 1 }).optional(),
    optional: z.boolean().optional(),
    cache: cache.optional(),
  }),
);
