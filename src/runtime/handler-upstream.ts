import type { UnderlyingDefaultSource } from 'node:stream/web';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { BufferedBody } from '../plan/buffered-body.ts';
import { type BodySource, type Chunk, type ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { type HandlerUpstream, UpstreamError } from '../plan/handler.ts';
import { framingFields } from '../plan/header-edits.ts';
import type { Upstream } from '../plan/upstream.ts';
import { copyOf, StreamedSource } from './handler-body.ts';

/** Bytes of a response that may wait for a handler before its upstream is paused. */
const READ_AHEAD = 64 * 1024;

/** What frames a message or belongs to one connection; the pool writes its own (RFC 9110, 7.6.1). */
export const connectionFields: ReadonlySet<string> = new Set([...framingFields, 'host']);

/** Calls of one handler run: they end with it, whoever still reads them. */
export class OpenCalls {
  readonly #calls = new Set<FetchCall>();
  ended = false;

  add(call: FetchCall): void {
    this.#calls.add(call);
  }

  delete(call: FetchCall): void {
    this.#calls.delete(call);
  }

  end(): void {
    this.ended = true;
    for (const call of this.#calls) call.abort(endOfRequest());
    this.#calls.clear();
  }
}

function endOfRequest(): DOMException {
  return new DOMException('The request has ended.', 'AbortError');
}

export class FetchableUpstream implements HandlerUpstream {
  readonly #upstream: Upstream;
  readonly #exchange: Exchange;
  readonly #open: OpenCalls;
  readonly #signal: AbortSignal;

  constructor(upstream: Upstream, exchange: Exchange, open: OpenCalls, signal: AbortSignal) {
    this.#upstream = upstream;
    this.#exchange = exchange;
    this.#open = open;
    this.#signal = signal;
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    this.#signal.throwIfAborted();
    if (this.#open.ended) throw endOfRequest();
    const request = requestOf(input, init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : null);
    signal?.throwIfAborted();
    const headers = new HeaderBlock();
    for (const [name, value] of request.headers) {
      if (!connectionFields.has(name)) headers.add(fieldName(name), value);
    }
    const url = new URL(request.url);
    const call = new UpstreamCall(
      request.method,
      url.pathname + url.search,
      this.#exchange.host,
      headers,
      bodyOf(request, init),
      this.#exchange,
    );
    const fetching = new FetchCall(call, this.#open);
    if (signal !== null && signal !== this.#signal) {
      signal.addEventListener('abort', () => fetching.abort(signal.reason), { once: true });
    }
    this.#upstream.dispatch(call, fetching);
    return fetching.response;
  }
}

function requestOf(input: string | URL | Request, init: RequestInit | undefined): Request {
  // A stream as body has to be told so, which every caller would forget (https://fetch.spec.whatwg.org/#dom-requestinit-duplex).
  const options = { ...init, signal: null, duplex: 'half' } as RequestInit;
  if (input instanceof Request) return new Request(input, options);
  if (typeof input !== 'string') return new Request(input, options);
  if (!input.startsWith('/'))
    throw new TypeError(`an upstream is asked for a path such as \`/v1/orders\`, not \`${input}\``);
  return new Request(`http://upstream${input}`, options);
}

function bodyOf(request: Request, init: RequestInit | undefined): BodySource | null {
  if (request.body === null) return null;
  const given = init?.body;
  // What is here as a whole can be sent again after a lost connection, and has a length.
  if (typeof given === 'string' || given instanceof URLSearchParams) return whole(Buffer.from(String(given)));
  if (given instanceof ArrayBuffer) return whole(Buffer.from(given));
  if (ArrayBuffer.isView(given)) return whole(Buffer.from(given.buffer, given.byteOffset, given.byteLength));
  return new StreamedSource(request.body, declaredLength(request.headers));
}

function whole(bytes: Buffer): BodySource | null {
  return bytes.length === 0 ? null : new BufferedBody(bytes);
}

/** Content-Length as a number, or -1. */
export function declaredLength(headers: Headers): number {
  const text = headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : -1;
}

/** Statuses with which `Response` takes no body (https://fetch.spec.whatwg.org/#null-body-status). */
function isBodyless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** One call as a promise of a response: the sink of its answer, and the source of the response's stream. */
class FetchCall implements Sink, UnderlyingDefaultSource<Uint8Array> {
  readonly takesFramed = false;
  readonly response: Promise<Response>;
  readonly #call: UpstreamCall;
  readonly #open: OpenCalls;
  #resolve: (response: Response) => void = ignore;
  #reject: (reason: unknown) => void = ignore;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #paused = false;
  #ended = false;

  constructor(call: UpstreamCall, open: OpenCalls) {
    this.#call = call;
    this.#open = open;
    open.add(this);
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Nobody wants the answer any more. */
  abort(reason: unknown): void {
    if (!this.#finish()) return;
    this.#call.cancel();
    this.#reject(reason);
    this.#controller?.error(reason);
  }

  informational(): void {}

  head(head: ResponseHead): void {
    const headers = new Headers();
    head.headers.forEach((name, value) => {
      headers.append(name, value);
    });
    const isEmpty = head.framing === 'none' || isBodyless(head.status);
    try {
      const stream = isEmpty
        ? null
        : new ReadableStream<Uint8Array>(this, new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD }));
      this.#resolve(new Response(stream, { status: head.status, headers }));
    } catch {
      // A status outside what `Response` can say.
      this.abort(new UpstreamError(errors.upstreamMalformed));
    }
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#call.resume();
  }

  cancel(): void {
    if (this.#finish()) this.#call.cancel();
  }

  data(chunk: Chunk): boolean {
    const controller = this.#controller;
    if (controller === null || this.#ended) return true;
    controller.enqueue(copyOf(chunk));
    this.#paused = (controller.desiredSize ?? 0) <= 0;
    return !this.#paused;
  }

  end(): void {
    if (this.#finish()) this.#controller?.close();
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    // Nobody asked for one.
    tunnel.destroy();
    this.fail(errors.upstreamMalformed);
  }

  fail(error: GatewayError): void {
    if (!this.#finish()) return;
    const reason = new UpstreamError(error);
    this.#reject(reason);
    this.#controller?.error(reason);
  }

  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#open.delete(this);
    return true;
  }
}

function ignore(): void {}
