import { sharedClock } from '../../base/shared-clock.ts';
import { readBreakers } from '../../shared-memory/breaker-view.ts';
import { readEndpoint } from '../../shared-memory/endpoint-record.ts';
import type { NamedSlots } from '../../shared-memory/named-slots.ts';
import type { LoadReader } from './upstream-view.ts';

/** What workers write down about endpoints and breakers. */
export function loadReader(states: NamedSlots): LoadReader {
  return {
    endpoint: (upstream, url) => readEndpoint(states, upstream, url),
    breakers: () => new Map(readBreakers(states, sharedClock()).map((reading) => [reading.breaker, reading])),
  };
}
