import { type FieldName, fieldName } from '../../base/headers.ts';
import { formatRate } from '../../base/units.ts';
import type { Condition, Quantity } from '../../plan/condition.ts';
import type { Exchange } from '../../plan/exchange.ts';
import { type LimitUse, limitId } from '../../plan/limiter.ts';
import type { CompileEnv, Fact, Finding } from '../../plan/policy.ts';
import { RateVerdict, rateLimit } from '../../semantics/rate.ts';
import { LimitKey } from './key.ts';
import type { LimitOptions } from './options.ts';

/** A limit with what is known about where it was declared. */
export interface PlacedLimit extends LimitOptions {
  readonly scope: string;
  /** It was declared for many routes, and on this one nobody has to say who they are. */
  readonly isForAnybody: boolean;
}

/** One named limit of a route, compiled. */
export class Limit {
  readonly use: LimitUse;
  /** Where its decisions are counted. */
  readonly series: number;
  readonly scope: string;
  readonly key: LimitKey;
  readonly costField: FieldName | null;
  readonly isReport: boolean;
  /** What has to be found out before it is asked. */
  readonly reads: readonly Fact[];
  /** A member of `RateLimit-Policy`. */
  readonly policyMember: string;
  /** How the member of `RateLimit` begins. */
  readonly memberStart: string;
  /** Nobody has to say here who they are, and whoever declared it knew that there are such routes. */
  readonly isForAnybody: boolean;
  readonly #when: Condition | null;
  readonly #cost: number;
  readonly #costOf: Quantity | null;
  readonly #burst: number;
  readonly #words: string;

  constructor(name: string, options: PlacedLimit, env: CompileEnv) {
    const { limit, period, burst, algorithm, by, cost, when, report, scope } = options;
    const rate = rateLimit(limit, period, burst, algorithm);
    this.use = { id: limitId(scope, name, rate), name, rate };
    this.series = env.limitCounts.seriesOf(scope, name);
    this.scope = scope;
    this.key = new LimitKey(by, env, [name, 'by']);
    this.#cost = typeof cost === 'number' ? cost : 0;
    this.costField = typeof cost === 'object' ? fieldName(cost.header) : null;
    this.#costOf = typeof cost === 'string' ? env.quantity(cost, [name, 'cost']) : null;
    this.#burst = burst;
    this.isReport = report;
    this.isForAnybody = options.isForAnybody;
    this.#when = when === null ? null : env.condition(when, [name, 'when']);
    this.reads = [...new Set([...this.key.reads, ...(this.#when?.reads ?? []), ...(this.#costOf?.reads ?? [])])];
    const size = burst === limit ? '' : `;sluice-burst=${burst}`;
    this.memberStart = `"${name}";r=`;
    this.policyMember = `"${name}";q=${limit};w=${period / 1000}${size}`;
    this.#words = `${name}: ${formatRate({ limit, per: period })}${burst === limit ? '' : `, burst ${burst}`}`;
  }

  /**
   * What an attempt takes: 0 where the response tells what it costs, never more than there can be, and 1 where it cannot
   * be worked out.
   */
  costOf(exchange: Exchange): number {
    if (this.#costOf === null) return this.#cost;
    return Math.min(this.#costOf.of(exchange) ?? 1, this.#burst);
  }

  /** What cannot be judged is limited: an error lets nobody through. */
  appliesTo(exchange: Exchange): boolean {
    return this.#when === null || this.#when.evaluate(exchange) !== false;
  }

  explain(exchange: Exchange, isCallerKnown: boolean): Finding {
    const { scope } = this;
    const { name } = this.use;
    const isKnown = isCallerKnown || this.isForAnybody;
    const by = ` by ${this.key.describe(exchange, isKnown)}`;
    const isOpen = !isKnown && this.#when?.reads.includes('identity');
    const skips = isOpen ? ', for some callers' : this.appliesTo(exchange) ? '' : ', not for this request';
    return { text: `${this.#words}${by}, scope ${scope}${skips}`, holds: null, path: [name] };
  }
}

/** One request at one limit. */
export class Attempt {
  readonly limit: Limit;
  readonly key: string;
  readonly cost: number;
  readonly verdict = new RateVerdict();
  /** What is still to be charged. */
  isOwed: boolean;

  constructor(limit: Limit, key: string, cost: number) {
    this.limit = limit;
    this.key = key;
    this.cost = cost;
    this.isOwed = limit.costField !== null;
  }

  /** Where the response tells the cost, one unit must be there. */
  get isAllowed(): boolean {
    return this.limit.costField === null ? this.verdict.allowed : this.verdict.remaining > 0;
  }

  get retryAfter(): number {
    return this.limit.costField === null ? this.verdict.retryAfter : this.verdict.nextAfter;
  }
}
