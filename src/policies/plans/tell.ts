import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { ResponseHead } from '../../plan/call.ts';
import type { Exchange, Slot } from '../../plan/exchange.ts';
import { type LimitHeaders, legacyLeft, limitField, policyField, setLegacy } from '../../plan/limit-headers.ts';
import type { ResponseHook } from '../../plan/policy.ts';
import type { UsageVerdict } from '../../plan/usage.ts';
import type { CompiledQuota, PlanAttempt } from './compiled-plan.ts';

/**
 * A field of its own, there only when a quota nears its end, so that whoever watches for it need not compute anything:
 * `RateLimit` is in every response, and RFC 9111 (5.5) has taken `Warning` out of HTTP.
 */
const warningField = fieldName('x-quota-warning');

/** Tells callers what is left of their plan (draft-ietf-httpapi-ratelimit-headers-11): lines beside those of `limits`. */
export class TellPlan implements ResponseHook {
  readonly #attempts: Slot<PlanAttempt>;
  readonly #isStandard: boolean;
  readonly #isLegacy: boolean;

  constructor(attempts: Slot<PlanAttempt>, headers: LimitHeaders) {
    this.#attempts = attempts;
    this.#isStandard = headers !== 'legacy';
    this.#isLegacy = headers !== 'standard';
  }

  run(exchange: Exchange, { headers }: ResponseHead): undefined {
    const attempt = this.#attempts.get(exchange);
    // A plan that only watches is none of the client's business.
    if (attempt === undefined || attempt.plan.rules.report) return;
    const now = Date.now();
    if (this.#isStandard) tell(attempt, headers, now);
    if (this.#isLegacy) tellLegacy(attempt, headers, now);
    if (attempt.isCounted) warn(attempt, headers, now);
  }
}

function tell({ plan, rate, usages, isCounted }: PlanAttempt, headers: HeaderBlock, now: number): void {
  let members = '';
  if (plan.rate !== null && rate !== null) {
    members = `${plan.rate.memberStart}${rate.remaining}`;
    if (rate.nextAfter > 0) members += `;t=${Math.ceil(rate.nextAfter / 1000)}`;
  }
  for (let i = 0; isCounted && i < usages.length; i++) {
    const { memberStart, limit } = plan.quotas[i] as CompiledQuota;
    const verdict = usages[i] as UsageVerdict;
    const member = `${memberStart}${left(verdict, limit)};t=${secondsUntil(verdict, now)}`;
    members = members === '' ? member : `${members}, ${member}`;
  }
  if (members === '') return;
  headers.add(policyField, plan.policyMembers);
  headers.add(limitField, members);
}

/** What is scarcer than what the fields say already. */
function tellLegacy({ plan, rate, usages, isCounted }: PlanAttempt, headers: HeaderBlock, now: number): void {
  let least = legacyLeft(headers);
  if (plan.rate !== null && rate !== null && rate.remaining < least) {
    least = rate.remaining;
    setLegacy(headers, plan.rate.use.rate.limit, least, Math.ceil(rate.resetAfter / 1000));
  }
  for (let i = 0; isCounted && i < usages.length; i++) {
    const { limit } = plan.quotas[i] as CompiledQuota;
    const verdict = usages[i] as UsageVerdict;
    const remaining = left(verdict, limit);
    if (remaining >= least) continue;
    least = remaining;
    setLegacy(headers, limit, least, secondsUntil(verdict, now));
  }
}

/** A list of structured fields (RFC 9651): the quota, what is used of it, and the seconds until less is. */
function warn({ plan, usages }: PlanAttempt, headers: HeaderBlock, now: number): void {
  for (let i = 0; i < usages.length; i++) {
    const { word, limit, warnFrom } = plan.quotas[i] as CompiledQuota;
    const verdict = usages[i] as UsageVerdict;
    if (verdict.used < warnFrom) continue;
    headers.add(warningField, `"${word}";used=${verdict.used};limit=${limit};t=${secondsUntil(verdict, now)}`);
  }
}

function left({ used }: UsageVerdict, limit: number): number {
  return Math.max(0, limit - used);
}

function secondsUntil({ fallsAt }: UsageVerdict, now: number): number {
  return Math.max(0, Math.ceil((fallsAt - now) / 1000));
}
