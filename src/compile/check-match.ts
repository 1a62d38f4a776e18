import type { KeyPath } from '../config/key-path.ts';
import type { CheckContext } from './check-context.ts';
import type { MatcherValue, MatchValue } from './model/route.ts';
import type { FieldCondition, MatchDocument } from './plan-document.ts';

const HOST = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const IPV6 = /^\[[0-9a-f:.]+\]$/;

/** A host as requests are compared with it, or null after an error. `*` stands for every host. */
export function checkHost(given: string, path: KeyPath, context: CheckContext): string | null {
  const bare = given.toLowerCase().replace(/\.$/, '');
  const host = bare.includes(':') && /^[0-9a-f:.]+$/.test(bare) ? `[${bare}]` : bare;
  if (host === '*' || HOST.test(host) || IPV6.test(host)) return host;
  const url = URL.parse(host.includes('://') ? host : `http://${host}`);
  const port = url !== null && (url.port !== '' || /:\d+\/?$/.test(host));
  const remedy =
    url !== null && HOST.test(url.hostname)
      ? `Write \`${url.hostname}\`.`
      : 'Write for instance `shop.example`, `*.shop.example` or `*`.';
  context.error('wrong-host', port ? 'a host is matched without its port' : `\`${given}\` is not a host`, remedy, path);
  return null;
}

export function checkMatch(match: MatchValue, path: KeyPath, context: CheckContext): MatchDocument {
  const hosts = (match.host ?? []).map((host) => checkHost(host, [...path, 'host'], context));
  const methods = match.method ?? null;
  for (const method of methods ?? []) {
    if (method === method.toUpperCase() && /^[A-Z0-9_-]+$/.test(method)) continue;
    context.error('wrong-value', 'methods are case-sensitive', `Write \`${method.toUpperCase()}\`.`, [
      ...path,
      'method',
    ]);
  }
  return {
    hosts: hosts.filter((host) => host !== null && host !== '*') as string[],
    methods,
    headers: conditions(match.headers),
    query: conditions(match.query),
    cookies: conditions(match.cookies),
    clients: match.clients ?? [],
  };
}

function conditions(given: Readonly<Record<string, MatcherValue>> | undefined): FieldCondition[] {
  return Object.entries(given ?? {}).map(([name, value]) => ({ name, test: testOf(value) }));
}

function testOf(value: MatcherValue): FieldCondition['test'] {
  if (typeof value === 'boolean') return { kind: value ? 'present' : 'absent' };
  if (typeof value === 'string') return { kind: 'oneOf', values: [value] };
  if (Array.isArray(value)) return { kind: 'oneOf', values: value };
  return { kind: 'regex', regex: value.regex };
}

/** True when a request can fail it at all. */
export function isConditional(match: MatchDocument | null): boolean {
  if (match === null) return false;
  const { hosts, methods, headers, query, cookies, clients } = match;
  return methods !== null || [hosts, headers, query, cookies, clients].some((list) => list.length > 0);
}
