import type { z } from 'zod';
import type { KeyPath } from './key-path.ts';

type Issue = z.core.$ZodIssue;

/** What a key that is not there shows up as. */
export const ABSENCE = new Set(['invalid_type', 'invalid_union', 'invalid_value']);

/** How far a branch of a union is from the value: the branch that the writer most likely meant has the least. */
export function distance(issues: Issue[], path: KeyPath, valueAt: (path: KeyPath) => unknown): number {
  let total = 0;
  for (const issue of issues) {
    const value = valueAt([...path, ...(issue.path as KeyPath)]);
    const depth = issue.path.length;
    if (depth > 0 && value === undefined && ABSENCE.has(issue.code)) {
      total += depth === 1 ? 15 : 4;
    } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const below = [...path, ...(issue.path as KeyPath)];
      const nearest = Math.min(...issue.errors.map((branch) => distance(branch, below, valueAt)));
      total += depth === 0 ? nearest : Math.min(nearest, 5);
    } else if (depth === 0) {
      total += distanceHere(issue, value);
    } else if (issue.code === 'invalid_value' && depth === 1 && issue.values.length === 1) {
      // A key with one allowed value tells the branches apart.
      total += 60;
    } else {
      total += 3;
    }
  }
  return total;
}

/** The value is of another kind than the branch takes. */
export const OTHER_KIND = 1000;
/** The kind fits, the value does not. */
export const OTHER_VALUE = 100;

function distanceHere(issue: Issue, value: unknown): number {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.reduce((sum, key) => sum + (key.startsWith('x-') ? 1 : 20), 0);
  if (issue.code === 'invalid_type')
    return issue.expected === 'int' && typeof value === 'number' ? OTHER_VALUE : OTHER_KIND;
  if (issue.code === 'invalid_value') {
    return issue.values.some((allowed) => typeof allowed === typeof value) ? OTHER_VALUE : OTHER_KIND;
  }
  if (issue.code === 'invalid_key') return 20;
  // What the author of a schema words about a map as a whole says more than a branch for another kind of value.
  return typeof value === 'object' ? 5 : OTHER_VALUE - 1;
}
