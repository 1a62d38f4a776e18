import type { GatewayError } from '../base/gateway-error.ts';
import type { TimeoutFormat } from '../semantics/timeout-field.ts';
import type { Dispatch } from './call.ts';

/** One place to connect to. `host` is a name or an address; a Unix socket has `path` instead. */
export interface Endpoint {
  readonly url: string;
  readonly tls: boolean;
  readonly host: string;
  /** Where discovery has found `host`, which goes on being its name (`Host`, TLS); null: each worker looks it up. */
  readonly address: string | null;
  readonly port: number;
  readonly path: string | null;
  /** Prefix put before every request path; empty or `/like/this`. */
  readonly basePath: string;
  readonly weight: number;
  /** Calls go to the lowest group that is well enough; 0 is the first. */
  readonly priority: number;
}

/**
 * What the main thread finds out about the endpoints of an upstream, as feeds of `UpstreamOptions.owner`. Without an
 * entry an endpoint counts as well: nobody has asked it yet.
 */
export const ENDPOINTS_FEED = 'endpoints';
/** Its one key: all endpoints, those of `UpstreamOptions.endpoints` included. */
export const ALL_ENDPOINTS = '';
export const HEALTH_FEED = 'health';
/** Under an endpoint's URL. */
export interface EndpointHealth {
  readonly isHealthy: boolean;
  /** Milliseconds since the epoch at which that began. */
  readonly since: number;
}

/** Resolved settings of an upstream: milliseconds, bytes, counts. Equal options share one pool across reloads. */
export interface UpstreamOptions {
  readonly name: string;
  /** Index of its series in the metrics segment. */
  readonly series: number;
  /** As configured; with discovery, what it finds takes their place. */
  readonly endpoints: readonly Endpoint[];
  /** Owner of its feeds; null: nobody looks for endpoints or asks for their health. */
  readonly owner: string | null;
  readonly connectTimeout: number;
  /** Until the final response head. */
  readonly headTimeout: number;
  /** Longest pause inside a response body. */
  readonly idleTimeout: number;
  /** Whole call; 0: no bound. */
  readonly totalTimeout: number;
  /** Null: the service is not told how much time there is. */
  readonly deadlineHeader: DeadlineHeader | null;
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
  /** Null: in turn, by weight. */
  readonly balance: BalanceOptions | null;
  /** Null: endpoints that fail are not left alone. */
  readonly ejection: EjectionOptions | null;
  /** Null: callers are bound to no endpoint. */
  readonly affinity: AffinityOptions | null;
}

export type BalanceMethod = 'round-robin' | 'least-request' | 'ewma' | 'hash';

/** What is hashed; `name` in lower case for a header, as it is for a cookie. */
export type HashKey =
  | { readonly kind: 'address' | 'identity' }
  | { readonly kind: 'header' | 'cookie'; readonly name: string };

export interface BalanceOptions {
  readonly method: BalanceMethod;
  /** Of `hash`; null with other methods. */
  readonly key: HashKey | null;
  /** How many times its share of what is under way an endpoint may have before `hash` passes calls on to the next. */
  readonly maxLoad: number;
  /** Over how long an endpoint that has come, or come back, grows into its weight; 0: at once. */
  readonly slowStart: number;
  /** Share of well endpoints below which all are used. */
  readonly panicThreshold: number;
}

/** One of three that is well goes on alone; of four, it does not. */
export const DEFAULT_PANIC_THRESHOLD = 0.3;

export interface EjectionOptions {
  /** Failures in a row. */
  readonly failures: number;
  readonly connect: boolean;
  readonly reset: boolean;
  readonly timeout: boolean;
  readonly malformed: boolean;
  /** That count as failures. */
  readonly statuses: readonly number[];
  readonly successRate: SuccessRateOptions | null;
  /** Times the number of ejections without `maxTime` between them. */
  readonly baseTime: number;
  readonly maxTime: number;
  /** Of an upstream's endpoints, at the same time. */
  readonly maxShare: number;
}

/** Endpoints against each other: who succeeds less often than its peers together, by `margin`, is ejected. */
export interface SuccessRateOptions {
  readonly window: number;
  readonly minimumCalls: number;
  readonly margin: number;
}

export interface AffinityOptions {
  readonly cookie: string;
  /** 0: as long as the browser's session. */
  readonly ttl: number;
  /** Null: one that this process makes up. */
  readonly secret: string | null;
}

/** For a layer that judges endpoints one by one: the pool asks it where a call may go, and tells it what came of it. */
export interface EndpointGuard {
  /** Asked last before a call goes there. True is followed by exactly one `settled`. */
  admits(endpoint: Endpoint): boolean;
  /**
   * `status` is 0 without a response head, `milliseconds` then how long it was waited for. With neither a status nor an
   * error, nothing was learned: the caller went away, or the connection was lost to a race.
   */
  settled(endpoint: Endpoint, status: number, error: GatewayError | null, milliseconds: number): void;
}

/** The field in which a service reads how long its answer is waited for. What clients write there never reaches it. */
export interface DeadlineHeader {
  readonly name: string;
  readonly format: TimeoutFormat;
  /** What a client writes there bounds its call. */
  readonly trust: boolean;
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
