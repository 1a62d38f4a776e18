import type { KeyPath } from '../config/key-path.ts';
import type { Endpoint, UpstreamOptions, UpstreamTls } from '../plan/upstream.ts';
import type { CheckContext } from './check-context.ts';
import { checkPair, itemPath, readPem } from './check-process.ts';
import { isAvailable, laterUpstreamSettings } from './later.ts';
import { isUpstreamUrl, parseUpstreamUrl, type UpstreamUrl } from './model/address.ts';
import type { UpstreamObject, UpstreamValue } from './model/upstream.ts';

const TIMEOUTS = { connect: 5_000, head: 60_000, idle: 60_000, total: 0 } as const;

/** Settings of an upstream that is only a URL; the same as the model says for the long form. */
const PLAIN: Omit<UpstreamOptions, 'name' | 'endpoints'> = {
  series: 0,
  connectTimeout: TIMEOUTS.connect,
  headTimeout: TIMEOUTS.head,
  idleTimeout: TIMEOUTS.idle,
  totalTimeout: TIMEOUTS.total,
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
};

/** The upstreams of a document by name, and those that routes name by their URL. */
export class UpstreamTable {
  readonly options: UpstreamOptions[] = [];
  readonly #indices = new Map<string, number>();
  readonly #context: CheckContext;
  /** Named in the document, sound or not: a reference to them is not dead. */
  readonly #named: ReadonlySet<string>;
  /** Some of their needs do not exist yet: routes to them are refused. */
  readonly #refused = new Map<number, string>();

  constructor(values: Readonly<Record<string, UpstreamValue>>, context: CheckContext) {
    this.#context = context;
    this.#named = context.namesIn('upstreams');
    for (const [name, value] of Object.entries(values)) {
      if (isUpstreamUrl(name)) {
        const remedy = 'Give it a name such as `orders`.';
        context.keyError('invalid-name', 'a URL is not the name of an upstream', remedy, ['upstreams', name]);
      }
      this.#add(upstreamOptions(name, value, context));
      for (const [setting, { effect, what }] of Object.entries(laterUpstreamSettings)) {
        if ('text' in value || isAvailable(setting, value[setting as keyof UpstreamObject])) continue;
        const path = ['upstreams', name, setting];
        const remedy = effect === 'refused' ? 'Routes to this upstream answer 501.' : 'The upstream works without it.';
        context.keyWarning('not-available-yet', `${what} is not available yet`, remedy, path);
        if (effect === 'refused') this.#refused.set(this.options.length - 1, what);
      }
    }
  }

  /** Index of the upstream that a route names, or -1 after an error. */
  resolve(name: string, path: KeyPath, inKey = false): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    if (isUpstreamUrl(name)) {
      const parsed = parseUpstreamUrl(name);
      if (parsed.ok) {
        const text = parsed.value.text;
        return this.#indices.get(text) ?? this.#add({ ...PLAIN, name: text, endpoints: [endpoint(parsed.value, 1)] });
      }
      this.#context.error('wrong-value', parsed.message, parsed.remedy, path);
    } else if (!this.#named.has(name)) {
      this.#context.unknownName('unknown-upstream', 'upstream', name, this.#named, path, inKey);
    }
    return -1;
  }

  /** Why a route to this upstream cannot run yet, or null. */
  missing(index: number): string | null {
    return this.#refused.get(index) ?? null;
  }

  #add(options: UpstreamOptions): number {
    const index = this.options.push(options) - 1;
    this.#indices.set(options.name, index);
    return index;
  }
}

function upstreamOptions(name: string, value: UpstreamValue, context: CheckContext): UpstreamOptions {
  if ('text' in value) return { ...PLAIN, name, endpoints: [endpoint(value, 1)] };
  const path = ['upstreams', name];
  const endpoints = value.targets.map((target) =>
    'url' in target ? endpoint(target.url, target.weight) : endpoint(target, 1),
  );
  if (endpoints.length === 0) {
    context.error('no-target', 'this upstream has no target', 'Add the URL of a service.', [...path, 'targets']);
  } else if (endpoints.every(({ weight }) => weight === 0)) {
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
  if (value.tls !== undefined && !endpoints.some(({ tls }) => tls)) {
    const remedy = 'Write `https:` in the URLs, or remove `tls`.';
    context.keyWarning('unused-setting', 'no target of this upstream speaks TLS', remedy, [...path, 'tls']);
  }
  const { connections, timeout } = value;
  const timeouts = typeof timeout === 'number' ? { total: timeout } : (timeout ?? {});
  return {
    name,
    series: 0,
    endpoints,
    connectTimeout: timeouts.connect ?? TIMEOUTS.connect,
    headTimeout: timeouts.head ?? TIMEOUTS.head,
    idleTimeout: timeouts.idle ?? TIMEOUTS.idle,
    totalTimeout: timeouts.total ?? TIMEOUTS.total,
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
  };
}

function endpoint({ text, ...rest }: UpstreamUrl, weight: number): Endpoint {
  return { url: text, ...rest, weight };
}

function hostHeader(given: string): UpstreamOptions['hostHeader'] {
  if (given === 'preserve') return { kind: 'preserve' };
  return given === 'target' ? { kind: 'endpoint' } : { kind: 'fixed', value: given };
}

export function clientTlsOf(
  value: NonNullable<UpstreamObject['tls']>,
  path: KeyPath,
  context: CheckContext,
): UpstreamTls {
  const read = (key: 'ca' | 'certificate' | 'key'): string | null => {
    const given = value[key];
    return given === undefined ? null : readPem(given, [...path, key], context);
  };
  const [ca, certificate, key] = [read('ca'), read('certificate'), read('key')];
  if ((certificate === null) !== (key === null)) {
    const message = 'a client certificate and its key belong together';
    context.error('incomplete-tls', message, `Add \`${certificate === null ? 'certificate' : 'key'}\`.`, path);
  } else if (certificate !== null && key !== null) {
    checkPair(certificate, key, path, context);
  }
  if (!value.verify) {
    const remedy = 'Name the authority in `ca` instead.';
    context.keyWarning('unverified-tls', 'the certificate of this service is not checked', remedy, [...path, 'verify']);
  }
  return { verify: value.verify, ca, certificate, key, serverName: value.serverName ?? null };
}
