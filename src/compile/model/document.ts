import { z } from 'zod';
import { listOf, mapOf } from '../../plan/fields.ts';
import type { PolicyModule } from '../../plan/policy.ts';
import type { Registry } from '../../plan/registry.ts';
import { type AuthEntryValue, authSchema, type ConsumerValue, consumersSchema } from './auth.ts';
import { type PlanValue, plansSchema } from './plans.ts';
import { type ProcessValue, processShape } from './process.ts';
import { type MatchValue, matchShape, routeShape, settingShape, type TargetValue } from './route.ts';
import { type StoresValue, storesSchema } from './stores.ts';
import { type UpstreamValue, upstreamsSchema } from './upstream.ts';

/** Settings by name: policies and the rest alike. `false` turns one off. */
export type Settings = Readonly<Record<string, unknown>>;

export interface RouteObject extends TargetValue {
  name?: string;
  owner?: string;
  runbook?: string;
  tags?: string[];
  use?: string[];
  match?: MatchValue;
  [setting: string]: unknown;
}

/** An upstream's name or URL, a route, or alternatives. */
export type RouteValue = string | RouteObject | (string | RouteObject)[];

export interface GatewayValue {
  hosts?: string[];
  routes?: Record<string, RouteValue>;
  [setting: string]: unknown;
}

export interface DocumentValue extends ProcessValue {
  stores?: StoresValue;
  upstreams?: Record<string, UpstreamValue>;
  auth?: Record<string, AuthEntryValue>;
  plans?: Record<string, PlanValue>;
  consumers?: Record<string, ConsumerValue>;
  presets?: Record<string, Settings>;
  policies?: string[];
  defaults?: Settings;
  gateways?: Record<string, GatewayValue>;
  routes?: Record<string, RouteValue>;
}

/** The schema of a whole document, with everything that the registry and users' policies bring. */
export function documentSchema(
  registry: Registry,
  userPolicies: readonly PolicyModule[] = [],
): z.ZodType<DocumentValue> {
  const policyShape: Record<string, z.ZodType> = {};
  for (const { name, schema, summary, isInternal } of [...registry.policies, ...userPolicies]) {
    if (isInternal) continue;
    policyShape[name] = z
      .union([schema, z.literal(false)])
      .optional()
      .describe(summary);
  }
  const shape = { ...policyShape, ...settingShape };
  const settings = z.strictObject(shape);
  const alternative = z.strictObject({ ...routeShape, ...matchShape, ...shape });
  const route = z.union([
    z.string().min(1).describe('The name of an upstream, or a URL.'),
    alternative,
    z
      .array(z.union([z.string().min(1), alternative]))
      .min(1)
      .describe('Alternatives; the first that fits answers.'),
  ]);
  const routes = mapOf(route).describe('By `[METHODS] PATH`.');
  const gateway = z.strictObject({
    hosts: listOf(z.string().min(1)).optional().describe('Hosts it answers for, or `*.suffix`; all when left out.'),
    routes: routes.optional(),
    ...shape,
  });
  const document = z.strictObject({
    ...processShape,
    stores: storesSchema.optional().describe('Where state is kept that machines share.'),
    upstreams: upstreamsSchema(registry.upstreamPolicies)
      .optional()
      .describe('The services behind the gateway, by name.'),
    auth: authSchema(registry.identifiers)
      .optional()
      .describe('Ways to know who calls, by name; once it exists, every route names one or says `public`.'),
    consumers: consumersSchema.optional().describe('Callers that are known by name.'),
    plans: plansSchema.optional().describe('What callers may use, by name: consumers and entries of `auth` name one.'),
    presets: mapOf(settings).optional().describe('Settings that routes `use`, by name.'),
    policies: listOf(z.string().min(1)).optional().describe('Files of your own policies.'),
    defaults: settings.optional().describe('Settings of every route; nearer ones win.'),
    gateways: mapOf(gateway).optional().describe('Sets of routes for sets of hosts, by name.'),
    routes: routes.optional().describe('Routes for every host, by `[METHODS] PATH`.'),
    include: listOf(z.string()).optional().describe('Files that bring routes, upstreams and presets.'),
  });
  return document as unknown as z.ZodType<DocumentValue>;
}
