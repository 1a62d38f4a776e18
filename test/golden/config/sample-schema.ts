import { z } from 'zod';
import { count, duration, httpUrl, listOf, mapOf, namedMap, percent, rate, secret } from '../../../src/plan/fields.ts';

/** A schema with the shapes of the real one, small enough to see what a message should say. */
const upstream = z.union([
  httpUrl(),
  z.strictObject({
    targets: listOf(z.union([httpUrl(), z.strictObject({ url: httpUrl(), weight: count(1, 1000).optional() })])),
    timeout: z
      .union([duration(), z.strictObject({ connect: duration().optional(), head: duration().optional() })])
      .optional(),
    retry: z.strictObject({ attempts: count(1, 10), budget: percent().optional() }).optional(),
    balance: z
      .union([
        z.enum(['round-robin', 'least-request']),
        z.strictObject({ hash: z.strictObject({ header: z.string() }) }),
      ])
      .optional(),
  }),
]);

const route = z
  .strictObject({
    to: z.union([z.string(), mapOf(count(0, 100))]).optional(),
    redirect: z.strictObject({ to: z.string(), status: z.literal([301, 302, 307, 308]).optional() }).optional(),
    auth: listOf(z.string()).optional(),
    use: listOf(z.string()).optional(),
    match: z.strictObject({ headers: mapOf(z.string()).optional() }).optional(),
    limits: namedMap(rate()).optional(),
    headers: z.strictObject({ set: mapOf(z.string()).optional() }).optional(),
    cors: z
      .union([z.boolean(), z.strictObject({ origins: listOf(z.string()), maxAge: duration().optional() })])
      .optional(),
    timeout: duration({ min: 1, max: 3_600_000 }).optional(),
  })
  .superRefine((value, context) => {
    if (value.to === undefined || value.redirect === undefined) return;
    const params = { code: 'two-targets', remedy: 'Keep one of them.', at: 'key' };
    const message = 'a route has one target, and this has `to` and `redirect`';
    context.addIssue({ code: 'custom', path: ['redirect'], message, params });
  });

const routes = mapOf(z.union([z.string(), z.array(route), route]));

export const sampleSchema = z.strictObject({
  version: z.literal(1),
  listen: listOf(z.string()).optional(),
  workers: count(1, 256).optional(),
  upstreams: mapOf(upstream).optional(),
  auth: mapOf(z.strictObject({ jwt: z.strictObject({ issuer: httpUrl(), key: secret().optional() }) })).optional(),
  presets: mapOf(route).optional(),
  gateways: mapOf(z.strictObject({ hosts: listOf(z.string()).optional(), routes: routes.optional() })).optional(),
  routes: routes.optional(),
});
