import { formatRate } from '../../base/units.ts';
import { hash32, type LimitUse, limitId } from '../../plan/limiter.ts';
import type { PlanRules, QuotaRules } from '../../plan/plans.ts';
import type { CompileEnv } from '../../plan/policy.ts';
import { UsageVerdict, UsageWindow } from '../../plan/usage.ts';
import { type QuotaPeriod, quotaSeconds } from '../../semantics/quota.ts';
import { RateVerdict, rateLimit } from '../../semantics/rate.ts';

/** What callers on a plan are held to, ready to be asked. */
export class CompiledPlan {
  readonly rules: PlanRules;
  /** Hash of its name. */
  readonly id: number;
  readonly rate: CompiledRate | null;
  readonly quotas: readonly CompiledQuota[];
  /** Members of `RateLimit-Policy`. */
  readonly policyMembers: string;
  readonly words: string;

  constructor(rules: PlanRules, env: Pick<CompileEnv, 'limitCounts'>) {
    const { name, rate, quotas } = rules;
    this.rules = rules;
    this.id = hash32(name);
    this.rate = rate === null ? null : new CompiledRate(name, rate, env);
    this.quotas = quotas.map((quota, index) => {
      const isOnly = quotas.filter((each) => wordOf(each.period) === wordOf(quota.period)).length === 1;
      return new CompiledQuota(
        name,
        isOnly ? wordOf(quota.period) : `${wordOf(quota.period)}-${index + 1}`,
        rules,
        quota,
        env,
      );
    });
    const all = [...(this.rate === null ? [] : [this.rate]), ...this.quotas];
    this.policyMembers = all.map(({ policyMember }) => policyMember).join(', ');
    this.words = `${name}: ${all.length === 0 ? 'everything' : all.map(({ words }) => words).join(', ')}`;
  }
}

export class CompiledRate {
  readonly use: LimitUse;
  readonly series: number;
  readonly policyMember: string;
  readonly memberStart: string;
  readonly words: string;

  constructor(plan: string, given: NonNullable<PlanRules['rate']>, env: Pick<CompileEnv, 'limitCounts'>) {
    const { limit, period, burst } = given;
    const rate = rateLimit(limit, period, burst);
    const scope = `plan ${plan}`;
    this.use = { id: limitId(scope, 'rate', rate), name: plan, rate };
    this.series = env.limitCounts.seriesOf(scope, 'rate');
    this.memberStart = `"${plan}";r=`;
    this.policyMember = `"${plan}";q=${limit};w=${period / 1000}${burst === limit ? '' : `;sluice-burst=${burst}`}`;
    this.words = `${formatRate({ limit, per: period })}${burst === limit ? '' : `, burst ${burst}`}`;
  }
}

export class CompiledQuota {
  readonly limit: number;
  readonly window: UsageWindow;
  readonly series: number;
  /** Used so much or more, callers are warned. */
  readonly warnFrom: number;
  /** As responses call it. */
  readonly word: string;
  readonly policyMember: string;
  readonly memberStart: string;
  readonly words: string;

  constructor(
    plan: string,
    word: string,
    { warnAt }: Pick<PlanRules, 'warnAt'>,
    { limit, period }: QuotaRules,
    env: Pick<CompileEnv, 'limitCounts'>,
  ) {
    this.limit = limit;
    this.window = new UsageWindow(period);
    this.word = word;
    this.series = env.limitCounts.seriesOf(`plan ${plan}`, `quota ${this.window.name}`);
    this.warnFrom = warnAt === null ? Number.POSITIVE_INFINITY : Math.ceil(limit * warnAt);
    this.memberStart = `"${plan}-${word}";r=`;
    this.policyMember = `"${plan}-${word}";q=${limit};w=${quotaSeconds(period)}`;
    this.words = `${limit} per ${this.window.name}`;
  }
}

function wordOf(period: QuotaPeriod): string {
  return period.kind === 'calendar' ? period.unit : 'rolling';
}

/** One request at the plan of its caller. */
export class PlanAttempt {
  readonly plan: CompiledPlan;
  readonly subject: string;
  readonly rate: RateVerdict | null;
  readonly usages: readonly UsageVerdict[];
  /** The quotas were asked too: what is told of them is true. */
  isCounted = false;

  constructor(plan: CompiledPlan, subject: string) {
    this.plan = plan;
    this.subject = subject;
    this.rate = plan.rate === null ? null : new RateVerdict();
    const usages: UsageVerdict[] = [];
    for (let i = 0; i < plan.quotas.length; i++) usages.push(new UsageVerdict());
    this.usages = usages;
  }
}
