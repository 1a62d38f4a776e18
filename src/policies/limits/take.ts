import { errors } from '../../base/gateway-error.ts';
import type { Exchange, Slot } from '../../plan/exchange.ts';
import type { LimitCounts, Limiter } from '../../plan/limiter.ts';
import type { RequestPhase } from '../../plan/phase.ts';
import type { CompileEnv, Finding, LogSink, Maybe, RequestHook } from '../../plan/policy.ts';
import { Reply } from '../../plan/reply.ts';
import { refuseOrReport } from '../../plan/report.ts';
import { Attempt, type Limit } from './limit.ts';

/**
 * The limits of a route that are asked in one phase. All of them are, also behind one that refuses: so `Retry-After` is
 * the time after which none of them does. What the others gave is then given back.
 */
export class TakeLimits implements RequestHook {
  readonly phase: RequestPhase;
  readonly #limits: readonly Limit[];
  readonly #limiter: Limiter;
  readonly #counts: LimitCounts;
  readonly #attempts: Slot<Attempt[]>;
  readonly #log: LogSink;

  constructor(
    phase: RequestPhase,
    limits: readonly Limit[],
    { limiter, limitCounts, log }: Pick<CompileEnv, 'limiter' | 'limitCounts' | 'log'>,
    attempts: Slot<Attempt[]>,
  ) {
    this.phase = phase;
    this.#limits = limits;
    this.#limiter = limiter;
    this.#counts = limitCounts;
    this.#attempts = attempts;
    this.#log = log;
  }

  run(exchange: Exchange): Maybe<Reply | undefined> {
    const limits = this.#limits;
    const attempts: Attempt[] = [];
    let waits: Promise<void>[] | null = null;
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i] as Limit;
      if (!limit.appliesTo(exchange)) continue;
      const attempt = new Attempt(limit, limit.key.of(exchange), limit.costOf(exchange));
      attempts.push(attempt);
      const waiting = this.#limiter.take(limit.use, attempt.key, attempt.cost, attempt.verdict);
      if (waiting === undefined) continue;
      waits ??= [];
      waits.push(waiting);
    }
    return waits === null ? this.#decide(exchange, attempts) : this.#decideAfter(waits, exchange, attempts);
  }

  explain(exchange: Exchange, isCallerKnown: boolean): Finding[] {
    return this.#limits.map((limit) => limit.explain(exchange, isCallerKnown));
  }

  async #decideAfter(
    waits: readonly Promise<void>[],
    exchange: Exchange,
    attempts: Attempt[],
  ): Promise<Reply | undefined> {
    await Promise.all(waits);
    return this.#decide(exchange, attempts);
  }

  #decide(exchange: Exchange, attempts: Attempt[]): Reply | undefined {
    if (attempts.length === 0) return undefined;
    let refusing: Attempt | null = null;
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i] as Attempt;
      const { series, isReport } = attempt.limit;
      if (attempt.isAllowed) {
        this.#counts.count(series, 'allowed');
      } else if (isReport) {
        this.#counts.count(series, 'reported');
        const { use, scope } = attempt.limit;
        refuseOrReport(true, this.#log, 'limits', exchange, errors.rateLimited, `limit ${use.name} of ${scope}`);
      } else {
        this.#counts.count(series, 'limited');
        if (refusing === null || attempt.retryAfter > refusing.retryAfter) refusing = attempt;
      }
    }
    const before = this.#attempts.get(exchange);
    if (before === undefined) this.#attempts.set(exchange, attempts);
    else before.push(...attempts);
    return refusing === null ? undefined : this.#refuse(refusing, attempts);
  }

  #refuse(refusing: Attempt, attempts: readonly Attempt[]): Reply {
    for (const attempt of attempts) {
      const { limit, key, cost, verdict } = attempt;
      attempt.isOwed = false;
      if (cost === 0 || !verdict.allowed) continue;
      this.#limiter.charge(limit.use, key, -cost);
      verdict.remaining += cost;
    }
    const seconds = Math.max(1, Math.ceil(refusing.retryAfter / 1000));
    if (refusing.verdict.unavailable) return Reply.refuseFor(seconds, errors.limitsUnavailable);
    const detail = `The limit \`${refusing.limit.use.name}\` has room again in ${seconds} s.`;
    return Reply.refuseFor(seconds, errors.rateLimited, detail);
  }
}
