/**
 * How much of the less important is turned away, from signals about one's own strength. The level moves with every
 * observation: up while some signal is over its threshold, the faster the farther, down once all are well below theirs,
 * and not at all in between. From 0 to 1 a growing share of the lowest class goes, from 1 to 2 of the next one.
 */
const RISE = 0.1;
const FASTEST = 3;
const FALL = 0.05;
/** Below this part of its threshold a signal is well. */
const WELL = 0.5;
export const HIGHEST = 2;

/** `pressure`: the signal as a multiple of its threshold; the greatest, where there are several. */
export function nextLevel(level: number, pressure: number): number {
  if (pressure > 1) return Math.min(HIGHEST, level + RISE * Math.min(FASTEST, pressure));
  if (pressure < WELL) return Math.max(0, level - FALL);
  return level;
}

/** Share of a class that is turned away; `rank` 0: the lowest class. */
export function shareOf(level: number, rank: number): number {
  return Math.min(1, Math.max(0, level - rank));
}
