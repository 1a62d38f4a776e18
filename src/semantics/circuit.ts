/**
 * When a circuit breaker opens, for how long, and what it makes of what it sees: pure functions. Who keeps the state where
 * (`shared-memory/breaker.ts`) is no business of theirs. Times in milliseconds.
 */

export interface CircuitRules {
  /** Shares from 0 to 1 at which it opens; null: it does not look at that. */
  readonly errorRate: number | null;
  readonly slowRate: number | null;
  /** Calls in the window below which shares mean nothing. */
  readonly minimumCalls: number;
  readonly window: number;
  /** Failures in a row, whatever the window says; 0: it does not look at that. */
  readonly consecutiveFailures: number;
  /** How long it is open, doubled with each time that it opens again before it has been closed for a while. */
  readonly openFor: number;
  readonly maxOpenFor: number;
  /** Calls that try whether the service is back; that many have to go well. */
  readonly probes: number;
}

export const circuitKinds = ['closed', 'open', 'half-open'] as const;
export type CircuitKind = (typeof circuitKinds)[number];

/** Why it opened. */
export const circuitReasons = ['errorRate', 'slowRate', 'consecutiveFailures', 'probe'] as const;
export type CircuitReason = (typeof circuitReasons)[number];

export interface CircuitCounts {
  calls: number;
  failures: number;
  slow: number;
  /** Failures without a success in between. */
  consecutive: number;
}

/** Whether these counts open it. */
export function tripsOn(rules: CircuitRules, counts: CircuitCounts): CircuitReason | null {
  const { calls, failures, slow, consecutive } = counts;
  if (rules.consecutiveFailures > 0 && consecutive >= rules.consecutiveFailures) return 'consecutiveFailures';
  if (calls < rules.minimumCalls) return null;
  if (rules.errorRate !== null && failures > 0 && failures >= rules.errorRate * calls) return 'errorRate';
  if (rules.slowRate !== null && slow > 0 && slow >= rules.slowRate * calls) return 'slowRate';
  return null;
}

/** How long it stays open. `repeats`: how often it opened before without having recovered. */
export function openTime({ openFor, maxOpenFor }: CircuitRules, repeats: number): number {
  return Math.min(maxOpenFor, openFor * 2 ** Math.min(repeats, 30));
}

/** It has been closed for long enough that the next opening is a first one again. */
export function hasRecovered(rules: CircuitRules, repeats: number, closedFor: number): boolean {
  return repeats === 0 || closedFor >= Math.max(rules.window, openTime(rules, repeats - 1));
}
