import type { KeyPath } from '../config/key-path.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import { balancingOf, checkAffinityCookies } from './check-balance.ts';
import { clientTlsOf } from './check-client-tls.ts';
import type { CheckContext } from './check-context.ts';
import { endpointSource, healthCheck } from './check-endpoints.ts';
import { itemPath } from './check-process.ts';
import { feedOwner } from './feeds.ts';
import { isUpstreamUrl, parseUpstreamUrl } from './model/address.ts';
import type { UpstreamObject, UpstreamValue } from './model/upstream.ts';
import type { SupervisedDocument } from './plan-document.ts';
import { endpointOf } from './target-endpoint.ts';
import { type EndpointSource, type HealthCheck, isFed, type UpstreamWork } from './upstream-work.ts';

type Timeouts = Exclude<UpstreamObject['timeout'], number | undefined>;
const TIMEOUTS = { connect: 5_000, head: 60_000, idle: 60_000, total: 0 } as const;

/** Settings of an upstream that is only a URL; the same as the model says for the long form. */
const PLAIN: Omit<UpstreamOptions, 'name' | 'endpoints'> = {
  owner: null,
  series: 0,
  connectTimeout: TIMEOUTS.connect,
  headTimeout: TIMEOUTS.head,
  idleTimeout: TIMEOUTS.idle,
  totalTimeout: TIMEOUTS.total,
  deadlineHeader: null,
  maxConnections: 1024,
  maxPending: 1024,
  pendingTimeout: 5_000,
  keepAliveTimeout: 60_000,
  maxConnectionAge: 3_600_000,
  maxRequestsPerConnection: 100_000,
  hostHeader: { kind: 'preserve' },
  tls: null,
  proxyProtocol: 0,
  upgrade: true,
  maxHead: 64 * 1024,
  balance: null,
  ejection: null,
  affinity: null,
};

/** The upstreams of a document by name, and those that routes name by their URL. */
export class UpstreamTable {
  readonly options: UpstreamOptions[] = [];
  /** What the main thread does for each of them. */
  readonly supervised: SupervisedDocument[] = [];
  readonly #indices = new Map<string, number>();
  readonly #context: CheckContext;
  /** Named in the document, sound or not: a reference to them is not dead. */
  readonly #named: ReadonlySet<string>;

  constructor(values: Readonly<Record<string, UpstreamValue>>, context: CheckContext) {
    this.#context = context;
    this.#named = context.namesIn('upstreams');
    for (const [name, value] of Object.entries(values)) {
      if (isUpstreamUrl(name)) {
        const remedy = 'Give it a name such as `orders`.';
        context.keyError('invalid-name', 'a URL is not the name of an upstream', remedy, ['upstreams', name]);
      }
      const options = upstreamOptions(name, value, context);
      if ('text' in value) this.#add(options);
      else this.#add(options, healthOf(value, options, context), sourcesOf(name, value, context));
    }
    checkAffinityCookies(this.options, context);
  }

  /** Index of the upstream that a route names, or -1 after an error. */
  resolve(name: string, path: KeyPath, inKey = false): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    if (isUpstreamUrl(name)) {
      const parsed = parseUpstreamUrl(name);
      if (parsed.ok) {
        const text = parsed.value.text;
        return this.#indices.get(text) ?? this.#add({ ...PLAIN, name: text, endpoints: [endpointOf(parsed.value)] });
      }
      this.#context.error('wrong-value', parsed.message, parsed.remedy, path);
    } else if (!this.#named.has(name)) {
      this.#context.unknownName('unknown-upstream', 'upstream', name, this.#named, path, inKey);
    }
    return -1;
  }

  #add(options: UpstreamOptions, health: HealthCheck | null = null, sources: readonly EndpointSource[] = []): number {
    const { name, endpoints, tls, proxyProtocol } = options;
    const work: UpstreamWork = { name, endpoints, tls, proxyProtocol, health, sources };
    const owner = feedOwner('upstream', work);
    this.supervised.push({ owner, kind: 'upstream', module: 'upstream', name, options: work, consumers: [] });
    const index = this.options.push(isFed(work) ? { ...options, owner } : options) - 1;
    this.#indices.set(name, index);
    return index;
  }
}

function upstreamOptions(name: string, value: UpstreamValue, context: CheckContext): UpstreamOptions {
  if ('text' in value) return { ...PLAIN, name, endpoints: [endpointOf(value)] };
  const path = ['upstreams', name];
  const endpoints = value.targets.map(endpointOf);
  if (endpoints.length === 0 && value.discover === undefined) {
    const remedy = 'Add the URL of a service, or `discover`.';
    context.keyError('no-target', 'this upstream has no target', remedy, path);
  } else if (value.discover === undefined && endpoints.every(({ weight }) => weight === 0)) {
    context.error('no-target', 'every target has the weight 0', 'Give one a weight.', [...path, 'targets']);
  }
  const seen = new Map<string, number>();
  for (const [index, { url }] of endpoints.entries()) {
    const before = seen.get(url);
    if (before !== undefined) {
      const related = itemPath(context, [...path, 'targets'], before);
      const at = itemPath(context, [...path, 'targets'], index);
      context.error('duplicate-target', `\`${url}\` is listed twice`, 'Use `weight` to send it more.', at, [related]);
    }
    seen.set(url, index);
  }
  if (value.tls !== undefined && value.discover === undefined && !endpoints.some(({ tls }) => tls)) {
    const remedy = 'Write `https:` in the URLs, or remove `tls`.';
    context.keyWarning('unused-setting', 'no target of this upstream speaks TLS', remedy, [...path, 'tls']);
  }
  const { connections, timeout } = value;
  const timeouts: Timeouts = typeof timeout === 'number' ? { total: timeout } : (timeout ?? {});
  return {
    name,
    owner: null,
    series: 0,
    endpoints,
    connectTimeout: timeouts.connect ?? TIMEOUTS.connect,
    headTimeout: timeouts.head ?? TIMEOUTS.head,
    idleTimeout: timeouts.idle ?? TIMEOUTS.idle,
    totalTimeout: timeouts.total ?? TIMEOUTS.total,
    deadlineHeader: timeouts.propagate ?? null,
    maxConnections: connections.max,
    maxPending: connections.pending,
    pendingTimeout: connections.pendingTimeout,
    keepAliveTimeout: connections.keepAlive,
    maxConnectionAge: connections.maxAge,
    maxRequestsPerConnection: connections.maxRequests,
    hostHeader: hostHeader(value.hostHeader),
    tls: value.tls === undefined ? null : clientTlsOf(value.tls, [...path, 'tls'], context),
    proxyProtocol: value.proxyProtocol === false ? 0 : value.proxyProtocol,
    upgrade: value.upgrade,
    maxHead: value.maxResponseHead,
    ...balancingOf(value, endpoints, path, context),
  };
}

function healthOf(
  { health }: UpstreamObject,
  { name, hostHeader }: UpstreamOptions,
  context: CheckContext,
): HealthCheck | null {
  return health === undefined ? null : healthCheck(health, hostHeader, ['upstreams', name, 'health'], context);
}

function sourcesOf(name: string, { discover = [] }: UpstreamObject, context: CheckContext): EndpointSource[] {
  const path = ['upstreams', name, 'discover'];
  return discover.map((source, index) => endpointSource(source, itemPath(context, path, index), context));
}

function hostHeader(given: string): UpstreamOptions['hostHeader'] {
  if (given === 'preserve') return { kind: 'preserve' };
  return given === 'target' ? { kind: 'endpoint' } : { kind: 'fixed', value: given };
}
