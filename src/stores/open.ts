import { join } from 'node:path';
import type { Records } from '../plan/records.ts';
import type { UsageStore } from '../plan/usage.ts';
import { LastKnown } from './last-known.ts';
import { MemoryRecords } from './memory-records.ts';
import { MemoryUsage } from './memory-usage.ts';
import { RedisRecords } from './redis-records.ts';
import { RedisUsage } from './redis-usage.ts';
import type { StoresSettings } from './settings.ts';
import { SqliteRecords } from './sqlite-records.ts';
import { SqliteUsage } from './sqlite-usage.ts';

const DATABASE = 'records.db';
const USAGE = 'usage.db';
const LAST_KNOWN = 'last-known-records.json';

/**
 * The store that the settings ask for: Redis where machines share one, else a file in the state directory, else memory.
 * Never throws and never waits: what is wrong shows in `state`, and is mended when it can be.
 */
export function openRecords(
  { shared }: Pick<StoresSettings, 'shared'>,
  stateDirectory: string | null,
  problem: (message: string) => void,
): Records {
  const inState = (name: string): string | null => (stateDirectory === null ? null : join(stateDirectory, name));
  if (shared !== null) return new RedisRecords(shared, new LastKnown(inState(LAST_KNOWN), problem), problem);
  const database = inState(DATABASE);
  return database === null ? new MemoryRecords(problem) : new SqliteRecords(database, problem);
}

/** The same for what callers used of their quotas. */
export function openUsage(
  { shared }: Pick<StoresSettings, 'shared'>,
  stateDirectory: string | null,
  problem: (message: string) => void,
): UsageStore {
  if (shared !== null) return new RedisUsage(shared, problem);
  return stateDirectory === null ? new MemoryUsage() : new SqliteUsage(join(stateDirectory, USAGE), problem);
}
