import { z } from 'zod';
import { listOf, mapOf } from '../../plan/fields.ts';
import type { PolicyModule } from '../../plan/policy.ts';
import { laterDocumentShape } from './later-fields.ts';
import { type ProcessValue, processShape } from './process.ts';
import { type MatchValue, matchShape, routeShape, settingShape, type TargetValue } from './route.ts';
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
  upstreams?: Record<string, UpstreamValue>;
  auth?: Record<string, { plan?: string; [kind: string]: unknown }>;
  plans?: Record<string, unknown>;
  consumers?: Record<string, { plan?: string; keys?: Record<string, unknown> }>;
  presets?: Record<string, Settings>;
  policies?: string[];
  defaults?: Settings;
  gateways?: Record<string, GatewayValue>;
  routes?: Record<string, RouteValue>;
}

/** The schema of a whole document, with the settings of these policies. */
export function documentSchema(policies: readonly PolicyModule[]): z.ZodType<DocumentValue> {
  const policyShape: Record<string, z.ZodType> = {};
  for (const { name, schema, summary } of policies) {
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
    upstreams: upstreamsSchema.optional().describe('The services behind the gateway, by name.'),
    ...laterDocumentShape,
    presets: mapOf(settings).optional().describe('Settings that routes `use`, by name.'),
    policies: listOf(z.string().min(1)).optional().describe('Files of your own policies.'),
    defaults: settings.optional().describe('Settings of every route; nearer ones win.'),
    gateways: mapOf(gateway).optional().describe('Sets of routes for sets of hosts, by name.'),
    routes: routes.optional().describe('Routes for every host, by `[METHODS] PATH`.'),
    include: listOf(z.string()).optional().describe('Files that bring routes, upstreams and presets.'),
  });
  return document as unknown as z.ZodType<DocumentValue>;
}
