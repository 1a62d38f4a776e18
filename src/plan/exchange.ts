import type { GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { BodySource, ResponseHead, UpstreamCall } from './call.ts';
import type { Authentication } from './identifier.ts';
import type { Route } from './plan.ts';
import { NORMAL, type Priority } from './priority.ts';

/** Who calls, once the identify phase knows. Policies after it read this and nothing about credentials. */
export interface Identity {
  readonly id: string;
  /** The entry of `auth` that vouched for it. */
  readonly method: string;
  readonly consumer: string | null;
  readonly plan: string | null;
  readonly scopes: readonly string[];
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A client's certificate, which the listener's own authorities vouch for. Read when somebody asks. */
export interface PeerCertificate {
  /** Distinguished name, the most specific part first (RFC 4514): `CN=orders,OU=shop,O=Example`. */
  readonly subject: string;
  /** Null when there is none, or more than one. */
  readonly commonName: string | null;
  /** Entries of subjectAltName by their kinds. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  /** SHA-256 of it all, in lower-case hexadecimal. */
  readonly fingerprint: string;
  /** In lower-case hexadecimal. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER, in base64. */
  readonly encoded: string;
}

/** What is true for all exchanges of one client connection. */
export interface Peer {
  /** Textual address of the other end; with PROXY protocol, what the balancer said. Empty for Unix sockets. */
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
  /** True when `trustedProxies` covers `address`. */
  trusted: boolean;
  /** The listener it came in by, as configured. */
  readonly listener: string;
  /** Null: the client showed none that is good, or the listener does not ask. */
  readonly certificate: PeerCertificate | null;
}

/** Who answered because the target failed. */
export type FallbackKind = 'stale' | 'to' | 'respond' | 'handler';

/** What the cache did for a request; `bypass`: nothing, on purpose. */
export type CacheResult = 'hit' | 'stale' | 'coalesced' | 'revalidated' | 'miss' | 'bypass';

/** A value that one policy keeps with an exchange: typed, at a fixed index, from `CompileEnv.slot`. */
export interface Slot<T> {
  get(exchange: Exchange): T | undefined;
  set(exchange: Exchange, value: T): void;
}

/**
 * One request and its response, from the first byte of the head to the last byte of the answer. One fixed shape; what
 * policies want to remember goes to slots.
 */
export class Exchange {
  readonly peer: Peer;
  /** As received: `HTTP/1.0` is 10, `HTTP/1.1` is 11, `HTTP/2` is 20. */
  version = 11;
  method = '';
  /** Request target as received. */
  target = '';
  scheme: 'http' | 'https' = 'http';
  /** Authority of the request as it was sent, with a port if one was: compare it without regard to case. */
  host = '';
  /** Normalised once; the only path that policies and the upstream see. */
  path = '';
  /** Without the question mark; empty when absent. */
  query = '';
  headers: HeaderBlock;
  body: BodySource | null = null;
  /** Values of the route's path parameters in the order of `Route.parameters`, still percent-encoded. */
  parameters: readonly string[] = [];
  /** Address of the client as far as trusted proxies vouch for it. */
  clientAddress = '';
  /** Empty until a policy (`requestId`) or a problem response needs one. */
  id = '';
  route: Route;
  identity: Identity | null = null;
  /** What goes first where not everything can go. */
  priority: Priority = NORMAL;
  /** How callers identify here; null before the identify phase, and where nobody has to. */
  authentication: Authentication | null = null;
  /** Path (and query) for the upstream when a rewrite changed it, else null: then `path` and `query` go. */
  upstreamTarget: string | null = null;
  /** The call that the target answers, while there is one. */
  call: UpstreamCall | null = null;
  /** The response once its head is on its way; status 0 before. */
  status = 0;
  response: ResponseHead | null = null;
  error: GatewayError | null = null;
  /** Name and address of the upstream that was last asked, for logs and metrics. */
  upstream: string | null = null;
  upstreamAddress: string | null = null;
  /** Index of the upstream's series in the metrics segment; -1 when none was asked. */
  upstreamSeries = -1;
  attempts = 0;
  /** Body bytes, framing excluded. */
  requestBytes = 0;
  responseBytes = 0;
  /** Milliseconds of the monotonic clock (`performance.now()`); 0: has not happened. */
  startedAt = 0;
  upstreamStartedAt = 0;
  upstreamHeadAt = 0;
  upstreamEndedAt = 0;
  endedAt = 0;
  /** Somebody may look at it after its end (a pending promise, a handler): its header memory is then not used again. */
  retained = false;
  /** Protocol of a requested upgrade (`websocket`), or null. */
  upgrade: string | null = null;
  /** The client waits for 100 (Continue) before it sends the body. */
  expectContinue = false;
  /** The client takes trailers. */
  takesTrailers = false;
  /** Null: the target itself answered, or nobody. */
  fallback: FallbackKind | null = null;
  /** Null: there is no cache, or it was not asked. */
  cache: CacheResult | null = null;
  /** Set-Cookie line that binds the client to the endpoint that answered it: for this client alone; empty: none. */
  affinity = '';
  /** The cache's member of Cache-Status (RFC 9211); empty: none. */
  cacheStatus = '';
  /** Whole seconds after which the target may be asked again, of one that is not asked now (`circuitOpen`); 0: unknown. */
  retryAfter = 0;
  /** `report: true` policies count what they would have refused. */
  reported = 0;
  /** Policies' values, by slot index; null until one is set. */
  slots: unknown[] | null = null;

  constructor(peer: Peer, headers: HeaderBlock, route: Route) {
    this.peer = peer;
    this.headers = headers;
    this.route = route;
  }
}
