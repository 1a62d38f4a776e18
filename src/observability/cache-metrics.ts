import type { ResponseStatistics } from '../shared-memory/response-memory.ts';
import type { ExpositionText } from './exposition-text.ts';

export interface CacheReading extends ResponseStatistics {
  /** Null: there are no other machines. False: purges do not travel at the moment. */
  readonly isShared: boolean | null;
}

/** The memory of stored responses; what became of requests is counted by route. */
export function cacheMetrics(text: ExpositionText, reading: CacheReading): void {
  const { bytes, capacity, entries, evictions, purged, rejected, broken, isShared } = reading;
  text.single('sluice_cache_bytes', 'gauge', 'Memory that stored responses take.', bytes);
  text.single('sluice_cache_capacity_bytes', 'gauge', 'Memory that they may take.', capacity);
  text.single('sluice_cache_entries', 'gauge', 'Stored responses.', entries);
  text.single('sluice_cache_evictions_total', 'counter', 'Responses that gave way to others.', evictions);
  text.single('sluice_cache_purged_total', 'counter', 'Responses that purges removed or marked.', purged);
  text.single('sluice_cache_rejected_total', 'counter', 'Responses for which there was no room.', rejected);
  text.single('sluice_cache_broken_total', 'counter', 'Responses whose bytes were not those stored.', broken);
  if (isShared === null) return;
  text.single('sluice_cache_shared_up', 'gauge', '1 while purges reach other machines.', isShared ? 1 : 0);
}
