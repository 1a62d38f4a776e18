import type { Limiter } from '../plan/limiter.ts';
import type { Closable } from '../plan/policy.ts';
import type { LimitStoreCell } from '../shared-memory/limit-store.ts';
import { RedisLimiter } from './redis-limiter.ts';
import type { StoresSettings } from './settings.ts';

export interface SharedLimiterOptions {
  /** The same in all workers of a process, another one in every process: short, printable ASCII. */
  readonly instance: string;
  /** Where this worker counts; its successor is given the same. */
  readonly cell: LimitStoreCell;
  /** One line for each outage and each recovery. */
  problem(message: string): void;
}

/**
 * Where a worker's limits are kept: in Redis when machines share one, else where they are kept anyway. Never throws and
 * never waits; close it to let go of the connection.
 */
export function openSharedLimiter(
  { shared }: StoresSettings,
  local: Limiter,
  options: SharedLimiterOptions,
): Limiter & Partial<Closable> {
  return shared === null ? local : new RedisLimiter({ settings: shared, local, ...options });
}
