import type { QuotaPeriod } from '../semantics/quota.ts';

/** Whose requests are counted together. `caller`: the consumer's, or where there is none the identity's. */
export const planSubjects = ['caller', 'consumer', 'identity', 'key'] as const;
export type PlanSubject = (typeof planSubjects)[number];

/** What callers on one plan may use, as plain data. */
export interface PlanRules {
  readonly name: string;
  readonly by: PlanSubject;
  /** Null: as often as they like. Milliseconds. */
  readonly rate: { readonly limit: number; readonly period: number; readonly burst: number } | null;
  readonly quotas: readonly QuotaRules[];
  /** Past which part of a quota responses warn; null: never. */
  readonly warnAt: number | null;
  /** What would be refused is counted, logged, and passes. */
  readonly report: boolean;
}

export interface QuotaRules {
  readonly limit: number;
  readonly period: QuotaPeriod;
}

/** What a configuration says about plans. */
export interface Plans {
  readonly rules: ReadonlyMap<string, PlanRules>;
  /** By entry of `auth`: for callers whose own plan does not exist. */
  readonly defaults: ReadonlyMap<string, string>;
}
