import type { Problem } from '../base/problem.ts';

/** By file in the order of first mention, then by line and column; a problem without a place comes first. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const files = new Map<string, number>();
  for (const { place } of problems) if (place !== null && !files.has(place.file)) files.set(place.file, files.size);
  const rank = ({ place }: Problem): number => (place === null ? -1 : (files.get(place.file) ?? 0));
  return [...problems].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
      (a.place?.column ?? 0) - (b.place?.column ?? 0),
  );
}
