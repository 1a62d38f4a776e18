/** The candidate that a misspelt word most likely meant, or null when none is near. */
export function suggest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const there = candidate.toLowerCase();
    const distance =
      there === wanted || squeezed(there) === squeezed(wanted) ? 0.5 : editDistance(wanted, there, bestDistance);
    if (distance < bestDistance && candidate !== word) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `max_age`, `max-age` and `maxAge` are one word to whoever writes them. */
function squeezed(word: string): string {
  return word.replace(/[-_ ]/g, '');
}

/**
 * Insertions, deletions, replacements and swaps of neighbours (optimal string alignment); gives up with `limit` once the
 * result cannot be below it.
 */
export function editDistance(a: string, b: string, limit: number = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let distance = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(beforeLast, column - 2) + 1);
      }
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return Math.min(at(last, b.length), limit);
}

function at(row: number[], column: number): number {
  return row[column] ?? 0;
}
