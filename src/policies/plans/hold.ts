import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { Exchange, Identity, Slot } from '../../plan/exchange.ts';
import type { LimitCounts, Limiter } from '../../plan/limiter.ts';
import type { CompileEnv, Finding, LogSink, Maybe, RequestHook } from '../../plan/policy.ts';
import { Reply } from '../../plan/reply.ts';
import { refuseOrReport } from '../../plan/report.ts';
import type { UsageCounter } from '../../plan/usage.ts';
import { type CompiledPlan, type CompiledQuota, PlanAttempt } from './compiled-plan.ts';
import { subjectOf } from './subject.ts';

/** What is known about a caller as long as its identity is remembered. */
interface Caller {
  /** Null: none. */
  readonly plan: CompiledPlan | null;
  readonly subject: string;
  /** Somebody says that it is on a plan, and there is no such plan. */
  readonly isAstray: boolean;
}

/**
 * Holds callers to their plans. The rate is asked first: a request that comes too soon uses nothing of a quota. All quotas
 * are asked, also behind one that refuses, so that `Retry-After` is the time after which none of them does.
 */
export class HoldToPlan implements RequestHook {
  readonly phase = 'throttle';
  readonly #plans: ReadonlyMap<string, CompiledPlan>;
  readonly #defaults: ReadonlyMap<string, string>;
  readonly #cost: number;
  readonly #limiter: Limiter;
  readonly #counts: LimitCounts;
  readonly #usage: UsageCounter;
  readonly #log: LogSink;
  readonly #attempts: Slot<PlanAttempt>;
  readonly #callers = new WeakMap<Identity, Caller>();

  constructor(
    plans: ReadonlyMap<string, CompiledPlan>,
    defaults: ReadonlyMap<string, string>,
    cost: number,
    { limiter, limitCounts, usage, log }: Pick<CompileEnv, 'limiter' | 'limitCounts' | 'usage' | 'log'>,
    attempts: Slot<PlanAttempt>,
  ) {
    this.#plans = plans;
    this.#defaults = defaults;
    this.#cost = cost;
    this.#limiter = limiter;
    this.#counts = limitCounts;
    this.#usage = usage;
    this.#log = log;
    this.#attempts = attempts;
  }

  run(exchange: Exchange): Maybe<Reply | undefined> {
    const { identity } = exchange;
    if (identity === null) return undefined;
    const { plan, subject, isAstray } = this.#callerOf(identity);
    if (isAstray) return Reply.refuse(errors.planUnknown, 'The credential names a plan that does not exist.');
    if (plan === null) return undefined;
    const attempt = new PlanAttempt(plan, subject);
    this.#attempts.set(exchange, attempt);
    if (plan.rate === null || attempt.rate === null) return this.#count(exchange, attempt);
    const waiting = this.#limiter.take(plan.rate.use, subject, this.#cost, attempt.rate);
    return waiting === undefined ? this.#judge(exchange, attempt) : this.#judgeAfter(waiting, exchange, attempt);
  }

  explain(exchange: Exchange, isCallerKnown: boolean): Finding[] {
    const { identity } = exchange;
    const costs = this.#cost === 1 ? '' : `; this counts as ${this.#cost}`;
    if (!isCallerKnown || identity === null) {
      return [{ text: `the plan of whoever calls${costs}`, holds: null, path: [] }];
    }
    const { plan, subject, isAstray } = this.#callerOf(identity);
    if (isAstray) return [{ text: `there is no plan ${identity.plan}`, holds: false, path: [] }];
    if (plan === null) return [{ text: 'the caller is on no plan', holds: null, path: [] }];
    return [{ text: `plan ${plan.words}, counted for ${subject}${costs}`, holds: null, path: [] }];
  }

