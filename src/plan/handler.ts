import type { GatewayError } from '../base/gateway-error.ts';
import type { Identity } from './exchange.ts';

/**
 * Targets written by users: a function from a `Request` to a `Response`, both as browsers know them, with the gateway's
 * upstreams at hand. Bodies stream both ways; what is thrown is answered with 500 and logged.
 */
export type Handler = (request: Request, context: HandlerContext) => Response | Promise<Response>;

export interface HandlerContext {
  /** What the gateway knows about this request; it stays true after its end. */
  readonly exchange: ExchangeFacts;
  /** Aborted when nobody waits for the answer any more: the client went away, or a time limit passed. */
  readonly signal: AbortSignal;
  /** An upstream of the configuration. Throws when there is none of that name. */
  upstream(name: string): HandlerUpstream;
}

export interface ExchangeFacts {
  /** The id that logs, services and clients know the request by. */
  readonly id: string;
  /** The normalised path, without the query. */
  readonly path: string;
  /** Values of the route's path parameters, decoded; `rest` for a trailing wildcard. */
  readonly parameters: Readonly<Record<string, string>>;
  /** As far as trusted proxies vouch for it; empty when unknown. */
  readonly clientAddress: string;
  /** Null on a public route. */
  readonly identity: Identity | null;
  readonly route: { readonly name: string; readonly gateway: string; readonly pattern: string };
}

export interface HandlerUpstream {
  /**
   * Asks this upstream, through the pool and the resilience that its routes have. `input` is a path with its query, or
   * a request whose method, headers and body are passed on with its path. Nothing is added to the headers.
   *
   * A response that is not read holds its connection until the handler's own answer has ended.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
}

/** Why an upstream gave no answer. A handler that lets it through answers with its status: 502, 503 or 504. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly error: GatewayError;

  constructor(error: GatewayError) {
    super(error.title);
    this.error = error;
  }

  /** Stable, such as `upstream_connect_failed`. */
  get code(): string {
    return this.error.code;
  }
}

/** Gives a handler its types. */
export function defineHandler(handler: Handler): Handler {
  return handler;
}
