import type { Endpoint } from '../plan/upstream.ts';

/** Chooses where the next call goes: an index into the endpoints. */
export interface Balancer {
  next(): number;
}

class SingleEndpoint implements Balancer {
  next(): number {
    return 0;
  }
}

/** Round-robin by weight, spread evenly: each turn all gain their weight, the richest serves and pays the total. */
class SmoothRoundRobin implements Balancer {
  readonly #weights: readonly number[];
  readonly #credit: number[];
  readonly #total: number;

  constructor(weights: readonly number[]) {
    this.#weights = weights;
    this.#credit = weights.map(() => 0);
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
  }

  next(): number {
    const credit = this.#credit;
    let best = 0;
    for (let i = 0; i < credit.length; i++) {
      credit[i] = (credit[i] as number) + (this.#weights[i] as number);
      if ((credit[i] as number) > (credit[best] as number)) best = i;
    }
    credit[best] = (credit[best] as number) - this.#total;
    return best;
  }
}

export function balancerFor(endpoints: readonly Endpoint[]): Balancer {
  return endpoints.length === 1 ? new SingleEndpoint() : new SmoothRoundRobin(endpoints.map(({ weight }) => weight));
}
