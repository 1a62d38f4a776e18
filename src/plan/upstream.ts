import type { Dispatch } from './call.ts';

/** One place to connect to. `host` is a name or an address; a Unix socket has `path` instead. */
export interface Endpoint {
  readonly url: string;
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string | null;
  /** Prefix put before every request path; empty or `/like/this`. */
  readonly basePath: string;
  readonly weight: number;
}

/** Resolved settings of an upstream: milliseconds, bytes, counts. Equal options share one pool across reloads. */
export interface UpstreamOptions {
  readonly name: string;
  /** Index of its series in the metrics segment. */
  readonly series: number;
  readonly endpoints: readonly Endpoint[];
  readonly connectTimeout: number;
  /** Until the final response head. */
  readonly headTimeout: number;
  /** Longest pause inside a response body. */
  readonly idleTimeout: number;
  /** Whole call; 0: no bound. */
  readonly totalTimeout: number;
  /** Per worker and endpoint. */
  readonly maxConnections: number;
  /** Calls that may wait for a connection, per worker; past it 503. */
  readonly maxPending: number;
  readonly pendingTimeout: number;
  readonly keepAliveTimeout: number;
  readonly maxConnectionAge: number;
  readonly maxRequestsPerConnection: number;
  /** What `Host` says: the client's, the endpoint's, or this text. */
  readonly hostHeader:
    | { readonly kind: 'preserve' }
    | { readonly kind: 'endpoint' }
    | { readonly kind: 'fixed'; readonly value: string };
  readonly tls: UpstreamTls | null;
  /** PROXY protocol version spoken to the endpoint; 0: none. */
  readonly proxyProtocol: 0 | 1 | 2;
  /** Tunnels after 101 (WebSocket and others) are allowed. */
  readonly upgrade: boolean;
  /** Largest response head in bytes. */
  readonly maxHead: number;
}

export interface UpstreamTls {
  readonly verify: boolean;
  /** PEM texts. */
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
  /** SNI and verified name; null: the endpoint's host. */
  readonly serverName: string | null;
}

/** An upstream as compiled routes and handlers see it. */
export interface Upstream {
  readonly options: UpstreamOptions;
  readonly dispatch: Dispatch;
  close(): void;
}
