import type { Balancer, Candidate } from './balancer.ts';

/** By weight, spread evenly: each turn all gain their weight, the richest serves and pays the total. */
export class RoundRobin<C extends Candidate> implements Balancer<C> {
  #candidates: readonly C[] = [];
  #total = 0;

  update(candidates: readonly C[]): void {
    this.#candidates = candidates;
    this.#total = 0;
    for (const { weight } of candidates) this.#total += weight;
  }

  choose(): C {
    const candidates = this.#candidates;
    let best = candidates[0] as C;
    if (candidates.length === 1) return best;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i] as C;
      candidate.credit += candidate.weight;
      if (candidate.credit > best.credit) best = candidate;
    }
    best.credit -= this.#total;
    return best;
  }
}
