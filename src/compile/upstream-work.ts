import type { UpstreamOptions, UpstreamTls } from '../plan/upstream.ts';
import type { StatusRange } from './model/upstream-health.ts';

/**
 * What the main thread does for one upstream: looks for endpoints, and asks them whether they are well. Only what it needs
 * for that, so that a change of other settings lets it go on as it is.
 */
export interface UpstreamWork extends Pick<UpstreamOptions, 'name' | 'endpoints' | 'tls' | 'proxyProtocol'> {
  readonly health: HealthCheck | null;
  readonly sources: readonly EndpointSource[];
}

/**
 * Its pools follow what is published of it. An upstream with one endpoint that nobody watches is what it is; of several
 * an operator may take one out.
 */
export function isFed({ health, sources, endpoints }: UpstreamWork): boolean {
  return health !== null || sources.length > 0 || endpoints.length > 1;
}

/** Times in milliseconds. */
export interface HealthCheck {
  readonly ask: Question;
  readonly interval: number;
  /** Share of the interval by which it may be off, either way. */
  readonly jitter: number;
  readonly timeout: number;
  readonly healthyAfter: number;
  readonly unhealthyAfter: number;
}

/** A kind of its own for each protocol: gRPC's (`grpc.health.v1`) has its place here. */
export type Question = { readonly kind: 'tcp' } | HttpQuestion;

export interface HttpQuestion {
  readonly kind: 'http';
  readonly method: string;
  /** Behind the base path of the endpoint. */
  readonly path: string;
  /** What `Host` says; null: the endpoint's. */
  readonly host: string | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly statuses: readonly StatusRange[];
  /** What the response has to contain. */
  readonly body: string | null;
}

/** Where endpoints are found. `keepFor`: how long the last ones stay once it says that there are none. */
export type EndpointSource = AddressSource | ServiceSource | FileSource | ListSource;

interface LookUp {
  readonly name: string;
  readonly tls: boolean;
  readonly basePath: string;
  /** Null: those of the system. */
  readonly servers: readonly string[] | null;
  readonly ttl: { readonly min: number; readonly max: number };
  readonly timeout: number;
  readonly keepFor: number;
}
export interface AddressSource extends LookUp {
  readonly kind: 'dns';
  readonly port: number;
  readonly family: 'any' | 'ipv4' | 'ipv6';
  readonly weight: number;
  readonly priority: number;
}
export interface ServiceSource extends LookUp {
  readonly kind: 'srv';
}
export interface FileSource {
  readonly kind: 'file';
  /** Absolute. */
  readonly file: string;
  readonly keepFor: number;
}
export interface ListSource {
  readonly kind: 'http';
  readonly url: string;
  readonly interval: number;
  readonly timeout: number;
  /** Bytes. */
  readonly maxSize: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly tls: UpstreamTls | null;
  readonly keepFor: number;
}
