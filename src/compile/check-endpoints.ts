import { readFileSync } from 'node:fs';
import type { KeyPath } from '../config/key-path.ts';
import { HEADER_NAME } from '../plan/fields.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import { clientTlsOf } from './check-client-tls.ts';
import type { CheckContext } from './check-context.ts';
import type { SourceValue } from './model/upstream-discover.ts';
import type { HealthValue } from './model/upstream-health.ts';
import { parseTargetList, type ReadList } from './target-list.ts';
import type { EndpointSource, HealthCheck, Question } from './upstream-work.ts';

const GOOD = [[200, 299]] as const;
const TIMEOUT_MS = 2_000;
/** Settings that only a request has. */
const OF_REQUESTS = ['method', 'status', 'body', 'host', 'headers'] as const;
/** Settled by the gateway itself, because the framing of the request depends on it. */
const FRAMING = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'trailer']);

/** `health` of an upstream; null after an error. */
export function healthCheck(
  value: HealthValue,
  hostHeader: UpstreamOptions['hostHeader'],
  path: KeyPath,
  context: CheckContext,
): HealthCheck | null {
  const { interval, jitter, timeout = Math.min(TIMEOUT_MS, interval), healthyAfter, unhealthyAfter } = value;
  const ask = question(value, hostHeader, path, context);
  if (timeout > interval) {
    const remedy = 'A check begins when the one before has ended, so the interval grows to it.';
    context.keyWarning('long-timeout', 'a check may take longer than its interval', remedy, [...path, 'timeout']);
  }
  return ask === null ? null : { ask, interval, jitter, timeout, healthyAfter, unhealthyAfter };
}

function question(
  value: HealthValue,
  hostHeader: UpstreamOptions['hostHeader'],
  at: KeyPath,
  context: CheckContext,
): Question | null {
  const { path, tcp, method = 'GET', status, body, host, headers } = value;
  if (tcp && path === undefined) {
    const stray = OF_REQUESTS.find((key) => value[key] !== undefined);
    if (stray === undefined) return { kind: 'tcp' };
    const remedy = 'Remove it, or write `path` instead of `tcp`.';
    context.keyError('unused-setting', `\`${stray}\` belongs to a request, and \`tcp\` sends none`, remedy, [
      ...at,
      stray,
    ]);
    return null;
  }
  if (tcp || path === undefined) {
    const message = tcp ? 'a check is either a request or a connection' : 'this does not say what to ask';
    context.error('health-kind', message, tcp ? 'Keep `path` or `tcp`.' : 'Add `path: /healthz` or `tcp: true`.', at);
    return null;
  }
  if (body !== undefined && method === 'HEAD') {
    const message = 'a response to HEAD has no body';
    context.error('health-kind', message, 'Use `method: GET`.', [...at, 'body']);
  }
  return {
    kind: 'http',
    method,
    path,
    host: host ?? (hostHeader.kind === 'fixed' ? hostHeader.value : null),
    headers: fieldsOf(headers, [...at, 'headers'], context),
    statuses: status ?? GOOD,
    body: body ?? null,
  };
}

function fieldsOf(
  given: Readonly<Record<string, string>> | undefined,
  path: KeyPath,
  context: CheckContext,
): [string, string][] {
  const fields = Object.entries(given ?? {});
  for (const [name] of fields) {
    if (HEADER_NAME.test(name) && !FRAMING.has(name.toLowerCase())) continue;
    const [message, remedy] = HEADER_NAME.test(name)
      ? [`the gateway sets \`${name}\` itself`, name.toLowerCase() === 'host' ? 'Use `host`.' : 'Remove it.']
      : [`\`${name}\` is not the name of a header`, 'Use letters, digits and `-`, such as `x-tenant`.'];
    context.keyError('wrong-header', message, remedy, [...path, name]);
  }
  return fields;
}

/** One entry of `discover`. */
export function endpointSource(value: SourceValue, path: KeyPath, context: CheckContext): EndpointSource {
  if ('file' in value) {
    const file = context.pathOf(value.file, path);
    checkListFile(file, value.file, [...path, 'file'], context);
    return { kind: 'file', file, keepFor: value.keepFor };
  }
  if ('http' in value) {
    const { http: url, interval, timeout, maxSize, headers, tls, keepFor } = value;
    return {
      kind: 'http',
      url,
      interval,
      timeout,
      maxSize,
      headers: fieldsOf(headers, [...path, 'headers'], context),
      tls: tls === undefined ? null : clientTlsOf(tls, [...path, 'tls'], context),
      keepFor,
    };
  }
  const { servers = null, ttl, timeout, keepFor } = value;
  if (ttl.min > ttl.max) {
    context.error('wrong-value', '`min` is more than `max`', 'Swap them.', [...path, 'ttl']);
  }
  const { host: name, tls, basePath, port } = 'dns' in value ? value.dns : value.srv;
  const lookUp = { name, tls, basePath, servers, ttl, timeout, keepFor };
  if (!('dns' in value)) return { kind: 'srv', ...lookUp };
  const { family, weight, priority } = value;
  return { kind: 'dns', ...lookUp, port, family, weight, priority };
}

/** What it says now; it changes without the configuration, so nothing in it stops a start. */
function checkListFile(file: string, name: string, path: KeyPath, context: CheckContext): void {
  const warn = (message: string, remedy: string): void => {
    context.add('warning', 'target-list', message, remedy, context.loaded.origins.place(path));
  };
  let read: ReadList;
  try {
    read = parseTargetList(readFileSync(file, 'utf8'), 'yaml');
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    warn(`\`${name}\` ${gone ? 'does not exist' : 'cannot be read'}`, 'The upstream gets these targets once it does.');
    return;
  }
  if (!read.ok) warn(`\`${name}\` is no list of targets: ${read.reason}`, 'Write it as `targets` is written.');
  else if (read.problems.length > 0) warn(`\`${name}\`: ${read.problems.join('; ')}`, 'Such entries are left out.');
}
