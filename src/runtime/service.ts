import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../base/headers.ts';
import { Deadline } from '../base/timers.ts';
import { BufferedBody } from '../plan/buffered-body.ts';
import { type BodySource, type Chunk, type ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../plan/call.ts';
import {
  type Service,
  type ServiceAnswer,
  ServiceError,
  type ServiceOptions,
  type ServiceRequest,
} from '../plan/service.ts';
import type { Endpoint, UpstreamOptions } from '../plan/upstream.ts';
import { UpstreamPool } from './pool.ts';
import type { UpstreamMeter } from './pool-ports.ts';
import { Collector } from './takers.ts';

/** Per worker: a service that is this far behind only gets slower with more. */
const MAX_CONNECTIONS = 256;
const MAX_PENDING = 1_024;
/** Most servers keep a connection for 5 s or longer: it ends here first, so that no request meets its end. */
const KEEP_ALIVE_MS = 4_000;
const MAX_CONNECTION_AGE_MS = 600_000;
const MAX_HEAD = 32_768;

const contentLength = fieldName('content-length');

/** Calls to these services are part of a request's own time, and no upstream's. */
const uncounted: UpstreamMeter = {
  callStarted: ignore,
  callEnded: ignore,
  callRetried: ignore,
  upstreamError: ignore,
  upstreamConnectionOpened: ignore,
  upstreamConnectionClosed: ignore,
};

function ignore(): void {}

/** A pool of its own for one service, and every answer whole, within its time and its size, or not at all. */
export class PooledService implements Service {
  readonly #options: ServiceOptions;
  readonly #origin: string;
  readonly #pool: UpstreamPool;
  readonly #open = new Set<Asking>();
  #closed = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const upstream = upstreamOptions(options);
    this.#origin = upstream.name;
    this.#pool = new UpstreamPool(upstream, uncounted);
  }

  ask(request: ServiceRequest): Promise<ServiceAnswer> {
    return new Promise((resolve, reject) => {
      const asking = new Asking(callOf(request), this.#options.maxBody, this.#origin, {
        answered: (answer) => {
          this.#open.delete(asking);
          resolve(answer);
        },
        failed: (error) => {
          this.#open.delete(asking);
          reject(error);
        },
      });
      if (this.#closed) {
        asking.giveUp('reset', 'is not asked any more');
        return;
      }
      this.#open.add(asking);
      asking.start(this.#options.timeout);
      this.#pool.dispatch(asking.call, asking);
    });
  }

  /** Whoever still waits is told so: nothing goes on in the background. */
  close(): void {
    this.#closed = true;
    for (const asking of this.#open) asking.giveUp('reset', 'is not asked any more');
    this.#pool.close();
  }
}

function callOf({ method, target, headers, body }: ServiceRequest): UpstreamCall {
  let fields: HeaderBlock = headers;
  let source: BodySource | null = null;
  if (body !== null && body !== '') {
    source = new BufferedBody(Buffer.from(body));
  } else if (body === '') {
    // RFC 9110, 8.6: a method that has a use for content says that there is none.
    fields = headers.clone();
    fields.set(contentLength, '0');
  }
  return new UpstreamCall(method, target, '', fields, source, null);
}

interface AskingEvents {
  answered(answer: ServiceAnswer): void;
  failed(error: ServiceError): void;
}

/** One question on its way: the sink of its answer, and the limit on all of it. */
class Asking extends Deadline implements Sink {
  readonly takesFramed = false;
  readonly call: UpstreamCall;
  readonly #maxBody: number;
  readonly #origin: string;
  readonly #events: AskingEvents;
  readonly #body: Collector;
  #status = 0;
  #headers: HeaderBlock | null = null;
  #over = false;

  constructor(call: UpstreamCall, maxBody: number, origin: string, events: AskingEvents) {
    super();
    this.call = call;
    this.#maxBody = maxBody;
    this.#origin = origin;
    this.#events = events;
    this.#body = new Collector(maxBody);
  }

  informational(): void {}

  head(head: ResponseHead): void {
    if (head.contentLength > this.#maxBody) {
      this.#tooLarge();
      return;
    }
    this.#status = head.status;
    // The connection goes on to its next response, and the answer stays.
    this.#headers = head.headers.clone();
  }

  data(chunk: Chunk): boolean {
    if (!this.#body.add(chunk)) this.#tooLarge();
    return true;
  }

  end(): void {
    if (this.#headers === null || !this.#finish()) return;
    this.#events.answered({ status: this.#status, headers: this.#headers, body: this.#body.bytes() });
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    // Nobody asked for one.
    tunnel.destroy();
    this.giveUp('malformed', 'switched protocols');
  }

  fail(error: GatewayError): void {
    if (!this.#finish()) return;
    this.#failed(reasonOf(error), error.title.replace(/^The service /, ''));
  }

  expired(): void {
    this.giveUp('timeout', 'did not answer in time');
  }

  /** Nobody wants the answer any more: the connection that carries it ends with it. */
  giveUp(reason: ServiceError['reason'], what: string): void {
    if (!this.#finish()) return;
    this.call.cancel();
    this.#failed(reason, what);
  }

  #tooLarge(): void {
    this.giveUp('too-large', `answered with more than ${this.#maxBody} bytes`);
  }

  #failed(reason: ServiceError['reason'], what: string): void {
    this.#events.failed(new ServiceError(reason, `${this.#origin} ${what}`));
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.clear();
    return true;
  }
}

function reasonOf(error: GatewayError): ServiceError['reason'] {
  switch (error) {
    case errors.upstreamConnect:
    case errors.upstreamTls:
      return 'connect';
    case errors.upstreamConnectTimeout:
    case errors.upstreamTimeout:
      return 'timeout';
    case errors.upstreamMalformed:
      return 'malformed';
    case errors.upstreamBusy:
      return 'busy';
    default:
      return 'reset';
  }
}

function upstreamOptions({ url, timeout }: ServiceOptions): UpstreamOptions {
  const endpoint = endpointOf(url);
  return {
    name: endpoint.url,
    series: -1,
    owner: null,
    endpoints: [endpoint],
    connectTimeout: timeout,
    headTimeout: timeout,
    idleTimeout: timeout,
    // The limit on the whole begins before there is a connection: `Asking` keeps it.
    deadlineHeader: null,
    totalTimeout: 0,
    maxConnections: MAX_CONNECTIONS,
    maxPending: MAX_PENDING,
    pendingTimeout: timeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxConnectionAge: MAX_CONNECTION_AGE_MS,
    maxRequestsPerConnection: Number.MAX_SAFE_INTEGER,
    hostHeader: { kind: 'endpoint' },
    tls: null,
    proxyProtocol: 0,
    upgrade: false,
    maxHead: MAX_HEAD,
    balance: null,
    ejection: null,
    affinity: null,
  };
}

function endpointOf(text: string): Endpoint {
  const url = new URL(text);
  const tls = url.protocol === 'https:';
  return {
    // Credentials of a URL are in neither its origin nor a log.
    url: url.origin,
    tls,
    host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    address: null,
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    path: null,
    basePath: '',
    weight: 1,
    priority: 0,
  };
}
