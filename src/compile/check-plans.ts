import type { PlanRules, Plans } from '../plan/plans.ts';
import type { CheckContext } from './check-context.ts';
import { type EffectiveSettings, noSettings } from './inherit.ts';
import type { DocumentValue } from './model/document.ts';
import type { AuthEntryDocument } from './plan-document.ts';

/** The plans of a document, as workers and the main thread need them. */
export function checkPlans({ plans = {}, auth }: DocumentValue, context: CheckContext): PlanRules[] {
  if (Object.keys(plans).length > 0 && Object.keys(auth ?? {}).length === 0) {
    const message = 'nobody identifies here, so nobody is on a plan';
    context.keyWarning('unused-setting', message, 'Add `auth`, or hold everybody to `limits`.', ['plans']);
  }
  return Object.entries(plans).map(([name, plan]) => {
    if (plan.rate === null && plan.quotas.length === 0) {
      const remedy = 'Add `rate` or `quota`, if callers on it should not use as much as they like.';
      context.keyWarning('idle-plan', `the plan \`${name}\` allows everything`, remedy, ['plans', name]);
    }
    return { name, ...plan };
  });
}

export function plansOf(rules: readonly PlanRules[], entries: readonly AuthEntryDocument[]): Plans {
  return {
    rules: new Map(rules.map((each) => [each.name, each])),
    defaults: new Map(entries.flatMap(({ entry, plan }) => (plan === null ? [] : [[entry, plan]]))),
  };
}

/** What every route has unless it says otherwise: with plans there are, callers are held to theirs. */
export function impliedSettings(plans: readonly PlanRules[], entries: readonly AuthEntryDocument[]): EffectiveSettings {
  if (plans.length === 0 || entries.length === 0) return noSettings;
  return new Map([['plan', { value: { cost: 1 }, sources: [['plans']] }]]);
}
