import type { BalanceOptions } from '../../plan/upstream.ts';
import type { Balancer, Candidate, Random } from './balancer.ts';
import type { HashKeys } from './hash-key.ts';
import { Rendezvous } from './rendezvous.ts';
import { RoundRobin } from './round-robin.ts';
import { Ewma, LeastRequest } from './two-choices.ts';

/** `keys`: for `hash`, else null. */
export function balancerFor<C extends Candidate>(
  options: BalanceOptions | null,
  keys: HashKeys | null,
  random: Random,
): Balancer<C> {
  if (options !== null && keys !== null) return new Rendezvous<C>(keys, options.maxLoad);
  switch (options?.method) {
    case 'least-request':
      return new LeastRequest<C>(random);
    case 'ewma':
      return new Ewma<C>(random);
    default:
      return new RoundRobin<C>();
  }
}
