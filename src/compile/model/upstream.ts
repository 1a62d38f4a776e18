import { z } from 'zod';
import { count, duration, listOf, mapOf, size } from '../../plan/fields.ts';
import type { PolicyModule } from '../../plan/policy.ts';
import { upstreamUrl } from './address.ts';
import { clientTls } from './client-tls.ts';
import { affinitySchema, balanceSchema, ejectionSchema } from './upstream-balance.ts';
import { propagateSchema } from './upstream-deadline.ts';
import { discoverSchema } from './upstream-discover.ts';
import { healthSchema } from './upstream-health.ts';

/** The part of the document that speaks of the services behind the gateway. */

export const targetSchema = z.union([
  upstreamUrl(),
  z.strictObject({
    url: upstreamUrl(),
    weight: count(0, 1_000_000).default(1).describe('Its share of the calls, in relation to the others.'),
    priority: count(0, 1_000)
      .default(0)
      .describe(
        'Its group: calls go to the first one, `0`. While less than 71% of its weight is well, the next takes what it cannot.',
      ),
  }),
]);

const timeout = z.union([
  duration({ min: 1 }),
  z.strictObject({
    connect: duration({ min: 1 }).optional().describe('Until a connection is there: TCP, TLS and PROXY protocol.'),
    head: duration({ min: 1 }).optional().describe('From the sent request to the head of the response.'),
    idle: duration({ min: 1 }).optional().describe('Longest pause inside the body of a response.'),
    total: duration().optional().describe('The whole call, all attempts together; `0`: no bound.'),
    propagate: propagateSchema
      .optional()
      .describe('Tell the service in a header how much time is left, by this and the `timeout` of the route.'),
  }),
]);

const connections = z.strictObject({
  max: count(1).default(1024).describe('Connections to each target, for each worker.'),
  pending: count(0).default(1024).describe('Calls of a worker that may wait for a connection; past it 503.'),
  pendingTimeout: duration({ min: 1 }).default(5_000).describe('How long they wait.'),
  keepAlive: duration().default(60_000).describe('How long an idle connection is kept.'),
  maxAge: duration({ min: 1000 }).default(3_600_000).describe('Age at which a connection is not used again.'),
  maxRequests: count(1).default(100_000).describe('Requests after which a connection is not used again.'),
});

const settings = {
  timeout: timeout.optional().describe('How long each stage of a call may take; a single value bounds the whole call.'),
  connections: connections.prefault({}).describe('Bounds of the connection pools.'),
  tls: clientTls.optional().describe('How `https:` targets are spoken to.'),
  hostHeader: z
    .string()
    .regex(/^[A-Za-z0-9._~:[\]-]+$/)
    .meta({ expects: '`preserve`, `target` or a host' })
    .default('preserve')
    .describe('What `Host` says to the service: `preserve` the client’s, `target` for the URL’s, or this text.'),
  proxyProtocol: z
    .union([z.literal(false), z.literal(1), z.literal(2)])
    .default(false)
    .describe('Begin every connection with a PROXY protocol header of this version.'),
  upgrade: z.boolean().default(true).describe('Let WebSocket and other upgrades through.'),
  maxResponseHead: size({ min: 1024, max: 1024 * 1024 })
    .default(64 * 1024)
    .describe('Largest head of a response: 502.'),
};

/** With the settings that upstream policies bring. */
export function upstreamsSchema(policies: readonly PolicyModule[]) {
  const policyShape: Record<string, z.ZodType> = {};
  for (const { name, setting = name, schema, summary } of policies) {
    policyShape[setting] = schema.optional().describe(summary);
  }
  const upstream = z.union([
    upstreamUrl(),
    z.strictObject({
      targets: listOf(targetSchema).default([]).describe('Where it runs.'),
      discover: discoverSchema
        .optional()
        .describe('Where to find further targets, which come and go: `dns`, `srv`, `file` or `http`.'),
      health: healthSchema.optional().describe('Ask the targets whether they are well; once for all workers.'),
      balance: balanceSchema.optional().describe('How calls are spread over the targets; `round-robin`.'),
      ejection: ejectionSchema.optional().describe('Leave targets alone for a while that fail while they are used.'),
      affinity: affinitySchema.optional().describe('Bind each client by a signed cookie to the target that served it.'),
      ...settings,
      ...policyShape,
    }),
  ]);
  return mapOf(upstream);
}

export type TargetValue = z.output<typeof targetSchema>;
export type UpstreamValue = z.output<ReturnType<typeof upstreamsSchema>>[string];
export type UpstreamObject = Exclude<UpstreamValue, { text: string }>;
