import type { CircuitKind, CircuitReason, CircuitRules } from '../semantics/circuit.ts';

/** What a circuit breaker watches over. */
export interface CircuitScope {
  readonly kind: 'upstream' | 'endpoint' | 'route';
  /** Unique among those of its kind. */
  readonly name: string;
}

export interface CircuitOptions {
  readonly scope: CircuitScope;
  readonly rules: CircuitRules;
}

/** It has become something else. One of the workers is told, once. */
export interface CircuitChange {
  readonly state: CircuitKind;
  /** Why it opened, else null. */
  readonly reason: CircuitReason | null;
  /** How long it stays open; 0 for the other states. */
  readonly openFor: number;
}

/** No call may be made. */
export const REFUSED = -1;

export const outcome = { success: 0, failure: 1, unknown: 2 } as const;
/** `unknown`: nothing was learned about the service, because the caller went away, say. */
export type Outcome = (typeof outcome)[keyof typeof outcome];

/** A circuit breaker, the same in all workers. Its state goes on over reloads for as long as its scope has the same name. */
export interface Circuit {
  /** A token with which the call is settled, exactly once; or `REFUSED`. */
  admit(): number;
  settle(token: number, result: Outcome, isSlow: boolean): void;
  /** It tries whether the service is back: such a call is settled as soon as anything is known. */
  isProbe(token: number): boolean;
  /** After how many whole seconds another attempt makes sense. */
  retryAfter(): number;
  /** Whoever opened it needs it no more; it has nothing to do with its state. */
  close(): void;
  readonly isClosed: boolean;
}

/** For checks and explanations, where nothing fails. */
export const closedCircuit: Circuit = {
  admit: () => 0,
  settle: () => undefined,
  isProbe: () => false,
  retryAfter: () => 1,
  isClosed: false,
  close: () => undefined,
};
