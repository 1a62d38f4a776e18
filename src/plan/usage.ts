import { QuotaClock, type QuotaPeriod, quotaPeriodName } from '../semantics/quota.ts';
import { hash32 } from './limiter.ts';
import type { RecordsState } from './records.ts';

/**
 * What callers have used of their quotas. Workers count in shared memory, without waiting; the main thread brings what
 * they counted to where it outlasts the process, and back what other processes and machines counted there.
 */
export interface UsageCounter {
  /** Takes `cost` if that much is left of `limit`. `plan`: hash of its name, for whoever asks what was used. */
  take(window: UsageWindow, subject: string, plan: number, limit: number, cost: number, verdict: UsageVerdict): void;
  /** Because the request was refused for another reason. */
  giveBack(window: UsageWindow, subject: string, cost: number): void;
}

/** One period that is counted over; a caller has one count in it, whatever plans it is on meanwhile. */
export class UsageWindow {
  /** The same in every worker, and after every reload. */
  readonly id: number;
  readonly name: string;
  readonly period: QuotaPeriod;
  readonly clock: QuotaClock;

  constructor(period: QuotaPeriod) {
    this.name = quotaPeriodName(period);
    this.id = hash32(this.name);
    this.period = period;
    this.clock = new QuotaClock(period);
  }
}

/** What came of an attempt. */
export class UsageVerdict {
  allowed = false;
  /** Together with what this one took. */
  used = 0;
  /** Milliseconds since the epoch: when less is used by itself. */
  fallsAt = 0;
  /** Milliseconds since the epoch: when an attempt at the same cost may succeed; 0 when this one did. */
  retryAt = 0;
}

/** Names of subjects begin with what they are: `consumer:acme`, `identity:customer:alice`, `key:k7`. */
const SUBJECT_BYTES = 120;
const KEPT = 80;
/** UTF-8 has at most three bytes for a UTF-16 unit. */
const SURELY_SHORT = SUBJECT_BYTES / 3;

/** The name under which a subject is kept. One that is too long ends with a digest of all of it. */
export function subjectName(text: string, digest: (text: string) => string): string {
  if (text.length <= SURELY_SHORT || Buffer.byteLength(text) <= SUBJECT_BYTES) return text;
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept) + Buffer.byteLength(character) > KEPT) break;
    kept += character;
  }
  return `${kept}~${digest(text)}`;
}

/** What one subject used in one period, or in one part of a rolling one. */
export interface UsageRow {
  readonly window: string;
  readonly subject: string;
  readonly stamp: number;
  /** Under which it was counted last; null: unknown. */
  readonly plan: string | null;
  readonly used: number;
}

export interface UsageChange {
  readonly window: string;
  readonly subject: string;
  readonly stamp: number;
  readonly plan: string | null;
  /** What came to it; below 0 when somebody took it back. 0 asks for the total. */
  readonly delta: number;
  /** Milliseconds since the epoch after which nobody needs it. */
  readonly endsAt: number;
}

export type UsageTotal = Omit<UsageChange, 'delta'> & { readonly used: number };

/** Where usage outlasts the process. Rejects with `RecordsError` while that cannot be reached. */
export interface UsageStore {
  readonly state: RecordsState;
  /** Stamps `from` to `to`, those who used most first, `most` at most. */
  load(window: string, from: number, to: number, most: number): Promise<readonly UsageRow[]>;
  /**
   * Adds, and answers the totals in the same order; null: this one was refused. When it rejects nobody knows which were
   * added: a second attempt may count them twice.
   */
  push(changes: readonly UsageChange[]): Promise<readonly (number | null)[]>;
  /** Something else as soon as the store has not what it had: it was emptied, or a backup was put in its place. */
  generation(): Promise<string>;
  /** Makes sure that no total is below that: for a store that has lost what was in it. */
  raise(totals: readonly UsageTotal[]): Promise<void>;
  close(): Promise<void>;
}
