import type { UpstreamSummary } from '../supervisor/upstreams/upstream-desk.ts';
import { table } from './table.ts';

/** Longer lists are for `sluice upstreams`. */
const MAX_NAMED = 3;

/** The part of `sluice status` about endpoints that are looked for or asked how they are; empty when there are none. */
export function renderEndpoints(upstreams: readonly UpstreamSummary[]): string {
  const rows = upstreams.map(({ upstream, endpoints, sources }) => {
    const asked = endpoints.filter(({ isHealthy }) => isHealthy !== null);
    const unwell = asked.filter(({ isHealthy }) => isHealthy === false).map(({ url }) => url);
    const drained = endpoints.filter(({ isDrained }) => isDrained).map(({ url }) => url);
    const trouble = [
      ...listed('unhealthy', unwell),
      ...listed('drained', drained),
      ...sources.flatMap((source) => (source.trouble === null ? [] : [`${source.source}: ${source.trouble}`])),
    ];
    return [
      upstream,
      String(endpoints.length),
      asked.length === 0 ? '-' : `${asked.length - unwell.length} of ${asked.length}`,
      trouble.join('; '),
    ];
  });
  return rows.length === 0 ? '' : table(['upstream', 'endpoints', 'healthy', ''], rows);
}

function listed(what: string, urls: readonly string[]): string[] {
  if (urls.length === 0) return [];
  const more = urls.length > MAX_NAMED ? ` and ${urls.length - MAX_NAMED} more` : '';
  return [`${what}: ${urls.slice(0, MAX_NAMED).join(' ')}${more}`];
}
