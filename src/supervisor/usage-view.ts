import type { PlanDocument } from '../compile/plan-document.ts';
import type { PlanRules } from '../plan/plans.ts';
import { type UsageRow, UsageWindow } from '../plan/usage.ts';

/** What the main thread has to know of a configuration to tell what callers may use. */
export interface PlansInForce {
  readonly rules: readonly PlanRules[];
  readonly consumers: readonly (readonly [consumer: string, plan: string | null])[];
  readonly defaults: readonly (readonly [entry: string, plan: string])[];
}

export function plansInForce({ plans, identifiers }: Pick<PlanDocument, 'plans' | 'identifiers'>): PlansInForce {
  const consumers = new Map(
    identifiers.flatMap((entry) => entry.consumers.map(([name, { plan }]) => [name, plan] as const)),
  );
  return {
    rules: plans,
    consumers: [...consumers],
    defaults: identifiers.flatMap(({ entry, plan }) => (plan === null ? [] : [[entry, plan] as const])),
  };
}

/** What a subject used of one quota. */
export interface UsageView {
  /** `consumer:acme`, `identity:customer:alice`, `key:k7`. */
  readonly subject: string;
  /** Under which it called last; null: unknown. */
  readonly plan: string | null;
  readonly period: string;
  readonly used: number;
  /** Null: its plan has no quota for this period. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** When the period ends, or the oldest part of a rolling one does. */
  readonly resetsAt: string;
}

export interface PlanView {
  readonly name: string;
  readonly rate: { readonly limit: number; readonly periodMs: number; readonly burst: number } | null;
  readonly quotas: readonly { readonly limit: number; readonly period: string }[];
  readonly by: string;
  readonly report: boolean;
  /** Consumers that are on it, and entries of `auth` whose callers are unless they have another one. */
  readonly consumers: readonly string[];
  readonly auth: readonly string[];
}

export function planViews({ rules, consumers, defaults }: PlansInForce): PlanView[] {
  return rules.map(({ name, rate, quotas, by, report }) => ({
    name,
    rate: rate === null ? null : { limit: rate.limit, periodMs: rate.period, burst: rate.burst },
    quotas: quotas.map(({ limit, period }) => ({ limit, period: new UsageWindow(period).name })),
    by,
    report,
    consumers: consumers.filter(([, plan]) => plan === name).map(([consumer]) => consumer),
    auth: defaults.filter(([, plan]) => plan === name).map(([entry]) => entry),
  }));
}

/** Plan of a subject that nobody has seen on one. */
export function configuredPlan(subject: string, { consumers, defaults }: PlansInForce): string | null {
  const [kind, name = ''] = subject.split(':');
  if (kind === 'consumer') return consumers.find(([each]) => `consumer:${each}` === subject)?.[1] ?? null;
  return kind === 'identity' ? (defaults.find(([entry]) => entry === name)?.[1] ?? null) : null;
}

export function usageView(window: UsageWindow, rows: readonly UsageRow[], plans: PlansInForce): UsageView {
  const { subject } = rows[0] as UsageRow;
  const plan = rows.findLast((row) => row.plan !== null)?.plan ?? configuredPlan(subject, plans);
  const used = rows.reduce((sum, row) => sum + row.used, 0);
  const quota = plans.rules
    .find(({ name }) => name === plan)
    ?.quotas.find(({ period }) => new UsageWindow(period).name === window.name);
  const limit = quota?.limit ?? null;
  const oldest = Math.min(...rows.filter((row) => row.used > 0).map(({ stamp }) => stamp), window.clock.stamp);
  return {
    subject,
    plan,
    period: window.name,
    used,
    limit,
    remaining: limit === null ? null : Math.max(0, limit - used),
    resetsAt: new Date(window.clock.leavesAt(oldest)).toISOString(),
  };
}
