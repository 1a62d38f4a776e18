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
}
