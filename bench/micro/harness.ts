import { median, spread } from '../harness/stats.ts';

/** A thing that is too short to be timed alone. */
export interface Micro {
  measure: string;
  /**
   * Does it so many times, in a loop of its own, so that the call per round is all that the harness adds. The sum of
   * something that each time yields keeps the optimiser from dropping the work.
   */
  run(times: number): number;
}

export interface MicroResult {
  measure: string;
  /** Nanoseconds each, the median of rounds. */
  median: number;
  fastest: number;
  /** How far rounds lie apart, as a share of the median. */
  spread: number;
  rounds: number;
}

const WARM_UP_MS = 600;
const ROUND_MS = 60;
const ROUNDS = 21;

/** Where sums go: written, never read, and not provably useless. */
export const kept = { sum: 0 };

/** Runs until the optimiser has settled; answers how many times fill a round. */
function warmUp(micro: Micro): number {
  let times = 1;
  let rate = 0;
  const end = performance.now() + WARM_UP_MS;
  for (let now = performance.now(); now < end; ) {
    kept.sum += micro.run(times);
    const after = performance.now();
    rate = times / (after - now);
    if (after - now < ROUND_MS / 2) times *= 2;
    now = after;
  }
  return Math.max(1, Math.round(rate * ROUND_MS));
}

export function measure(micro: Micro): MicroResult {
  const times = warmUp(micro);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const begin = performance.now();
    kept.sum += micro.run(times);
    return ((performance.now() - begin) * 1e6) / times;
  });
  return {
    measure: micro.measure,
    median: median(rounds),
    fastest: Math.min(...rounds),
    spread: spread(rounds),
    rounds: ROUNDS,
  };
}
