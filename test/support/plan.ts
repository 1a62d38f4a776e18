import { errors } from '../../src/base/gateway-error.ts';
import type { Dispatch } from '../../src/plan/call.ts';
import { HostTable } from '../../src/plan/host-table.ts';
import type { ConnectionLimits, ListenerPlan, Plan, Route } from '../../src/plan/plan.ts';
import type { RouteTree } from '../../src/plan/route-tree.ts';
import type { Endpoint, UpstreamOptions } from '../../src/plan/upstream.ts';
import { AddressSet, parseNetwork } from '../../src/semantics/cidr.ts';

/** Plans made by hand, for tests of the runtime that want no configuration in between. */

export function handRoute(overrides: Partial<Route> & { dispatch: Dispatch }): Route {
  return {
    series: 0,
    name: 'test',
    gateway: 'default',
    pattern: '/*',
    parameters: [],
    request: null,
    requestBody: null,
    response: null,
    responseBody: null,
    done: null,
    answersPreflight: false,
    errorPages: null,
    maxBody: -1,
    allowEncodedSlashes: false,
    ...overrides,
  };
}

export const generousLimits: ConnectionLimits = {
  maxHead: 32_768,
  maxTarget: 8_192,
  maxFields: 100,
  headTimeout: 10_000,
  bodyTimeout: 30_000,
  idleTimeout: 60_000,
  writeTimeout: 60_000,
  halfCloseTimeout: 1_000,
  maxRequestsPerConnection: 1_000_000_000,
  maxConnections: 100_000,
  maxConnectionsPerAddress: 0,
  minUploadRate: 0,
};

export function handPlan(options: {
  address: string;
  routes: Record<string, Route>;
  limits?: Partial<ConnectionLimits>;
  overrides?: Partial<Plan>;
}): Plan {
  // Only prefixes: what these tests need of a route look-up.
  const prefixes = Object.entries(options.routes).map(([pattern, route]) => ({
    prefix: pattern.replace(/\*$/, ''),
    route,
  }));
  const tree = {
    find: (_method: string, path: string) => prefixes.find(({ prefix }) => path.startsWith(prefix))?.route ?? null,
    allow: () => null,
  } as unknown as RouteTree;
  const unmatched = handRoute({ name: 'unmatched', dispatch: (_call, sink) => sink.fail(errors.routeNotFound) });
  return {
    version: 1,
    hosts: new HostTable(new Map(), new Map(), { name: 'default', tree, unmatched }),
    limits: { ...generousLimits, ...options.limits },
    forwarding: { source: 'either', xForwarded: true, forwarded: false },
    trustedProxies: new AddressSet([]),
    identityFields: null,
    listeners: [handListener(options.address)],
    release: () => undefined,
    ...options.overrides,
  };
}

export function handListener(address: string, overrides: Partial<ListenerPlan> = {}): ListenerPlan {
  const [host, port] = address.startsWith('unix:') ? [null, 0] : splitAddress(address);
  const path = host === null ? address.slice('unix:'.length) : null;
  return { address, host, port, path, tls: null, proxyProtocol: false, ...overrides };
}

function splitAddress(address: string): [string, number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}

export function handUpstream(urls: readonly string[], overrides: Partial<UpstreamOptions> = {}): UpstreamOptions {
  return {
    name: 'upstream',
    series: 0,
    owner: null,
    endpoints: urls.map(endpointOf),
    connectTimeout: 2_000,
    headTimeout: 10_000,
    idleTimeout: 30_000,
    totalTimeout: 0,
    deadlineHeader: null,
    maxConnections: 1_024,
    maxPending: 1_024,
    pendingTimeout: 1_000,
    keepAliveTimeout: 60_000,
    maxConnectionAge: 600_000,
    maxRequestsPerConnection: 1_000_000_000,
    hostHeader: { kind: 'preserve' },
    tls: null,
    proxyProtocol: 0,
    upgrade: true,
    maxHead: 65_536,
    balance: null,
    ejection: null,
    affinity: null,
    ...overrides,
  };
}

function endpointOf(text: string): Endpoint {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    return { url: text, tls: false, host: '', address: null, port: 0, path, basePath: '', weight: 1, priority: 0 };
  }
  const url = new URL(text);
  const tls = url.protocol === 'https:';
  return {
    url: text,
    tls,
    host: url.hostname,
    address: null,
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    path: null,
    basePath: url.pathname === '/' ? '' : url.pathname,
    weight: 1,
    priority: 0,
  };
}

/** `addressSet('10.0.0.0/8')` */
export function addressSet(...networks: readonly string[]): AddressSet {
  return new AddressSet(
    networks.map((text) => {
      const parsed = parseNetwork(text);
      if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`);
      return parsed.value;
    }),
  );
}
