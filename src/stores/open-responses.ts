import type { Feed } from '../plan/feed.ts';
import type { Closable } from '../plan/policy.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import {
  noSharedResponses,
  type PurgeListener,
  type PurgeLog,
  type SharedResponses,
} from '../plan/shared-responses.ts';
import { KnownPurges } from './known-purges.ts';
import { RedisPurgeLog } from './redis-purge-log.ts';
import { RedisResponses } from './redis-responses.ts';
import type { StoresSettings } from './settings.ts';

export interface SharedResponsesOptions {
  /** `PURGES_FEED`. */
  readonly purges: Feed<unknown>;
  readonly purgeCount: SharedArrayBuffer;
  announce(purge: ResponsePurge): void;
  problem(message: string): void;
}

/** A worker's way to what machines share of their responses. Never throws and never waits. */
export function openSharedResponses(
  { shared }: StoresSettings,
  { purges, purgeCount, announce, problem }: SharedResponsesOptions,
): SharedResponses & Partial<Closable> {
  if (shared === null) return noSharedResponses;
  const { cache } = shared;
  if (cache === null) return { ...noSharedResponses, announce };
  return new RedisResponses({
    settings: shared,
    cache,
    purges: new KnownPurges(purges, purgeCount),
    announce,
    problem,
  });
}

/** The main thread's; null: there are no other machines. */
export function openPurgeLog(
  { shared }: Pick<StoresSettings, 'shared'>,
  listener: PurgeListener,
  problem: (message: string) => void,
): PurgeLog | null {
  return shared === null ? null : new RedisPurgeLog(shared, listener, problem);
}
