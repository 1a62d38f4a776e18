import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { newRequestId } from '../base/request-id.ts';
import { Deadline } from '../base/timers.ts';
import { type CallRunner, type Dispatch, ResponseHead, type Sink, type UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import {
  type ExchangeFacts,
  type Handler,
  type HandlerContext,
  type HandlerUpstream,
  UpstreamError,
} from '../plan/handler.ts';
import type { Upstream } from '../plan/upstream.ts';
import { decodeBytes, fromWire } from '../semantics/percent.ts';
import { RequestStream, StreamPump } from './handler-body.ts';
import { connectionFields, declaredLength, FetchableUpstream, OpenCalls } from './handler-upstream.ts';
import { dateValue } from './reply.ts';

/** Runs users' handlers as the end of a dispatch chain: they see web requests and responses, and the chain sees a sink. */
export interface HandlerOptions {
  /** Milliseconds until the response has begun; 0: no limit. */
  readonly timeout: number;
  /** Finds an upstream of the handler's plan. */
  upstream(name: string): Upstream | null;
  /** The handler threw, or answered with something that is no response: to be counted and logged. */
  failed(error: unknown, exchange: Exchange): void;
}

export function handlerDispatch(handler: Handler, options: HandlerOptions): Dispatch {
  return (call, sink) => {
    const { exchange } = call;
    // A call of nobody's request (a refresh in the background) has no facts to show.
    if (exchange === null) sink.fail(errors.internal);
    else new HandlerRun(options, call, sink, exchange).run(handler);
  };
}

const date = fieldName('date');
const contentLength = fieldName('content-length');
/** Methods that `Request` refuses to be made with (https://fetch.spec.whatwg.org/#forbidden-method). */
const UNSAID = new Set(['CONNECT', 'TRACE', 'TRACK']);

class HandlerRun extends Deadline implements CallRunner {
  readonly #options: HandlerOptions;
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  readonly #exchange: Exchange;
  readonly #controller = new AbortController();
  readonly #open = new OpenCalls();
  #body: RequestStream | null = null;
  #pump: StreamPump | null = null;
  #ended = false;

  constructor(options: HandlerOptions, call: UpstreamCall, sink: Sink, exchange: Exchange) {
    super();
    this.#options = options;
    this.#call = call;
    this.#sink = sink;
    this.#exchange = exchange;
  }

  run(handler: Handler): void {
    const { method } = this.#call;
    if (UNSAID.has(method)) {
      this.#sink.fail(errors.methodNotAllowed);
      return;
    }
    const url = URL.parse(`${this.#exchange.scheme}://${this.#call.authority || 'localhost'}${this.#call.target}`);
    if (url === null) {
      this.#sink.fail(errors.malformedRequest);
      return;
    }
    this.#call.runner = this;
    if (this.#options.timeout > 0) this.start(this.#options.timeout);
    try {
      const answer = handler(this.#request(url), this.#context());
      if (answer instanceof Response) this.#respond(answer);
      else {
        Promise.resolve(answer).then(
          (response) => this.#respond(response),
          (error: unknown) => this.#threw(error),
        );
      }
    } catch (error) {
      this.#threw(error);
    }
  }

  #request(url: URL): Request {
    const { method, body, headers: fields } = this.#call;
    const headers = new Headers();
    fields.forEach((name, value) => {
      headers.append(name, value);
    });
    // RFC 9110, 9.3.1: content in GET has no meaning, and `Request` has no place for it.
    this.#body = body === null || method === 'GET' || method === 'HEAD' ? null : new RequestStream(body);
    const stream = this.#body?.stream ?? null;
    const init = { method, headers, body: stream, duplex: 'half', signal: this.#controller.signal };
    return new Request(url, init as RequestInit);
  }

  #context(): HandlerContext {
    const { signal } = this.#controller;
    return {
      exchange: factsOf(this.#exchange),
      signal,
      upstream: (name): HandlerUpstream => {
        const upstream = this.#options.upstream(name);
        if (upstream === null) throw new TypeError(`there is no upstream \`${name}\``);
        return new FetchableUpstream(upstream, this.#exchange, this.#open, signal);
      },
    };
  }

  #respond(response: unknown): void {
    this.clear();
    if (this.#ended) {
      if (response instanceof Response) void response.body?.cancel().catch(ignore);
      return;
    }
    if (!(response instanceof Response) || response.status < 200) {
      this.#threw(new TypeError('a handler answers with a Response'));
      return;
    }
    const { status, body } = response;
    const isEmpty = body === null || status === 204 || status === 304 || this.#call.method === 'HEAD';
    const length = declaredLength(response.headers);
    try {
      const headers = headersOf(response.headers);
      // RFC 9110, 8.6: a length may stand where there is no content only if it says what there would have been.
      if (body === null && status !== 204 && status !== 304 && this.#call.method !== 'HEAD')
        headers.set(contentLength, '0');
      else if (length >= 0 && status !== 204) headers.set(contentLength, String(length));
      const hasLength = !isEmpty && length >= 0;
      const framing = isEmpty ? 'none' : hasLength ? 'length' : 'chunked';
      this.#sink.head(new ResponseHead(status, headers, framing, hasLength ? length : -1));
      if (this.#ended) return;
      if (isEmpty) {
        if (body !== null) void body.cancel().catch(ignore);
        this.#finish();
        this.#sink.end(null);
        return;
      }
      this.#pump = new StreamPump(body, length, {
        data: (chunk) => this.#sink.data(chunk),
        end: () => {
          this.#finish();
          this.#sink.end(null);
        },
        fail: (error) => this.#threw(error),
      });
    } catch (error) {
      this.#threw(error);
    }
  }

  #threw(error: unknown): void {
    if (this.#ended) return;
    if (error instanceof UpstreamError) {
      this.#fail(error.error);
      return;
    }
    this.#options.failed(error, this.#exchange);
    this.#fail(errors.internal);
  }

  #fail(error: GatewayError): void {
    this.#finish();
    this.#controller.abort();
    this.#sink.fail(error);
  }

  override expired(): void {
    if (this.#ended) return;
    this.#fail(errors.handlerTimeout);
  }

  resumeCall(): void {
    this.#pump?.resume();
  }

  cancelCall(): void {
    if (this.#ended) return;
    this.#finish();
    this.#controller.abort();
    this.#pump?.cancel();
  }

  /** Over: what the handler still has open is closed. */
  #finish(): void {
    this.#ended = true;
    this.clear();
    this.#call.runner = null;
    this.#body?.abort();
    this.#open.end();
  }
}

function factsOf(exchange: Exchange): ExchangeFacts {
  const { route, parameters } = exchange;
  if (exchange.id === '') exchange.id = newRequestId();
  return {
    id: exchange.id,
    path: exchange.path,
    parameters: Object.fromEntries(
      route.parameters.map((name, index) => [name, fromWire(decodeBytes(parameters[index] ?? ''))]),
    ),
    clientAddress: exchange.clientAddress,
    identity: exchange.identity,
    route: { name: route.name, gateway: route.gateway, pattern: route.pattern },
  };
}

function headersOf(headers: Headers): HeaderBlock {
  const block = new HeaderBlock();
  for (const [name, value] of headers) {
    if (!connectionFields.has(name)) block.add(fieldName(name), value);
  }
  if (!block.has(date)) block.add(date, dateValue());
  return block;
}

function ignore(): void {}
