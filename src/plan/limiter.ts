import type { RateLimit, RateVerdict } from '../semantics/rate.ts';
import type { Maybe } from './policy.ts';

/** One named limit, where it was declared: whoever shares it shares its buckets. */
export interface LimitUse {
  /** 32 bits that tell it from every other one, the same in every worker and machine, and another one when its rate changes. */
  readonly id: number;
  readonly name: string;
  readonly rate: RateLimit;
}

/** Where the state of limits is kept: the shared memory of the process, or a Redis that machines share. */
export interface Limiter {
  /** Takes `cost` from the key's bucket if it is there, and fills the verdict. A promise only where a network is asked. */
  take(use: LimitUse, key: string, cost: number, verdict: RateVerdict): Maybe<void>;
  /**
   * Takes `cost` whether it is there or not, for what is known only after the response; one below 0 gives back what a
   * `take` took, because the request was refused for another reason. Nobody waits for it.
   */
  charge(use: LimitUse, key: string, cost: number): void;
}

/** What can come of a decision. `reported`: it was at fault, and the limit only watches. */
export const limitOutcomes = ['allowed', 'limited', 'reported'] as const;
export type LimitOutcome = (typeof limitOutcomes)[number];

/** Counts what limits decide, for metrics and `sluice status`. */
export interface LimitCounts {
  /** Where the decisions of a limit are counted, by where it was declared and its name; asked when a plan is made. */
  seriesOf(scope: string, name: string): number;
  count(series: number, outcome: LimitOutcome): void;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a over UTF-16 units: for identifiers that everybody computes alike. */
export function hash32(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

export function limitId(scope: string, name: string, { algorithm, limit, period, burst }: RateLimit): number {
  return hash32(`${scope}\n${name}\n${algorithm} ${limit} ${period} ${burst}`);
}
