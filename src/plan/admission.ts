import type { Dispatch, UpstreamCall } from './call.ts';
import type { Exchange } from './exchange.ts';
import type { Priority } from './priority.ts';

/** How many may be under way at once, and who may wait for a place. Milliseconds and counts. */
export interface GateOptions {
  /** What is counted: it goes on over reloads for as long as this stays equal, and is the same in every worker. */
  readonly scope: GateScope;
  readonly max: number;
  /** Calls of one worker that may wait for a place, for each key; 0: nobody waits. */
  readonly queue: number;
  /** How long they wait. */
  readonly timeout: number;
  /** Null: `max` is the limit. */
  readonly adaptive: AdaptiveOptions | null;
}

export interface GateScope {
  readonly kind: 'route' | 'upstream' | 'callers';
  /** Of the upstream, or whatever tells one of a kind from the others. */
  readonly name: string;
}

/** Bounds of a limit that follows the latency; `GateOptions.max` is its upper bound. */
export interface AdaptiveOptions {
  readonly min: number;
  readonly initial: number;
  /** By how much slower than unloaded an answer may be before the limit shrinks: 1.5 is half as slow again. */
  readonly tolerance: number;
}

/** One bound on what is under way, exact over all workers. Refuses with `overloaded`. */
export interface Gate {
  /**
   * Puts itself before a target. `keyOf`: whose places a call takes, null: one count for all. `report`: calls that would
   * be refused pass, and this hears of them.
   */
  guard(
    next: Dispatch,
    keyOf: ((call: UpstreamCall) => string) | null,
    report: ((exchange: Exchange) => void) | null,
  ): Dispatch;
}

/** Shares of the worker's own strength at which less important requests are turned away. */
export interface OverloadThresholds {
  /** Milliseconds by which the event loop is late. */
  readonly loopDelay: number;
  /** Share of the heap's limit that is in use. */
  readonly heap: number;
}

/** Whether this worker can still do everything that is asked of it. */
export interface Overload {
  /** False nearly always, and then at the cost of a comparison. */
  sheds(priority: Priority): boolean;
  /** Counts one that was turned away; answers after how many seconds another attempt makes sense. */
  shed(priority: Priority): number;
}

/** For checks and explanations, where nothing is under way. */
export const openGate: Gate = { guard: (next) => next };
export const neverOverloaded: Overload = { sheds: () => false, shed: () => 1 };
