import type { HeaderBlock } from '../base/headers.ts';
import type { LookAlikes } from '../base/look-alikes.ts';
import type { AddressSet } from '../semantics/cidr.ts';
import type { ForwardingSource } from '../semantics/forwarded.ts';
import type { Dispatch } from './call.ts';
import type { Exchange } from './exchange.ts';
import type { HostTable } from './host-table.ts';
import type { BodyNeed, RequestHook, ResponseHook } from './policy.ts';

/** Everything that a worker follows, compiled once. Absent features are null: no array, no wrapper, no promise. */
export interface Plan {
  readonly version: number;
  readonly hosts: HostTable;
  readonly limits: ConnectionLimits;
  readonly forwarding: Forwarding;
  /** Whose word about the client counts. */
  readonly trustedProxies: AddressSet;
  /** Fields that tell services who calls: no trailer of a request may be one of them. */
  readonly identityFields: LookAlikes | null;
  readonly listeners: readonly ListenerPlan[];
  /** Gives back what the plan holds (upstream pools and the like); called once, after its last exchange. */
  release(): void;
}

/** One route as a flat record that the executor walks. */
export interface Route {
  /** Index of its series in the metrics segment. */
  readonly series: number;
  /** Stable in metrics, logs and tests: given, or made of methods and pattern. */
  readonly name: string;
  readonly gateway: string;
  readonly pattern: string;
  /** Names for `Exchange.parameters`, in order; `rest` for a trailing wildcard. */
  readonly parameters: readonly string[];
  /** In phase order. */
  readonly request: readonly RequestHook[] | null;
  readonly requestBody: readonly BodyNeed[] | null;
  /** Layers folded around the target. */
  readonly dispatch: Dispatch;
  readonly response: readonly ResponseHook[] | null;
  readonly responseBody: readonly BodyNeed[] | null;
  readonly done: readonly ((exchange: Exchange) => void)[] | null;
  /** True: a CORS preflight for this route's method is its own business. */
  readonly answersPreflight: boolean;
  /** Bodies of this route's refusals by code or status, when it has its own. */
  readonly errorPages: ErrorPages | null;
  /** Largest accepted request body in bytes; -1: no limit. */
  readonly maxBody: number;
  readonly allowEncodedSlashes: boolean;
}

export type ErrorPages = ReadonlyMap<string, ErrorPage>;
export interface ErrorPage {
  readonly headers: HeaderBlock | null;
  readonly body: string | null;
}

/** What one connection may take, and how long it may wait. Milliseconds, bytes, counts. */
export interface ConnectionLimits {
  readonly maxHead: number;
  readonly maxTarget: number;
  readonly maxFields: number;
  readonly headTimeout: number;
  /** Longest pause inside a request body. */
  readonly bodyTimeout: number;
  readonly idleTimeout: number;
  /** Longest time that a client may leave response bytes untaken. */
  readonly writeTimeout: number;
  /** How long an answer is still worked on after the client ended its sending side. */
  readonly halfCloseTimeout: number;
  readonly maxRequestsPerConnection: number;
  /** Per worker. */
  readonly maxConnections: number;
  /** Of all workers; 0: no bound. */
  readonly maxConnectionsPerAddress: number;
  /** Bytes a second of a request body; 0: no bound. */
  readonly minUploadRate: number;
}

export interface Forwarding {
  /** Which fields trusted proxies write. */
  readonly source: ForwardingSource;
  /** Which fields tell the upstream about the client. */
  readonly xForwarded: boolean;
  readonly forwarded: boolean;
}

export interface ListenerPlan {
  /** As configured; the identity of a listener across reloads. */
  readonly address: string;
  /** TCP: host and port. Unix: path. */
  readonly host: string | null;
  readonly port: number;
  readonly path: string | null;
  readonly tls: ListenerTls | null;
  readonly proxyProtocol: boolean;
}

export interface ListenerTls {
  readonly certificates: readonly {
    readonly certificate: string;
    readonly key: string;
    readonly hosts: readonly string[];
  }[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly alpn: readonly string[];
  /** Null: clients are not asked for a certificate. */
  readonly clientCertificates: ClientCertificates | null;
}

export interface ClientCertificates {
  /** PEM text of the authorities that may vouch for clients. */
  readonly ca: string;
  /** The handshake fails without a good one; otherwise one that is not good counts as none. */
  readonly required: boolean;
}
