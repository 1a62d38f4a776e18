import { setImmediate as nextTurn } from 'node:timers/promises';
import { Dice } from '../../test/support/dice.ts';
import { compareHitRatios, type HitRatioCase, type HitRatios } from '../harness/hit-ratio.ts';
import { number, percent, type Question } from './question.ts';

const MEBIBYTE = 1024 ** 2;
const QUICK_REQUESTS = 200_000;
/** Percentage points that it has to be better by. */
const MUST = 3;

const api = (): number => 1_024;
/** From 300 bytes to 40 KB, half of them below 2 KB. */
const mixed = (object: number): number =>
  300 + Math.round(40_000 * ((Math.imul(object + 1, 0x9e3779b1) >>> 0) / 2 ** 32) ** 4);

const CASES: readonly HitRatioCase[] = [
  {
    label: 'Zipf 0.9, 100,000 of 1 KiB',
    memory: 8 * MEBIBYTE,
    objects: 100_000,
    requests: 1_000_000,
    exponent: 0.9,
    size: api,
  },
  {
    label: 'the same in 64 MiB, 1,000,000',
    memory: 64 * MEBIBYTE,
    objects: 1_000_000,
    requests: 2_000_000,
    exponent: 0.9,
    size: api,
  },
  {
    label: 'Zipf 0.9, 100,000 of many sizes',
    memory: 64 * MEBIBYTE,
    objects: 100_000,
    requests: 1_000_000,
    exponent: 0.9,
    size: mixed,
  },
  {
    label: 'Zipf 0.7, 100,000 of 1 KiB',
    memory: 8 * MEBIBYTE,
    objects: 100_000,
    requests: 1_000_000,
    exponent: 0.7,
    size: api,
  },
  {
    label: 'Zipf 1.1, 100,000 of 1 KiB',
    memory: 8 * MEBIBYTE,
    objects: 100_000,
    requests: 1_000_000,
    exponent: 1.1,
    size: api,
  },
];

/** How often is what is asked for still there, in a memory that is too small for all of it? */
export const hitRatio: Question = {
  name: 'hit-ratio',
  title: 'Hit ratio of the cache',
  async ask(bench) {
    const results: { label: string; ratios: HitRatios }[] = [];
    for (const each of CASES) {
      const given = bench.quick ? { ...each, requests: QUICK_REQUESTS } : each;
      const ratios = compareHitRatios(given, new Dice(1));
      results.push({ label: each.label, ratios });
      const { store, leastRecentlyUsed } = ratios;
      bench.say(`  ${each.label.padEnd(36)} ${percent2(store)}, LRU ${percent2(leastRecentlyUsed)}`);
      await nextTurn();
    }
    const missed = results.filter(
      ({ label, ratios }) => label.startsWith('Zipf 0.9') && (ratios.store - ratios.leastRecentlyUsed) * 100 < MUST,
    );
    return {
      figures: [],
      tables: [
        {
          columns: ['trace', 'hits', 'LRU of the same memory', 'difference in points', 'stored', 'memory in use'],
          rows: results.map(({ label, ratios }) => [
            label,
            percent2(ratios.store),
            percent2(ratios.leastRecentlyUsed),
            number((ratios.store - ratios.leastRecentlyUsed) * 100, 1),
            number(ratios.entries, 0),
            percent(ratios.used),
          ]),
        },
      ],
      notes: [
        'The LRU is an ideal one: it takes no memory for itself. On Zipf 0.9 the store has to beat it by 3 points.',
      ],
      failures: missed.map(({ label }) => `hit ratio: less than ${MUST} points better than an LRU on ${label}`),
    };
  },
};

function percent2(share: number): string {
  return `${number(share * 100, 1)} %`;
}
