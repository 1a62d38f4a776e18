/**
 * Log-linear histogram of durations: eight buckets an octave from 8 µs to about 18 minutes, one each below that. A value
 * lands at most 12.5 % from its bucket's bounds, and finding the bucket is a count of leading zeros.
 */
const SUB_BITS = 3;
const SUB_BUCKETS = 1 << SUB_BITS;
const OCTAVES = 30;
const LARGEST = 2 ** OCTAVES - 1;

export const HISTOGRAM_BUCKETS = SUB_BUCKETS + (OCTAVES - SUB_BITS) * SUB_BUCKETS;

/** Bucket of a duration in milliseconds. */
export function bucketOf(milliseconds: number): number {
  const exact = milliseconds * 1000;
  // Also catches NaN and the negative value of a clock read in the wrong order.
  if (!(exact >= 1)) return 0;
  const microseconds = exact > LARGEST ? LARGEST : exact | 0;
  if (microseconds < SUB_BUCKETS) return microseconds;
  const shift = 31 - SUB_BITS - Math.clz32(microseconds);
  return (shift << SUB_BITS) + (microseconds >> shift);
}

/** Exclusive upper bound of a bucket, in microseconds. */
export function bucketEnd(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket + 1;
  const shift = (bucket >> SUB_BITS) - 1;
  return ((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS + 1) * 2 ** shift;
}

function bucketStart(bucket: number): number {
  return bucket === 0 ? 0 : bucketEnd(bucket - 1);
}

/**
 * The value in milliseconds below which the fraction `q` of all counted ones lies, evenly spread inside its bucket; 0
 * when nothing was counted.
 */
export function quantile(counts: ArrayLike<number>, q: number): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  if (total === 0) return 0;
  const rank = q * total;
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] as number;
    if (count > 0 && below + count >= rank) {
      const start = bucketStart(i);
      return (start + ((bucketEnd(i) - start) * (rank - below)) / count) / 1000;
    }
    below += count;
  }
  return bucketEnd(counts.length - 1) / 1000;
}

/** How many counted values lie below each of the ascending bounds in microseconds; exact where a bound is a bucket's end. */
export function cumulativeCounts(counts: ArrayLike<number>, bounds: readonly number[]): number[] {
  let below = 0;
  let bucket = 0;
  return bounds.map((bound) => {
    for (; bucket < counts.length && bucketEnd(bucket) <= bound; bucket++) below += counts[bucket] as number;
    return below;
  });
}
