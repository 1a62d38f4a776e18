import type { SourceReport } from '../supervisor/upstreams/source.ts';
import type { EndpointView, UpstreamView } from '../supervisor/upstreams/upstream-view.ts';
import { formatSpan } from './span.ts';
import { table } from './table.ts';

/** What `sluice upstreams` prints: a line an endpoint, then what feeds the list and what is wrong. */
export function renderUpstreams(upstreams: readonly UpstreamView[], now: number): string {
  const rows = upstreams.flatMap(({ upstream, endpoints }) =>
    endpoints.map((endpoint) => [
      upstream,
      endpoint.url + (endpoint.host === null ? '' : ` (${endpoint.host})`),
      endpoint.origin,
      stateOf(endpoint),
      endpoint.since === null ? '-' : formatSpan(now - Date.parse(endpoint.since)),
      endpoint.weight === 1 && endpoint.priority === 0 ? '-' : `${endpoint.weight} in group ${endpoint.priority}`,
      endpoint.load === null ? '-' : String(endpoint.load.inFlight),
      endpoint.load?.latency == null ? '-' : `${endpoint.load.latency.toFixed(1)} ms`,
      lastFailureOf(endpoint, now),
    ]),
  );
  const head = ['upstream', 'endpoint', 'from', 'state', 'for', 'weight', 'in flight', 'latency', 'last failed check'];
  const lines = rows.length === 0 ? [] : [table(head, rows)];
  const notes = upstreams.flatMap((view) => notesOf(view, now));
  if (notes.length > 0) lines.push('', ...notes);
  return lines.join('\n');
}

function stateOf({ health, drainedSince, load, breaker }: EndpointView): string {
  if (drainedSince !== null) return 'drained';
  const states = [
    ...(health === null ? [] : [health]),
    ...(load !== null && load.ejectedFor > 0 ? [`ejected for ${formatSpan(load.ejectedFor)}`] : []),
    ...(breaker !== null && breaker.state !== 'closed' ? [`breaker ${breaker.state}`] : []),
  ];
  return states.length === 0 ? 'in service' : states.join(', ');
}

function lastFailureOf({ lastFailure }: EndpointView, now: number): string {
  return lastFailure === null ? '' : `${formatSpan(now - Date.parse(lastFailure.at))} ago: ${lastFailure.reason}`;
}

function notesOf({ upstream, sources, endpoints, drainedAbsent, breaker }: UpstreamView, now: number): string[] {
  const notes = sources.flatMap((source) => sourceNotes(source, now));
  if (endpoints.length === 0) notes.push('no endpoints: 503 for every call');
  for (const url of drainedAbsent) notes.push(`${url} is drained, and not there at present`);
  if (breaker !== null && breaker.state !== 'closed') {
    notes.push(`its breaker is ${breaker.state}${breaker.forced === null ? '' : ' because an operator said so'}`);
  }
  return notes.map((note) => `${upstream}: ${note}`);
}

function sourceNotes(
  { origin, of, endpoints, failure, emptySince, nextLook, ...source }: SourceReport,
  now: number,
): string[] {
  const next = nextLook === null ? 'looking now' : `next look in ${formatSpan(Date.parse(nextLook) - now)}`;
  const since = source.failingSince === null ? '' : ` for ${formatSpan(now - Date.parse(source.failingSince))}`;
  const state =
    failure !== null
      ? `cannot be asked${since}: ${failure}; the ${endpoints} last known stay`
      : emptySince !== null
        ? `says that there are no endpoints for ${formatSpan(now - Date.parse(emptySince))}; ${endpoints} last known stay`
        : `${endpoints} endpoints`;
  return [
    `${origin} ${of}: ${state}, ${next}`,
    ...source.problems.map((problem) => `${origin} ${of}: left out: ${problem}`),
  ];
}
