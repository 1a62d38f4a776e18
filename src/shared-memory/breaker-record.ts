import type { CircuitKind } from '../semantics/circuit.ts';
import { circuitKinds } from '../semantics/circuit.ts';

/** How a circuit breaker's record is laid out. */

/** Among the gauges: probes under way, which a worker that ends gives back. */
export const PROBES = 0;

/** Words behind the gauges. */
export const circuitAt = {
  /** What it is, and how often that has changed. */
  state: 3,
  /** What an operator has said. */
  force: 4,
  /** How often it has opened without having recovered in between. */
  repeats: 5,
  /** Probes that went well, and of which half-open state. */
  successes: 6,
  /** Failures without a success in between. */
  consecutive: 7,
  refused: 8,
  /** One more than the index of the latest reason; 0: it was never open. */
  reason: 9,
  /** How often it became what, in the order of `circuitKinds`. */
  changes: 10,
  /** Milliseconds. */
  window: 13,
} as const;

/** Among the numbers of eight bytes: milliseconds of the clock of all workers. */
export const circuitFloat = {
  /** When it stops being open. */
  until: 7,
  /** When it became what it is. */
  since: 8,
  /** When an operator last said what it has to be. */
  forcedAt: 9,
} as const;

/** The rolling counts. */
export const COUNTS_AT = 20;
export const COUNTERS = 3;
export const circuitCount = { calls: 0, failures: 1, slow: 2 } as const;

export const circuitForce = { none: 0, open: 1, closed: 2 } as const;

/** Indices into `circuitKinds`. */
export const circuitKind = { closed: 0, open: 1, halfOpen: 2 } as const;

const KIND_BITS = 2;
const KIND_MASK = (1 << KIND_BITS) - 1;
/** States are tokens too, and those are never negative. */
const STATE_MASK = 0x7fffffff;
/** Of a state, what a word of 24 bits can tell apart. */
export const TAG = 0xffffff;

export function kindOf(state: number): number {
  return state & KIND_MASK;
}

/** The state that follows on another one. */
export function next(state: number, kind: number): number {
  return ((((state >>> KIND_BITS) + 1) << KIND_BITS) | kind) & STATE_MASK;
}

export function nameOf(kind: number): CircuitKind {
  return circuitKinds[kind] ?? 'closed';
}
