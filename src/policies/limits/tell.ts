import type { HeaderBlock } from '../../base/headers.ts';
import type { ResponseHead } from '../../plan/call.ts';
import type { Exchange, Slot } from '../../plan/exchange.ts';
import { type LimitHeaders, limitField, policyField, setLegacy } from '../../plan/limit-headers.ts';
import type { Limiter } from '../../plan/limiter.ts';
import type { ResponseHook } from '../../plan/policy.ts';
import type { Attempt } from './limit.ts';

/** Charges what responses cost, and tells clients how much is left (draft-ietf-httpapi-ratelimit-headers-11). */
export class TellLimits implements ResponseHook {
  readonly #attempts: Slot<Attempt[]>;
  readonly #limiter: Limiter;
  readonly #headers: LimitHeaders;

  constructor(attempts: Slot<Attempt[]>, limiter: Limiter, headers: LimitHeaders) {
    this.#attempts = attempts;
    this.#limiter = limiter;
    this.#headers = headers;
  }

  run(exchange: Exchange, head: ResponseHead): undefined {
    const attempts = this.#attempts.get(exchange);
    if (attempts === undefined) return;
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i] as Attempt;
      if (attempt.isOwed) this.#charge(attempt, head.headers);
    }
    if (this.#headers !== 'none') tell(attempts, head.headers, this.#headers);
  }

  /** Who goes away before the response has cost one request. */
  settle(exchange: Exchange): void {
    for (const attempt of this.#attempts.get(exchange) ?? []) if (attempt.isOwed) this.#charge(attempt, null);
  }

  #charge(attempt: Attempt, headers: HeaderBlock | null): void {
    const { limit, key, verdict } = attempt;
    const field = limit.costField;
    const said = field === null || headers === null ? undefined : headers.get(field);
    const cost = said !== undefined && /^\d{1,15}$/.test(said) ? Number(said) : 1;
    attempt.isOwed = false;
    if (cost === 0) return;
    this.#limiter.charge(limit.use, key, cost);
    verdict.remaining = Math.max(0, verdict.remaining - cost);
  }
}

/** The most constrained limit first. A limit that only watches is none of the client's business. */
function tell(attempts: readonly Attempt[], headers: HeaderBlock, form: LimitHeaders): void {
  let policies = '';
  let first: Attempt | null = null;
  for (let i = 0; i < attempts.length; i++) {
    const attempt = attempts[i] as Attempt;
    if (attempt.limit.isReport) continue;
    const { policyMember } = attempt.limit;
    policies = policies === '' ? policyMember : `${policies}, ${policyMember}`;
    if (first === null || attempt.verdict.remaining < first.verdict.remaining) first = attempt;
  }
  if (first === null) return;
  if (form !== 'legacy') {
    let members = memberOf(first);
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i] as Attempt;
      if (attempt !== first && !attempt.limit.isReport) members += `, ${memberOf(attempt)}`;
    }
    headers.add(policyField, policies);
    headers.add(limitField, members);
  }
  if (form !== 'standard') {
    const { limit, verdict } = first;
    setLegacy(headers, limit.use.rate.limit, verdict.remaining, Math.ceil(verdict.resetAfter / 1000));
  }
}

/**
 * `t` is the time within which no more than `r` can be used, so that it ends when one more is there. With nothing used it
 * means nothing.
 */
function memberOf({ limit, verdict }: Attempt): string {
  const { nextAfter, remaining } = verdict;
  const member = limit.memberStart + remaining;
  return nextAfter > 0 ? `${member};t=${Math.ceil(nextAfter / 1000)}` : member;
}
