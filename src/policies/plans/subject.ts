import { createHash } from 'node:crypto';
import type { Identity } from '../../plan/exchange.ts';
import type { PlanSubject } from '../../plan/plans.ts';
import { subjectName } from '../../plan/usage.ts';

/** Under which name a caller's use is counted. Where there is nothing of the kind, it is the next wider one. */
export function subjectOf(identity: Identity, by: PlanSubject): string {
  return subjectName(nameOf(identity, by), digest);
}

function nameOf({ id, method, consumer, claims }: Identity, by: PlanSubject): string {
  if (by === 'key' && typeof claims.key === 'string') return `key:${claims.key}`;
  if (by !== 'identity' && consumer !== null) return `consumer:${consumer}`;
  // Two entries of `auth` may know different callers by the same id.
  return `identity:${method}:${id}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
