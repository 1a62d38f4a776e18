import type { UpstreamCall } from '../../plan/call.ts';
import type { EndpointRecord } from '../../shared-memory/endpoint-record.ts';
import type { Balancer, Candidate, Random } from './balancer.ts';

/**
 * The better one of two that chance names. Looking at two is nearly as good as looking at all, costs the same for any
 * number of endpoints, and does not send all workers to the same one at the same moment. The first is drawn by weight and
 * stays when the second is no better, so that weights hold while nothing is under way too.
 */
abstract class TwoChoices<C extends Candidate> implements Balancer<C> {
  #candidates: readonly C[] = [];
  /** Sums of the weights up to each; null: all weigh the same. */
  #sums: Float64Array | null = null;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  update(candidates: readonly C[]): void {
    this.#candidates = candidates;
    const [first] = candidates;
    if (candidates.every(({ weight }) => weight === first?.weight)) {
      this.#sums = null;
      return;
    }
    let sum = 0;
    this.#sums = Float64Array.from(candidates, ({ weight }) => {
      sum += weight;
      return sum;
    });
  }

  choose(_call: UpstreamCall, now: number): C {
    const candidates = this.#candidates;
    const { length } = candidates;
    if (length === 1) return candidates[0] as C;
    const at = this.#draw();
    const first = candidates[at] as C;
    let other = Math.floor(this.#random() * (length - 1));
    if (other >= at) other++;
    const second = candidates[other] as C;
    // An endpoint that has just come has nothing under way, and would win every time.
    if (second.growth < 1 && this.#random() >= second.growth) return first;
    return this.isBetter(second, first, now) ? second : first;
  }

  protected abstract isBetter(one: C, other: C, now: number): boolean;

  #draw(): number {
    const sums = this.#sums;
    const { length } = this.#candidates;
    if (sums === null) return Math.floor(this.#random() * length);
    const point = this.#random() * (sums[length - 1] as number);
    let [low, high] = [0, length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Fewer calls under way, in relation to its weight, over all workers. */
export class LeastRequest<C extends Candidate> extends TwoChoices<C> {
  protected isBetter(one: C, other: C): boolean {
    return hasLess(one, other);
  }
}

/** Over this time an average forgets: an endpoint that was slow is tried again some times later. */
export const EWMA_DECAY_MS = 10_000;

/** What a further call would wait for: time to a response head, times the calls under way with it. */
export class Ewma<C extends Candidate> extends TwoChoices<C> {
  protected isBetter(one: C, other: C, now: number): boolean {
    const [record, against] = [recordOf(one), recordOf(other)];
    const latency = record.latency(now, EWMA_DECAY_MS);
    const latencyAgainst = against.latency(now, EWMA_DECAY_MS);
    if (latency === 0 || latencyAgainst === 0) return hasLess(one, other);
    const cost = latency * (record.inFlight + 1) * other.weight;
    return cost < latencyAgainst * (against.inFlight + 1) * one.weight;
  }
}

function hasLess(one: Candidate, other: Candidate): boolean {
  return recordOf(one).inFlight * other.weight < recordOf(other).inFlight * one.weight;
}

function recordOf({ record }: Candidate): EndpointRecord {
  return record as EndpointRecord;
}
