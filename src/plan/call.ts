import type { GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { Exchange } from './exchange.ts';
import type { Endpoint, EndpointGuard } from './upstream.ts';

/**
 * The narrow waist of the data plane: bodies, upstream calls and what receives their answers. HTTP/1 and HTTP/2 stand
 * behind these on both sides, and so do caches, fallbacks and handlers.
 */

/** A piece of a body. One object per reader, reused: whoever keeps bytes copies them before returning. */
export class Chunk {
  bytes: Buffer;
  start = 0;
  end = 0;
  /** The bytes stay untouched after a `false` answer until the reader is resumed; otherwise only during the call. */
  stable = false;
  /** The bytes are verbatim, validated HTTP/1.1 chunked framing without the last chunk: only for takers that ask for it. */
  framed = false;
  /** Body bytes in it, framing excluded. */
  payload = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** All of some bytes, for a body that is made here. */
  static whole(bytes: Buffer, stable: boolean): Chunk {
    const chunk = new Chunk(bytes);
    chunk.end = chunk.payload = bytes.length;
    chunk.stable = stable;
    return chunk;
  }
}

/** Receives a request body. */
export interface BodySink {
  /** True when it accepts `framed` chunks. */
  readonly takesFramed: boolean;
  /** True when an upstream decides on `Expect: 100-continue`; otherwise the source tells the client to go on. */
  readonly passesContinue: boolean;
  /** False: stop until `BodySource.resume`. */
  data(chunk: Chunk): boolean;
  end(trailers: HeaderBlock | null): void;
  /** The body will not be completed: the client went away, was too slow, or sent malformed framing. */
  abort(error: GatewayError): void;
}

/** A request body that is read on demand. */
export interface BodySource {
  /** Bytes by Content-Length, or -1 when unknown before its end. Never 0: an absent body is a null source. */
  readonly size: number;
  /** `start` may be called again from the beginning, e.g. for a retry. */
  readonly replayable: boolean;
  /** True once body bytes were handed out: then the call can no longer be repeated unless replayable. */
  readonly started: boolean;
  start(sink: BodySink): void;
  resume(): void;
  /** Nobody wants the rest. */
  cancel(): void;
}

/** How the end of an upstream's response body is known. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

export class ResponseHead {
  status: number;
  headers: HeaderBlock;
  framing: Framing;
  /** Bytes when `framing` is `length`; -1 otherwise. */
  contentLength: number;

  constructor(status: number, headers: HeaderBlock, framing: Framing, contentLength: number) {
    this.status = status;
    this.headers = headers;
    this.framing = framing;
    this.contentLength = contentLength;
  }
}

/** One end of an upgraded connection (RFC 9110, 7.8): bytes both ways until both sides have ended, or one is gone. */
export interface Tunnel {
  /** Begins to read: what arrives, with what had arrived already, goes to `peer`. */
  start(peer: Tunnel): void;
  /** False: wait for `resume`. */
  write(chunk: Chunk): boolean;
  /** The peer takes data again. */
  resume(): void;
  end(): void;
  destroy(): void;
}

/** Receives the answer of a call, in this order: informational*, then head data* end | upgrade | fail; fail at any time. */
export interface Sink {
  readonly takesFramed: boolean;
  informational(head: ResponseHead): void;
  head(head: ResponseHead): void;
  /** False: wait until `UpstreamCall.resume`. */
  data(chunk: Chunk): boolean;
  end(trailers: HeaderBlock | null): void;
  upgrade(head: ResponseHead, tunnel: Tunnel): void;
  /** After `head`, it means that the body stays incomplete. */
  fail(error: GatewayError): void;
}

/** What carries a call out at the moment: a pool's waiting line, a connection, a layer. */
export interface CallRunner {
  resumeCall(call: UpstreamCall): void;
  cancelCall(call: UpstreamCall): void;
}

/** One attempt to get an answer. Apart from the exchange, so that retries, hedges, mirrors and compositions make several. */
export class UpstreamCall {
  method: string;
  /** Origin-form: path and query as the upstream gets them. */
  target: string;
  /** What `Host` says to the upstream. */
  authority: string;
  headers: HeaderBlock;
  body: BodySource | null;
  exchange: Exchange | null;
  /** The client asked for this upgrade protocol (`websocket`), or null. */
  upgrade: string | null;
  /** The client waits for 100 (Continue) before it sends the body. */
  expectContinue = false;
  takesTrailers = false;
  runner: CallRunner | null = null;
  /** Endpoints that it should meet again only when there is no other. */
  avoided: Endpoint[] | null = null;
  /** Has a say in which endpoint it goes to, and hears what came of it. A layer sets it on the call that it passes on. */
  guard: EndpointGuard | null = null;
  /** Milliseconds of `wheel.now` after which nobody waits for the answer; Infinity: there is no such time. */
  deadline = Number.POSITIVE_INFINITY;
  /** Its answer is for others too: for how long its client waits is no bound on it. */
  isForOthers = false;
  /** Something outside would rather have a stored response past its time than a failure. */
  acceptsStale = false;
  /** The answer is a stored one past its time, given because the upstream failed. */
  servedStale = false;
  #endpoint: Endpoint | null = null;
  #timedOut = false;
  /** The one that it is `again`. */
  #outer: UpstreamCall | null = null;

  constructor(
    method: string,
    target: string,
    authority: string,
    headers: HeaderBlock,
    body: BodySource | null,
    exchange: Exchange | null,
  ) {
    this.method = method;
    this.target = target;
    this.authority = authority;
    this.headers = headers;
    this.body = body;
    this.exchange = exchange;
    this.upgrade = null;
  }

  /** The endpoint that was last chosen for it, or for the one that stands in its place. */
  get endpoint(): Endpoint | null {
    return this.#endpoint;
  }

  set endpoint(chosen: Endpoint | null) {
    this.#endpoint = chosen;
    if (this.#outer !== null) this.#outer.endpoint = chosen;
  }

  /** Set before `cancel` by whoever gives up because the answer took too long: the endpoint is to blame, not the caller. */
  get timedOut(): boolean {
    return this.#timedOut || (this.#outer?.timedOut ?? false);
  }

  set timedOut(value: boolean) {
    this.#timedOut = value;
  }

  /** The same call, for a layer that stands between: this one's runner is then the layer. */
  again(): UpstreamCall {
    const call = new UpstreamCall(this.method, this.target, this.authority, this.headers, this.body, this.exchange);
    call.upgrade = this.upgrade;
    call.expectContinue = this.expectContinue;
    call.takesTrailers = this.takesTrailers;
    call.deadline = this.deadline;
    call.isForOthers = this.isForOthers;
    call.avoided = this.avoided;
    call.guard = this.guard;
    call.#outer = this;
    return call;
  }

  /** The sink can take data again. */
  resume(): void {
    this.runner?.resumeCall(this);
  }

  /** Nobody wants the answer any more; the sink hears nothing further. */
  cancel(): void {
    this.runner?.cancelCall(this);
  }
}

export type Dispatch = (call: UpstreamCall, sink: Sink) => void;