  #callerOf(identity: Identity): Caller {
    let caller = this.#callers.get(identity);
    if (caller === undefined) {
      caller = this.#find(identity);
      this.#callers.set(identity, caller);
    }
    return caller;
  }

  /** Who is on a plan that does not exist gets what its entry of `auth` gives to everybody, and nothing without that. */
  #find(identity: Identity): Caller {
    if (identity.plan === null) return { plan: null, subject: '', isAstray: false };
    const plan = this.#plans.get(identity.plan) ?? this.#plans.get(this.#defaults.get(identity.method) ?? '') ?? null;
    if (plan === null) return { plan, subject: '', isAstray: true };
    return { plan, subject: subjectOf(identity, plan.rules.by), isAstray: false };
  }

  async #judgeAfter(waiting: Promise<void>, exchange: Exchange, attempt: PlanAttempt): Promise<Reply | undefined> {
    await waiting;
    return this.#judge(exchange, attempt);
  }

  #judge(exchange: Exchange, attempt: PlanAttempt): Reply | undefined {
    const { plan, rate: verdict } = attempt;
    const { rate } = plan;
    if (rate === null || verdict === null) return this.#count(exchange, attempt);
    if (verdict.allowed) {
      this.#counts.count(rate.series, 'allowed');
      return this.#count(exchange, attempt);
    }
    if (plan.rules.report) {
      this.#report(exchange, rate.series, errors.rateLimited, `rate of the plan ${plan.rules.name}`);
      return this.#count(exchange, attempt);
    }
    this.#counts.count(rate.series, 'limited');
    const seconds = secondsOf(verdict.retryAfter);
    if (verdict.unavailable) return Reply.refuseFor(seconds, errors.limitsUnavailable);
    return Reply.refuseFor(
      seconds,
      errors.rateLimited,
      `The plan \`${plan.rules.name}\` has room again in ${seconds} s.`,
    );
  }

  #count(exchange: Exchange, attempt: PlanAttempt): Reply | undefined {
    const { plan, subject, usages } = attempt;
    const { quotas, rules } = plan;
    let refusing = -1;
    for (let i = 0; i < quotas.length; i++) {
      const { window, limit, series } = quotas[i] as CompiledQuota;
      const verdict = usages[i] as PlanAttempt['usages'][number];
      // What is only watched is counted on, so that it shows by how much it is not enough.
      const most = rules.report ? Number.POSITIVE_INFINITY : limit;
      this.#usage.take(window, subject, plan.id, most, this.#cost, verdict);
      if (rules.report && verdict.used > limit) {
        this.#report(exchange, series, errors.quotaExceeded, `quota per ${window.name} of the plan ${rules.name}`);
      } else {
        this.#counts.count(series, verdict.allowed ? 'allowed' : 'limited');
      }
      if (verdict.allowed) continue;
      if (refusing < 0 || verdict.retryAt > (usages[refusing] as typeof verdict).retryAt) refusing = i;
    }
    attempt.isCounted = true;
    return refusing < 0 ? undefined : this.#refuse(attempt, refusing);
  }

  /** What the others gave, and the rate, goes back. */
  #refuse({ plan, subject, rate, usages }: PlanAttempt, refusing: number): Reply {
    const cost = this.#cost;
    for (let i = 0; i < plan.quotas.length; i++) {
      const verdict = usages[i] as PlanAttempt['usages'][number];
      if (!verdict.allowed) continue;
      this.#usage.giveBack((plan.quotas[i] as CompiledQuota).window, subject, cost);
      verdict.used -= cost;
    }
    if (plan.rate !== null && rate?.allowed) {
      this.#limiter.charge(plan.rate.use, subject, -cost);
      rate.remaining += cost;
    }
    const { limit, window } = plan.quotas[refusing] as CompiledQuota;
    const { retryAt } = usages[refusing] as PlanAttempt['usages'][number];
    const detail = `The quota of ${limit} per ${window.name} of the plan \`${plan.rules.name}\` is used up.`;
    return Reply.refuseFor(secondsOf(retryAt - Date.now()), errors.quotaExceeded, detail);
  }

  #report(exchange: Exchange, series: number, error: GatewayError, detail: string): void {
    this.#counts.count(series, 'reported');
    refuseOrReport(true, this.#log, 'plan', exchange, error, detail);
  }
}

function secondsOf(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
