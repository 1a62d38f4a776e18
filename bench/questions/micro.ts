import { fileURLToPath } from 'node:url';
import { GATEWAY_CORE } from '../harness/machine.ts';
import { NODE, Started } from '../harness/process.ts';
import type { MicroResult } from '../micro/harness.ts';
import { type Bar, type Figure, number, percent, type Question } from './question.ts';

const PROGRAM = fileURLToPath(new URL('../micro/run.ts', import.meta.url));
const BOUND_MS = 60_000;

/** Each in a process of its own: what the optimiser learns from one must not change another. */
export const MICRO_GROUPS: readonly string[] = [
  'parse',
  'routes',
  'headers',
  'jwt',
  'access',
  'limits',
  'balance',
  'resilience',
  'cache',
];

const BARS: ReadonlyMap<string, Bar> = new Map([
  ['look-up among 10,000 routes', { of: 'itself', must: 300, aim: 150 }],
  ['JWT that is remembered, 100 in turns', { of: 'itself', must: 2_000, aim: null }],
  ['JWT seen for the first time, RS256', { of: 'itself', must: 60_000, aim: null }],
  ['limit by address, 10,000 clients in turns', { of: 'itself', must: 1_000, aim: 500 }],
  ['limit by identity with `RateLimit`, 100 in turns', { of: 'itself', must: 1_000, aim: 500 }],
  ['stored response of 1 KB found, 100 in turns', { of: 'itself', must: 1_000, aim: 500 }],
  ['response of 1 KB stored, 100,000 in turns', { of: 'itself', must: 5_000, aim: null }],
  ['least-request, 3 endpoints', { of: 'itself', must: 500, aim: 300 }],
  ['ewma, 3 endpoints', { of: 'itself', must: 500, aim: 300 }],
  ['with `retry`, `breaker` and least-request', { of: 'itself', must: 1_500, aim: 800 }],
]);

function figureOf({ measure, median }: MicroResult): Figure {
  return { measure, unit: 'ns', values: { sluice: median }, bar: BARS.get(measure) ?? null };
}

/** What do the pieces of the hot path cost, each alone? */
export const micro: Question = {
  name: 'micro',
  title: 'Pieces of the hot path',
  async ask(bench) {
    const results: MicroResult[] = [];
    const failures: string[] = [];
    for (const group of bench.micros) {
      try {
        const started = new Started(`micro ${group}`, GATEWAY_CORE, NODE, [PROGRAM, group]);
        const measured = JSON.parse(await started.finish(BOUND_MS)) as MicroResult[];
        for (const each of measured) bench.say(`  ${each.measure.padEnd(52)} ${number(each.median, 0).padStart(7)} ns`);
        results.push(...measured);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
        bench.say(`  !!! ${failures.at(-1)}`);
      }
    }
    return {
      figures: results.map(figureOf),
      tables: [
        {
          columns: ['piece', 'ns each', 'fastest round', 'spread of rounds', 'rounds'],
          rows: results.map((each) => [
            each.measure,
            number(each.median, 0),
            number(each.fastest, 0),
            percent(each.spread),
            String(each.rounds),
          ]),
        },
      ],
      notes: ['Look-ups go through all routes in an order without locality: cache misses are in the figure.'],
      failures,
    };
  },
};
