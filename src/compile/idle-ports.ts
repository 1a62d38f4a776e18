import { neverOverloaded, openGate } from '../plan/admission.ts';
import { closedCircuit } from '../plan/breaker.ts';
import { noResponses } from '../plan/no-responses.ts';
import { idleBudget } from '../plan/retry-budget.ts';
import { nothingHappens } from '../plan/route-events.ts';
import { noSharedResponses } from '../plan/shared-responses.ts';
import type { CheckedConfig } from './check.ts';
import { noCredentials } from './check-auth.ts';
import { plansOf } from './check-plans.ts';
import { noFeeds } from './feeds.ts';
import { idleLimiter, idleUsage, noLimitCounts } from './idle-limits.ts';
import type { PolicyUse } from './plan-document.ts';
import type { PolicyPorts } from './policy-compiler.ts';
import { neverDispatched } from './targets.ts';
import { unasked } from './unasked.ts';

const noLog = { write: (): void => undefined };

/** What policies are compiled with for an explanation: nobody calls, nothing is used up. `reads` hears who has feeds. */
export function idlePorts(
  { document }: CheckedConfig,
  identifier: PolicyPorts['identifier'] = unasked,
  reads: (use: PolicyUse) => void = () => undefined,
): PolicyPorts {
  return {
    log: noLog,
    logTo: () => noLog,
    credentials: noCredentials,
    feed: (use, name) => {
      reads(use);
      return noFeeds.find(use.policy, name);
    },
    identifier,
    limiter: idleLimiter,
    limitCounts: noLimitCounts,
    plans: plansOf(document?.plans ?? [], document?.identifiers ?? []),
    usage: idleUsage,
    upstream: () => neverDispatched,
    handler: () => neverDispatched,
    identityFields: [],
    routeEvents: nothingHappens,
    responses: noResponses,
    sharedResponses: noSharedResponses,
    gate: () => openGate,
    circuit: () => closedCircuit,
    retryBudget: () => idleBudget,
    overload: () => neverOverloaded,
    problem: () => undefined,
  };
}
