import type { TestContext } from 'node:test';

/** More runs find more: `FUZZ_RUNS=100000 FUZZ_SEED=$RANDOM node --test test/fuzz`. */
export const seed = Number(process.env.FUZZ_SEED ?? 9112);

/** Runs of a property that is worth that many by default. */
export function runs(usual: number): number {
  return Number(process.env.FUZZ_RUNS ?? usual);
}

/** What it takes to run the same again. */
export function announce(context: TestContext, count: number): void {
  context.diagnostic(`FUZZ_SEED=${seed} FUZZ_RUNS=${count}`);
}
