import type { Gate, GateOptions, Overload, OverloadThresholds } from '../plan/admission.ts';
import type { Circuit, CircuitChange, CircuitOptions } from '../plan/breaker.ts';
import type { Dispatch } from '../plan/call.ts';
import type { LimitCounts, Limiter } from '../plan/limiter.ts';
import type { LogSink, PolicyModule } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import type { ResponseStore } from '../plan/response-store.ts';
import type { RetryBudget, RetryBudgetOptions } from '../plan/retry-budget.ts';
import type { RouteEventCounter } from '../plan/route-events.ts';
import type { SharedResponses } from '../plan/shared-responses.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import type { UsageCounter } from '../plan/usage.ts';
import type { Feeds } from './feeds.ts';
import type { OpenIdentifier } from './open-identifier.ts';
import type { AuthEntryDocument } from './plan-document.ts';
import type { Resources } from './resources.ts';

/** What a plan is made with, beside its document. */
export interface PlanPorts {
  /** The policies that are part of the gateway. */
  readonly registry: Registry;
  /** One for the life of the worker. */
  readonly upstreams: Resources<UpstreamOptions, Upstream>;
  /** Entries of `auth`, for the life of the worker too. */
  readonly identifiers: Resources<AuthEntryDocument, OpenIdentifier>;
  readonly feeds: Feeds;
  readonly limiter: Limiter;
  readonly limitCounts: LimitCounts;
  readonly usage: UsageCounter;
  readonly routeEvents: RouteEventCounter;
  readonly responses: ResponseStore;
  readonly sharedResponses: SharedResponses;
  /** `series`: the upstream's, or -1. */
  gate(options: GateOptions, series: number): Gate;
  /** What is opened ends with the plan. */
  circuit(options: CircuitOptions, changed: (change: CircuitChange) => void): Circuit;
  retryBudget(options: RetryBudgetOptions): RetryBudget;
  overload(thresholds: OverloadThresholds): Overload;
  /** Loads a user's policy. */
  policy(file: string): PolicyModule | Promise<PolicyModule>;
  /** Loads a user's handler; `upstream` finds those of this plan by name. */
  handler(file: string, upstream: (name: string) => Upstream | null): Dispatch | Promise<Dispatch>;
  readonly log: LogSink;
  logTo(file: string): LogSink;
  /** False while draining, and until everything that readiness waits for is there. */
  ready(): boolean;
}
