import { HeaderBlock } from '../base/headers.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Reply } from '../plan/reply.ts';
import { compileTemplate } from '../plan/template.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import type { CheckedConfig } from './check.ts';
import type { CheckedRoute } from './checked-route.ts';
import { sourceWords, workOf } from './explain-endpoints.ts';
import { describeSplit } from './split.ts';

/** The end of a dispatch chain, as far as it can be told without the services. */
export interface ExplainedUpstream {
  /** By weight, when there are several. */
  readonly names: readonly { readonly name: string; readonly weight: number; readonly endpoints: readonly string[] }[];
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly added: readonly (readonly [string, string])[];
  readonly removed: readonly string[];
}

export interface LocalAnswer {
  readonly reply: Pick<Reply, 'status' | 'headers'>;
  readonly code: string | null;
}

/** Null where somebody else answers. */
export function localAnswer({ document, key }: CheckedRoute, exchange: Exchange): LocalAnswer | null {
  const { target } = document;
  const answer = (status: number, fields: readonly (readonly [string, string])[], code: string | null = null) => ({
    reply: { status, headers: HeaderBlock.of(fields) },
    code,
  });
  if (target.kind === 'respond') return answer(target.status, target.headers);
  if (target.kind === 'ready' || target.kind === 'jwks') return answer(200, []);
  if (target.kind !== 'redirect') return null;
  const { template } = compileTemplate(target.to, 'url', key.pattern.parameters);
  const to = template?.render(exchange);
  if (to === undefined) return answer(400, [], 'missing_value');
  const query = target.keepQuery && exchange.query !== '' ? `${to.includes('?') ? '&' : '?'}${exchange.query}` : '';
  return answer(target.status, [['location', to + query]]);
}

export function describeTarget({ target }: CheckedRoute, config: CheckedConfig): string {
  const name = (index: number): string => config.document?.upstreams[index]?.name ?? '';
  switch (target.kind) {
    case 'upstream':
      return `upstream ${name(target.upstream)}`;
    case 'weighted':
      return `upstreams ${target.upstreams.map((each, i) => `${name(each)} (${target.weights[i]})`).join(', ')}${describeSplit(target.split)}`;
    case 'redirect':
      return `redirect to ${target.to}`;
    case 'respond':
      return `fixed response ${target.status}`;
    case 'ready':
      return '200, or 503 while the gateway is draining or not ready';
    case 'jwks':
      return 'the public keys of the identity tokens';
    case 'handler':
      return `handler ${target.file}`;
    case 'identifier':
      return `${target.endpoint} of \`${target.entry}\``;
    case 'refused':
      return `501: ${[...new Set(target.missing)].join(', ')} is not available yet`;
    case 'unmatched':
      return 'no route: 404, or 405 where the path is known for other methods';
  }
}

/** Indices of the upstreams that a route may ask. */
export function upstreamsOf({ document: { target } }: Pick<CheckedRoute, 'document'>): readonly number[] {
  return target.kind === 'upstream' ? [target.upstream] : target.kind === 'weighted' ? target.upstreams : [];
}

/** Null where no service is asked. */
export function upstreamOf(
  { document }: CheckedRoute,
  exchange: Exchange,
  before: ReadonlyMap<string, string>,
  config: CheckedConfig,
): ExplainedUpstream | null {
  const { target } = document;
  const options = upstreamsOf({ document }).flatMap((index) => config.document?.upstreams[index] ?? []);
  const [first] = options;
  if (first === undefined) return null;
  const path =
    exchange.upstreamTarget ?? (exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`);
  const { added, removed } = difference(before, fieldsOf(exchange));
  const stated = [...fieldsOf(exchange)].filter(([name]) => /^(?:x-forwarded-|forwarded$)/.test(name));
  return {
    names: options.map(({ name, endpoints }, position) => ({
      name,
      weight: target.kind === 'weighted' ? (target.weights[position] ?? 0) : 1,
      endpoints: [...endpoints.map(({ url }) => url), ...(workOf(name, config)?.sources ?? []).map(sourceWords)],
    })),
    method: exchange.method,
    target: basePathOf(first, config) + path,
    host: hostFor(first, exchange, config),
    added: [...stated, ...added],
    removed,
  };
}

function basePathOf({ name, endpoints }: UpstreamOptions, config: CheckedConfig): string {
  const [source] = workOf(name, config)?.sources ?? [];
  return endpoints[0]?.basePath ?? (source !== undefined && 'basePath' in source ? source.basePath : '');
}

function hostFor({ name, hostHeader, endpoints }: UpstreamOptions, exchange: Exchange, config: CheckedConfig): string {
  if (hostHeader.kind === 'fixed') return hostHeader.value;
  if (hostHeader.kind === 'preserve') return exchange.host;
  const [endpoint] = endpoints;
  const [source] = workOf(name, config)?.sources ?? [];
  if (endpoint === undefined)
    return source?.kind === 'dns' ? `${source.name}:${source.port}` : '(that of the endpoint)';
  return endpoint.path !== null ? endpoint.host : `${endpoint.host}:${endpoint.port}`;
}

/** Values by name, those of repeated fields joined. */
export function fieldsOf({ headers }: Exchange): Map<string, string> {
  const fields = new Map<string, string>();
  headers.forEach((name, value) => {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  return fields;
}

export function difference(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const added = [...after].filter(([name, value]) => before.get(name) !== value);
  const removed = [...before.keys()].filter((name) => !after.has(name));
  return { added, removed };
}
