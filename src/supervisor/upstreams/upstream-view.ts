import { breakerName } from '../../shared-memory/breaker.ts';
import type { BreakerReading } from '../../shared-memory/breaker-view.ts';
import type { EndpointReading } from '../../shared-memory/endpoint-record.ts';
import type { Drains } from './drains.ts';
import type { Origin, SourceReport } from './source.ts';
import type { Member, UpstreamWatch } from './upstream-watch.ts';

/** What `sluice upstreams --json` prints and the admin API answers: a stable shape. Times are ISO 8601. */
export interface UpstreamView {
  readonly upstream: string;
  /** How endpoints are asked whether they are well; null: nobody asks. */
  readonly health: 'http' | 'tcp' | null;
  readonly sources: readonly SourceReport[];
  readonly endpoints: readonly EndpointView[];
  /** Taken out by an operator, and not there at present. */
  readonly drainedAbsent: readonly string[];
  /** Its circuit breaker; null: it has none, or no call has been made. */
  readonly breaker: BreakerReading | null;
}

export interface EndpointView {
  readonly url: string;
  /** Its name, where that is not in the URL. */
  readonly host: string | null;
  /** Who named it: the configuration (`static`) or a source of `discover`. */
  readonly origin: Origin;
  readonly weight: number;
  readonly priority: number;
  readonly health: 'healthy' | 'unhealthy' | 'unknown' | null;
  /** When the health that holds began. */
  readonly since: string | null;
  readonly lastFailure: { readonly at: string; readonly reason: string } | null;
  /** When an operator took it out; null: it is in. */
  readonly drainedSince: string | null;
  /** What workers know of it; null: they keep no record, because nothing that is configured needs one. */
  readonly load: EndpointReading | null;
  readonly breaker: BreakerReading | null;
}

/** What workers know, by upstream and URL. */
export interface LoadReader {
  endpoint(upstream: string, url: string): EndpointReading | null;
  /** By name, `upstream:orders` or `endpoint:orders http://…`. */
  breakers(): ReadonlyMap<string, BreakerReading>;
}

export function viewOf(
  watch: UpstreamWatch,
  drains: Drains,
  load: LoadReader,
  breakers: ReadonlyMap<string, BreakerReading>,
): UpstreamView {
  const { work, sources, members } = watch;
  const { name, health } = work;
  const endpointView = ({ endpoint, origin }: Member): EndpointView => {
    const { url, host, address, weight, priority } = endpoint;
    const check = watch.check(url);
    const failure = check?.lastFailure ?? null;
    return {
      url,
      host: address === null ? null : host,
      origin,
      weight,
      priority,
      health: check === null ? null : healthWord(check.health?.isHealthy),
      since: dateOf(check?.health?.since),
      lastFailure: failure === null ? null : { at: new Date(failure.at).toISOString(), reason: failure.reason },
      drainedSince: dateOf(drains.since(name, url)),
      load: load.endpoint(name, url),
      breaker: breakers.get(breakerName({ kind: 'endpoint', name: `${name} ${url}` })) ?? null,
    };
  };
  return {
    upstream: name,
    health: health?.ask.kind ?? null,
    sources: sources.map((source) => source.report()),
    endpoints: Array.from(members.values(), endpointView),
    drainedAbsent: [...drains.of(name).keys()].filter((url) => !members.has(url)),
    breaker: breakers.get(breakerName({ kind: 'upstream', name })) ?? null,
  };
}

function healthWord(isHealthy: boolean | undefined): 'healthy' | 'unhealthy' | 'unknown' {
  if (isHealthy === undefined) return 'unknown';
  return isHealthy ? 'healthy' : 'unhealthy';
}

function dateOf(time: number | null | undefined): string | null {
  return time == null ? null : new Date(time).toISOString();
}
