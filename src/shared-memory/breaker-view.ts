import { type CircuitKind, type CircuitReason, circuitKinds, circuitReasons } from '../semantics/circuit.ts';
import { BREAKER_KEY } from './breaker.ts';
import {
  COUNTERS,
  COUNTS_AT,
  circuitAt,
  circuitCount,
  circuitFloat,
  circuitForce,
  circuitKind,
  kindOf,
  nameOf,
  next,
} from './breaker-record.ts';
import type { NamedSlot, NamedSlots } from './named-slots.ts';
import { RollingCounts } from './rolling-counts.ts';

/** What operators see of a circuit breaker, over all workers. */
export interface BreakerReading {
  /** `upstream:orders`. */
  readonly breaker: string;
  readonly state: CircuitKind;
  /** What an operator has said; null: it decides itself. */
  readonly forced: 'open' | 'closed' | null;
  /** Milliseconds that it has been so. */
  readonly for: number;
  /** Milliseconds until it tries whether the service is back; 0 unless it is open by itself. */
  readonly probesIn: number;
  /** Why it was last opened; null: it never was. */
  readonly reason: CircuitReason | null;
  /** Of its window. */
  readonly calls: number;
  readonly failures: number;
  readonly slow: number;
  /** Since it exists. */
  readonly refused: number;
  readonly changes: Readonly<Record<CircuitKind, number>>;
}

/** `auto`: it decides itself, and begins anew. */
export const breakerOrders = ['open', 'close', 'auto'] as const;
export type BreakerOrder = (typeof breakerOrders)[number];

/** For the main thread: every circuit breaker that a worker has. */
export function readBreakers(states: NamedSlots, now: number): BreakerReading[] {
  return states
    .names()
    .filter((name) => name.startsWith(BREAKER_KEY))
    .map((name) => withSlot(states, name, (slot) => read(name.slice(BREAKER_KEY.length), slot, now)))
    .sort((one, other) => (one.breaker < other.breaker ? -1 : 1));
}

/** All workers go by it from their next call on. Null: there is no such breaker. */
export function orderBreaker(
  states: NamedSlots,
  breaker: string,
  order: BreakerOrder,
  now: number,
): BreakerReading | null {
  const name = BREAKER_KEY + breaker;
  if (!states.names().includes(name)) return null;
  return withSlot(states, name, (slot) => {
    const { words } = slot;
    if (order === 'auto') {
      beginAnew(slot, now);
      Atomics.store(words, circuitAt.force, circuitForce.none);
    } else {
      Atomics.store(words, circuitAt.force, order === 'open' ? circuitForce.open : circuitForce.closed);
      slot.floats[circuitFloat.forcedAt] = now;
    }
    return read(breaker, slot, now);
  });
}

function beginAnew({ words, floats }: NamedSlot, now: number): void {
  const window = Atomics.load(words, circuitAt.window);
  if (window > 0) new RollingCounts(words, COUNTS_AT, COUNTERS, window).reset(now);
  Atomics.store(words, circuitAt.consecutive, 0);
  Atomics.store(words, circuitAt.repeats, 0);
  floats[circuitFloat.since] = now;
  for (;;) {
    const state = Atomics.load(words, circuitAt.state);
    if (Atomics.compareExchange(words, circuitAt.state, state, next(state, circuitKind.closed)) === state) return;
  }
}

function read(breaker: string, { words, floats }: NamedSlot, now: number): BreakerReading {
  const state = nameOf(kindOf(Atomics.load(words, circuitAt.state)));
  const force = Atomics.load(words, circuitAt.force);
  const forced = force === circuitForce.open ? 'open' : force === circuitForce.closed ? 'closed' : null;
  const window = Atomics.load(words, circuitAt.window);
  const counts = window > 0 ? new RollingCounts(words, COUNTS_AT, COUNTERS, window) : null;
  const sum = (counter: number): number => Math.max(0, counts?.sum(counter, now) ?? 0);
  const changes = {} as Record<CircuitKind, number>;
  for (const [kind, name] of circuitKinds.entries())
    changes[name] = Atomics.load(words, circuitAt.changes + kind) >>> 0;
  const since = floats[forced === null ? circuitFloat.since : circuitFloat.forcedAt] as number;
  return {
    breaker,
    state: forced ?? state,
    forced,
    for: Math.max(0, Math.round(now - since)),
    probesIn:
      forced === null && state === 'open' ? Math.max(0, Math.round((floats[circuitFloat.until] as number) - now)) : 0,
    reason: circuitReasons[Atomics.load(words, circuitAt.reason) - 1] ?? null,
    calls: sum(circuitCount.calls),
    failures: sum(circuitCount.failures),
    slow: sum(circuitCount.slow),
    refused: Atomics.load(words, circuitAt.refused) >>> 0,
    changes,
  };
}

function withSlot<T>(states: NamedSlots, name: string, use: (slot: NamedSlot) => T): T {
  const slot = states.acquire(name);
  try {
    return use(slot);
  } finally {
    states.release(slot);
  }
}
