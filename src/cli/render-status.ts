import type { RecordsState } from '../plan/records.ts';
import type { Status } from '../supervisor/status.ts';
import { renderBreakers } from './render-breakers.ts';
import { renderEndpoints } from './render-endpoints.ts';
import { renderSupervision } from './render-supervision.ts';
import { formatSpan } from './span.ts';
import { table } from './table.ts';

const MEBIBYTE = 1024 * 1024;

/** The page that `sluice status` prints. */
export function renderStatus(status: Status): string {
  const state = status.draining ? 'draining' : status.ready ? 'ready' : 'not ready';
  const { config } = status;
  const lines = [
    `sluice ${status.version} (Node ${status.node}), process ${status.pid}: ${state}, up ${formatSpan(status.uptimeSeconds * 1000)}`,
    `configuration ${config.files.join(', ')}: version ${config.version}, ${config.hash.slice(0, 12)}, loaded ${config.loadedAt}` +
      (config.warnings > 0
        ? `, ${config.warnings} ${config.warnings === 1 ? 'warning' : 'warnings'} (\`sluice check\`)`
        : ''),
  ];
  if (config.lastReload !== null && !config.lastReload.ok) {
    lines.push(
      '',
      `The reload at ${config.lastReload.at} failed; the version before stays in service:`,
      config.lastReload.error ?? '',
    );
  }
  const replaced = Object.entries(status.replaced).filter(([, count]) => count > 0);
  if (replaced.length > 0) {
    lines.push(
      `workers replaced: ${replaced.map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`).join(', ')}`,
    );
  }
  if (status.records !== null) lines.push(describeStore(status.records));
  if (status.usage?.store) lines.push(describeUsage(status.usage.store));
  if (status.cache && status.cache.hits + status.cache.misses > 0) lines.push(describeCache(status.cache));
  lines.push(
    '',
    table(
      ['worker', 'state', 'in flight', 'busy', 'heap', 'loop delay'],
      status.workers.map((worker) => [
        String(worker.id),
        worker.state,
        String(worker.active),
        `${Math.round(worker.loopUse * 100)}%`,
        `${Math.round(worker.heapUsed / MEBIBYTE)} of ${Math.round(worker.heapLimit / MEBIBYTE)} MiB`,
        milliseconds(worker.loopDelay),
      ]),
    ),
  );
  const supervision = renderSupervision(status.supervision);
  if (supervision !== '') lines.push('', supervision);
  const traffic = ['/s', 'p50', 'p90', 'p99'];
  if (status.routes.length > 0) {
    const busiest = [...status.routes].sort((a, b) => b.perSecond - a.perSecond);
    lines.push(
      '',
      table(
        ['gateway', 'route', 'requests', ...traffic, '5xx', 'in flight'],
        busiest.map((route) => [
          route.gateway,
          route.route,
          String(route.requests),
          rate(route.perSecond),
          milliseconds(route.p50),
          milliseconds(route.p90),
          milliseconds(route.p99),
          String(route.errors),
          String(route.inFlight),
        ]),
      ),
    );
  }
  if (status.upstreams.length > 0) {
    lines.push(
      '',
      table(
        ['upstream', 'calls', ...traffic, 'errors', 'in flight', 'connections'],
        status.upstreams.map((upstream) => [
          upstream.upstream,
          String(upstream.calls),
          rate(upstream.perSecond),
          milliseconds(upstream.p50),
          milliseconds(upstream.p90),
          milliseconds(upstream.p99),
          String(upstream.errors),
          String(upstream.inFlight),
          String(upstream.connections),
        ]),
      ),
    );
  }
  const endpoints = renderEndpoints(status.endpoints);
  if (endpoints !== '') lines.push('', endpoints);
  if (status.breakers.length > 0) lines.push('', renderBreakers(status.breakers));
  const { limits, overflowed, slots } = status.limits;
  if (limits.length > 0) {
    const rows = limits.map(({ limit, scope, ...counts }) => [
      limit,
      scope,
      String(counts.allowed),
      String(counts.limited),
      String(counts.reported),
    ]);
    lines.push('', table(['limit', 'of', 'allowed', 'limited', 'reported'], rows));
  }
  if (status.limitStore) lines.push('', describeLimitStore(status.limitStore));
  if (overflowed > 0)
    lines.push('', `${overflowed} attempts found none of the ${slots} buckets free and shared one (\`stores.local\`).`);
  if (status.routes.length > 0)
    lines.push('', `Rates, percentiles and errors are of the last ${Math.round(status.window)} s.`);
  return lines.join('\n');
}

function describeLimitStore({ state, instances, counters }: NonNullable<Status['limitStore']>): string {
  const decided = `${counters.answered} attempts decided there, ${counters.local + counters.late} here`;
  const machines = `${instances} gateway${instances === 1 ? '' : 's'} share it`;
  return `limits in Redis: ${state === 'closed' ? 'in order' : `not in order (breaker ${state})`}, ${machines}; ${decided}`;
}

function describeStore({ kind, failure, since }: NonNullable<Status['records']>): string {
  if (failure === null) return `keys and revocations: ${kind}`;
  const when = new Date(since).toISOString();
  return `keys and revocations: ${kind}, out of reach since ${when}: ${failure}\n  The last known ones are in force, changes are refused.`;
}

function describeCache({ bytes, capacity, entries, shared }: NonNullable<Status['cache']>): string {
  const memory = `${Math.round(bytes / MEBIBYTE)} of ${Math.round(capacity / MEBIBYTE)} MiB in ${entries} entries`;
  if (shared === null || shared.failure === null) return `stored responses: ${memory}`;
  const since = new Date(shared.since).toISOString();
  return `stored responses: ${memory}\n  Purges do not reach other machines since ${since}: ${shared.failure}`;
}

function describeUsage({ kind, failure, since }: RecordsState): string {
  if (failure === null) return `usage of quotas: ${kind}`;
  const when = new Date(since).toISOString();
  return `usage of quotas: ${kind}, out of reach since ${when}: ${failure}\n  Counting goes on here, and is added later.`;
}

function milliseconds(value: number): string {
  if (value === 0) return '-';
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)} ms`;
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}
