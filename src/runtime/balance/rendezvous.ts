import type { UpstreamCall } from '../../plan/call.ts';
import type { EndpointRecord } from '../../shared-memory/endpoint-record.ts';
import type { Balancer, Candidate } from './balancer.ts';
import { type HashKeys, mix } from './hash-key.ts';

const RANGE = 0x1_0000_0000;
/** Less than this under way is no load, and sharing it evenly would only tear keys apart. */
const FEW = 8;

/**
 * Consistent hashing: every endpoint draws a lot for the key, exponentially distributed by its weight, and the lowest one
 * wins. So endpoints get exactly their shares, and one that leaves takes only its own keys along: a ring does both only
 * with so many points that building it takes longer than these draws (some 10 ns each). An endpoint that has more than
 * `maxLoad` times its share of what is under way passes the call on to the one with the next lot.
 */
export class Rendezvous<C extends Candidate> implements Balancer<C> {
  readonly #keys: HashKeys;
  readonly #maxLoad: number;
  #candidates: readonly C[] = [];
  #weights = 0;
  #isUniform = true;
  /** Of the lot that `#next` found. */
  #found = 0;

  constructor(keys: HashKeys, maxLoad: number) {
    this.#keys = keys;
    this.#maxLoad = maxLoad;
  }

  update(candidates: readonly C[]): void {
    this.#candidates = candidates;
    this.#weights = 0;
    for (const { weight } of candidates) this.#weights += weight;
    this.#isUniform = candidates.every(({ weight }) => weight === candidates[0]?.weight);
  }

  choose(call: UpstreamCall): C {
    const hash = this.#keys.of(call);
    const winner = this.#next(hash, Number.NEGATIVE_INFINITY) as C;
    let total = -1;
    for (let next: C | null = winner; next !== null; next = this.#next(hash, this.#found)) {
      const inFlight = (next.record as EndpointRecord).inFlight;
      if (inFlight < FEW) return next;
      if (total < 0) total = this.#inFlight();
      if (inFlight + 1 <= (this.#maxLoad * (total + 1) * next.weight) / this.#weights) return next;
    }
    return winner;
  }

  /** Whose lot is the lowest above that one. */
  #next(hash: number, above: number): C | null {
    const candidates = this.#candidates;
    let best: C | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i] as C;
      const drawn = mix(hash ^ candidate.seed);
      // Without weights the order is the same, and the logarithm (10 ns) is not needed.
      const lot = this.#isUniform ? RANGE - drawn : -Math.log((drawn + 1) / RANGE) / candidate.weight;
      if (lot < least && lot > above) {
        least = lot;
        best = candidate;
      }
    }
    this.#found = least;
    return best;
  }

  #inFlight(): number {
    let total = 0;
    for (const { record } of this.#candidates) total += (record as EndpointRecord).inFlight;
    return total;
  }
}
