import { z } from 'zod';
import { count } from '../plan/fields.ts';
import type { LimitHeaders } from '../plan/limit-headers.ts';
import type { PlanRules } from '../plan/plans.ts';
import { type CompileEnv, definePolicy } from '../plan/policy.ts';
import { CompiledPlan, type PlanAttempt } from './plans/compiled-plan.ts';
import { HoldToPlan } from './plans/hold.ts';
import { TellPlan } from './plans/tell.ts';

const options = z.strictObject({
  cost: count(1, 1_000_000).default(1).describe('What a request takes of the rate and of every quota.'),
});

interface PlacedPlan {
  readonly cost: number;
  readonly headers: LimitHeaders;
  /** Somebody has to say here who they are. */
  readonly identifies: boolean;
}

export const plan = definePolicy<z.output<typeof options>, PlacedPlan>({
  name: 'plan',
  summary:
    'Callers are held to their plan wherever they have to identify: 429 `rate_limited` past its rate, 429 `quota_exceeded` past a quota. With `plans` every route does this, whether it says so or not; `false`: what is done here is free.',
  schema: options,
  examples: [{ title: 'An expensive request counts as ten', options: { cost: 10 } }],
  place({ cost }, { isPublic, setting }) {
    const headers = (setting('limitHeaders') as LimitHeaders | undefined) ?? 'standard';
    return { cost, headers, identifies: !isPublic && setting('auth') !== undefined };
  },
  compile({ cost, headers, identifies }, env) {
    const { rules, defaults } = env.plans;
    if (rules.size === 0) {
      env.problem('warning', 'unused-setting', 'there are no `plans` that callers could be on', 'Add `plans`.', []);
      return null;
    }
    if (!identifies) return null;
    const compiled = new Map<string, CompiledPlan>();
    for (const each of rules.values()) {
      checkCost(each, cost, env);
      compiled.set(each.name, new CompiledPlan(each, env));
    }
    const attempts = env.slot<PlanAttempt>();
    const request = new HoldToPlan(compiled, defaults, cost, env, attempts);
    if (headers === 'none') return { reads: ['identity'], request };
    return { reads: ['identity'], request, response: new TellPlan(attempts, headers) };
  },
});

/** What can never be there would be refused for ever. */
function checkCost({ name, rate, quotas }: PlanRules, cost: number, env: CompileEnv): void {
  const most = Math.min(rate?.burst ?? Number.POSITIVE_INFINITY, ...quotas.map(({ limit }) => limit));
  if (cost <= most) return;
  const message = `whoever is on the plan \`${name}\` never gets through: it gives ${most} at most`;
  env.problem('warning', 'plan-cost', message, 'Write less, or raise what the plan gives.', ['cost']);
}
