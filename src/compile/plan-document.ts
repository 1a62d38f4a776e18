import type { OverloadThresholds } from '../plan/admission.ts';
import type { Consumer, CredentialNames, IdentifierEndpoint } from '../plan/identifier.ts';
import type { ConnectionLimits, Forwarding, ListenerPlan } from '../plan/plan.ts';
import type { PlanRules } from '../plan/plans.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import type { References } from './references.ts';

/**
 * The intermediate form between configuration and plan: resolved, checked, inherited; plain data that crosses to the
 * workers. Options of policies stand once in a table, so that ten thousand routes with the same defaults stay small.
 */
export interface PlanDocument {
  readonly version: number;
  readonly listeners: readonly ListenerPlan[];
  readonly limits: ConnectionLimits;
  readonly overload: OverloadThresholds;
  readonly forwarding: Forwarding;
  readonly trustedProxies: readonly string[];
  /** Fields that tell services who calls. */
  readonly identityFields: readonly string[];
  /** Absolute paths of users' policies, in their order. */
  readonly policyFiles: readonly string[];
  /** Entries of `auth`. */
  readonly identifiers: readonly AuthEntryDocument[];
  readonly plans: readonly PlanRules[];
  readonly upstreams: readonly UpstreamOptions[];
  /** By index of an upstream: indices into `uses`, in the order of the registry. Upstreams without are left out. */
  readonly upstreamUses: readonly (readonly [upstream: number, uses: readonly number[]])[];
  readonly uses: readonly PolicyUse[];
  readonly errorPages: readonly ErrorPagesDocument[];
  readonly gateways: readonly GatewayDocument[];
  /** Index of the gateway for hosts that none names. */
  readonly otherwise: number;
  readonly routes: readonly RouteDocument[];
}

/** An entry of `auth` as workers know it: without keys, which the main thread publishes as digests. */
export interface AuthEntryDocument {
  /** Whose feeds it reads. */
  readonly owner: string;
  readonly entry: string;
  /** Name of its module. */
  readonly kind: string;
  readonly options: unknown;
  readonly plan: string | null;
  readonly consumers: readonly (readonly [name: string, Consumer])[];
  readonly endpoints: readonly IdentifierEndpoint[];
  readonly credentials: CredentialNames;
}

/** Background work that a configuration asks of the main thread. It never crosses to the workers. */
export interface SupervisedDocument {
  /** Under which its feeds are published. */
  readonly owner: string;
  readonly kind: 'identifier' | 'policy' | 'upstream';
  readonly module: string;
  /** The entry of `auth`, the policy, or the upstream (whose options are an `UpstreamWork`). */
  readonly name: string;
  readonly options: unknown;
  readonly consumers: readonly (readonly [name: string, Consumer])[];
}

/** One distinct use of a policy: routes refer to it by its index. */
export interface PolicyUse {
  readonly policy: string;
  readonly options: unknown;
  /** What the options name; absent: nothing. */
  readonly references?: References;
}

export type ErrorPagesDocument = readonly (readonly [key: string, page: ErrorPageDocument])[];
export interface ErrorPageDocument {
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | null;
}

export interface GatewayDocument {
  readonly name: string;
  /** Lower case; `*.suffix`. Empty: the catch-all. */
  readonly hosts: readonly string[];
  /** Answers what no route matches, with the gateway's settings around it. */
  readonly unmatched: RouteDocument;
}

export interface RouteDocument {
  /** Index into `gateways`. */
  readonly gateway: number;
  readonly name: string;
  /** Index of its series in the metrics segment, from `assignSeries`. */
  readonly series: number;
  /** Routes of one group are the alternatives of one key, in order. */
  readonly group: number;
  readonly methods: readonly string[] | null;
  readonly path: string;
  readonly match: MatchDocument | null;
  readonly target: TargetDocument;
  /** Indices into `uses`, in the order of the registry. */
  readonly uses: readonly number[];
  /** Index into `errorPages`, or -1. */
  readonly errorPages: number;
  /** Milliseconds for the dispatch as a whole; 0: none. */
  readonly timeout: number;
  readonly upgrade: boolean;
  readonly allowEncodedSlashes: boolean;
}

export type TargetDocument =
  | { readonly kind: 'upstream'; readonly upstream: number }
  | {
      readonly kind: 'weighted';
      readonly upstreams: readonly number[];
      readonly weights: readonly number[];
      readonly split: SplitDocument;
    }
  | { readonly kind: 'redirect'; readonly to: string; readonly status: number; readonly keepQuery: boolean }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: string | null;
    }
  | { readonly kind: 'ready' }
  /** The public keys of the identity tokens of this plan. */
  | { readonly kind: 'jwks' }
  | { readonly kind: 'handler'; readonly file: string }
  /** A path of an entry of `auth` itself, such as the callback of a login. */
  | { readonly kind: 'identifier'; readonly entry: string; readonly endpoint: string }
  /** Needs what does not exist yet: 501. */
  | { readonly kind: 'refused'; readonly missing: readonly string[] }
  /** 404 or 405. */
  | { readonly kind: 'unmatched' };

/** How calls are given to the sides of a weighted target. */
export interface SplitDocument {
  /** What makes a caller meet the same side again; null: every call is drawn anew. Without it callers go by address. */
  readonly by: 'address' | 'identity' | 'consumer' | RequestPlace | null;
  /** Where a request may say the name of its side; null: nowhere. */
  readonly force: RequestPlace | null;
}
export type RequestPlace = { readonly header: string } | { readonly cookie: string };

export interface MatchDocument {
  readonly hosts: readonly string[];
  readonly methods: readonly string[] | null;
  readonly headers: readonly FieldCondition[];
  readonly query: readonly FieldCondition[];
  readonly cookies: readonly FieldCondition[];
  readonly clients: readonly string[];
}

export interface FieldCondition {
  readonly name: string;
  readonly test:
    | { readonly kind: 'present' }
    | { readonly kind: 'absent' }
    | { readonly kind: 'oneOf'; readonly values: readonly string[] }
    | { readonly kind: 'regex'; readonly regex: string };
}

/** Routes (and upstreams, and uses) in one message to a worker: each takes a few milliseconds to read. */
const BATCH = 200;

export type PlanPart =
  | ({ readonly kind: 'head' } & Omit<PlanDocument, 'upstreams' | 'uses' | 'routes'>)
  | { readonly kind: 'upstreams'; readonly upstreams: readonly UpstreamOptions[] }
  | { readonly kind: 'uses'; readonly uses: readonly PolicyUse[] }
  | { readonly kind: 'routes'; readonly routes: readonly RouteDocument[] };

/** The document in pieces, in the order in which a `PlanBuilder` takes them. */
export function* planParts(document: PlanDocument): Generator<PlanPart> {
  const { upstreams, uses, routes, ...head } = document;
  yield { kind: 'head', ...head };
  for (let i = 0; i < upstreams.length; i += BATCH)
    yield { kind: 'upstreams', upstreams: upstreams.slice(i, i + BATCH) };
  for (let i = 0; i < uses.length; i += BATCH) yield { kind: 'uses', uses: uses.slice(i, i + BATCH) };
  for (let i = 0; i < routes.length; i += BATCH) yield { kind: 'routes', routes: routes.slice(i, i + BATCH) };
}
