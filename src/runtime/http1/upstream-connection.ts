import { performance } from 'node:perf_hooks';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { Deadline, wheel } from '../../base/timers.ts';
import {
  type BodySink,
  type CallRunner,
  Chunk,
  type Framing,
  ResponseHead,
  type Sink,
  type UpstreamCall,
} from '../../plan/call.ts';
import type { UpstreamOptions } from '../../plan/upstream.ts';
import type { PoolEndpoint } from '../pool-endpoint.ts';
import type { Transport, TransportOwner } from '../transport.ts';
import { TunnelEnd } from '../tunnel.ts';
import { ChunkedDecoder, chunkedEvent } from './chunked.ts';
import { type HeadLimits, MessageHead } from './message-head.ts';
import { parseResponseHead, parseTrailers } from './parse-head.ts';
import { requestText } from './request-text.ts';

/** Who lends the connection to calls. */
export interface ConnectionPool {
  readonly options: UpstreamOptions;
  readonly headLimits: HeadLimits;
  /** Ready for another call. */
  release(connection: UpstreamConnection): void;
  closed(connection: UpstreamConnection): void;
  /** The connection ended before any byte of a response: the pool decides between another try and a failure. */
  failedUnanswered(connection: UpstreamConnection, call: UpstreamCall, sink: Sink, error: GatewayError): void;
  /** The response goes on and on: whoever wants to learn from it must not wait for its end. */
  outlasted(connection: UpstreamConnection, call: UpstreamCall, headMilliseconds: number): void;
  callEnded(
    connection: UpstreamConnection,
    call: UpstreamCall,
    headMilliseconds: number,
    error: GatewayError | null,
  ): void;
}

const LAST_CHUNK = '0\r\n\r\n';
/** More 1xx than anybody has a use for: they are not held back for a slow client. */
const MAX_INFORMATIONAL = 32;
/** A response that goes on for longer is a stream; what becomes of it says little about how it was answered. */
const STREAM_MS = 3_000;
/** Bodies with more than this still to come get a read buffer of their own. */
const LARGE_BODY = 65_536;

/** One HTTP/1.1 connection to an endpoint: one call at a time, then back to its pool. */
export class UpstreamConnection extends Deadline implements TransportOwner, CallRunner, BodySink {
  readonly transport: Transport;
  readonly place: PoolEndpoint;
  readonly address: string;
  readonly openedAt = wheel.now;
  readonly takesFramed = true;
  readonly passesContinue = true;
  served = 0;
  /** Of the call: when it was sent, by `performance.now()`; whether anything came back; the status, 0 before the head. */
  startedAt = 0;
  answered = false;
  status = 0;
  /** The pool knows already what to think of the endpoint. */
  judged = false;
  readonly #pool: ConnectionPool;
  readonly #head = new MessageHead();
  readonly #chunk = new Chunk(Buffer.alloc(0));
  #call: UpstreamCall | null = null;
  #sink: Sink | null = null;
  #decoder: ChunkedDecoder | null = null;
  #stash: Buffer | null = null;
  #framing: Framing = 'none';
  #remaining = 0;
  #headSeen = false;
  #informational = 0;
  #requestSent = true;
  #headMilliseconds = -1;
  /** When the head of this very turn came; a response that came whole ended then too, and needs no clock of its own. */
  #headAt = 0;
  #totalAt = Number.POSITIVE_INFINITY;
  /** From when on the response is a stream. */
  #streamAt = 0;
  #paused = false;
  #switched = false;

  constructor(place: PoolEndpoint, address: string, pool: ConnectionPool, open: (owner: TransportOwner) => Transport) {
    super();
    this.place = place;
    this.address = address;
    this.#pool = pool;
    this.transport = open(this);
    this.transport.resume();
  }

  get usable(): boolean {
    return !this.transport.closed && !this.transport.socket.destroyed;
  }

  send(call: UpstreamCall, sink: Sink): void {
    const { options } = this.#pool;
    this.clear();
    this.served++;
    this.#call = call;
    this.#sink = sink;
    this.answered = false;
    this.status = 0;
    this.judged = false;
    this.#headSeen = false;
    this.#informational = 0;
    this.#paused = false;
    this.#headMilliseconds = -1;
    call.runner = this;
    const { body, exchange } = call;
    this.startedAt = performance.now();
    if (exchange !== null) {
      exchange.upstream = options.name;
      exchange.upstreamAddress = this.address;
      exchange.upstreamSeries = options.series;
      exchange.upstreamStartedAt = this.startedAt;
      exchange.attempts++;
    }
    const total = options.totalTimeout > 0 ? this.startedAt + options.totalTimeout : Number.POSITIVE_INFINITY;
    this.#totalAt = Math.min(total, call.deadline);
    this.transport.write(requestText(call, this.place.endpoint, options, this.#totalAt - this.startedAt));
    if (body === null) {
      this.#requestSent = true;
      this.#limit(options.headTimeout);
    } else {
      this.#requestSent = false;
      // A stalled client is the client connection's to time; a stalled upstream shows as a write that does not drain, or
      // as a 100 that does not come.
      this.#limit(call.expectContinue ? options.headTimeout : Number.POSITIVE_INFINITY);
      body.start(this);
    }
  }

  // The request body on its way out.

  data(chunk: Chunk): boolean {
    const { transport } = this;
    const call = this.#call;
    const body = call?.body ?? null;
    const length = chunk.end - chunk.start;
    // An empty chunk would be the last one.
    if (call === null || body === null || length === 0) return true;
    let more: boolean;
    if (body.size >= 0 || chunk.framed) {
      more = transport.writeChunk(chunk);
    } else {
      transport.write(`${length.toString(16)}\r\n`);
      more = transport.writeChunk(chunk);
      transport.write('\r\n');
    }
    if (!this.#headSeen) {
      if (!more) this.#limit(this.#pool.options.idleTimeout);
      else if (call.expectContinue) this.#limit(Number.POSITIVE_INFINITY);
    }
    return more;
  }

  end(trailers: HeaderBlock | null): void {
    const call = this.#call;
    if (call === null || this.#requestSent) return;
    if (call.body !== null && call.body.size < 0) {
      this.transport.write(trailers === null ? LAST_CHUNK : `0\r\n${trailers.serialize()}\r\n`);
    }
    this.#requestSent = true;
    if (!this.#headSeen) this.#limit(this.#pool.options.headTimeout);
  }

  abort(error: GatewayError): void {
    this.#fail(error);
  }

  // The response on its way in.

  onBytes(bytes: Buffer, length: number): void {
    if (this.#call === null) {
      // Nothing was asked: whatever this is, the next response could be mistaken for it.
      this.transport.destroy();
      return;
    }
    this.answered = true;
    const stash = this.#stash;
    if (stash === null) {
      this.#consume(bytes, 0, length);
    } else {
      this.#stash = null;
      const all = Buffer.concat([stash, bytes.subarray(0, length)]);
      this.#consume(all, 0, all.length);
    }
    this.#headAt = 0;
  }

  #consume(bytes: Buffer, from: number, end: number): void {
    const call = this.#call;
    let at = from;
    while (at < end && this.#call === call && !this.#switched) {
      if (!this.#headSeen) {
        const next = parseResponseHead(bytes, at, end, this.#head, this.#pool.headLimits);
        if (next < 0) {
          this.#fail(this.#head.error);
          return;
        }
        if (next === 0) {
          this.#stash = Buffer.from(bytes.subarray(at, end));
          return;
        }
        at = next;
        this.#responseHead(bytes, at, end);
      } else {
        at = this.#responseBody(bytes, at, end);
      }
    }
    // RFC 9112, 6.3: bytes behind a complete response belong to nothing.
    if (at < end && this.#call === null) this.transport.destroy();
  }

  #responseHead(bytes: Buffer, at: number, end: number): void {
    const head = this.#head;
    const call = this.#call as UpstreamCall;
    const sink = this.#sink as Sink;
    const { status } = head;
    if (status < 200) {
      if (status === 101) this.#switch(call, sink, bytes, at, end);
      else if (++this.#informational > MAX_INFORMATIONAL) this.#fail(errors.upstreamMalformed);
      else if (status !== 100 || call.expectContinue) {
        if (status === 100 && !this.#requestSent) this.#limit(Number.POSITIVE_INFINITY);
        sink.informational(new ResponseHead(status, head.headers, 'none', -1));
      }
      return;
    }
    this.#headSeen = true;
    this.status = status;
    const now = performance.now();
    this.#headAt = now;
    this.#headMilliseconds = now - this.startedAt;
    this.#streamAt = wheel.now + STREAM_MS;
    if (call.exchange !== null) call.exchange.upstreamHeadAt = now;
    let framing: Framing = 'close';
    if (call.method === 'HEAD' || status === 204 || status === 304) framing = 'none';
    else if (head.chunked) framing = 'chunked';
    else if (head.contentLength >= 0) framing = 'length';
    this.#framing = framing;
    this.#remaining = head.contentLength;
    this.#limit(this.#pool.options.idleTimeout);
    if (framing === 'chunked') {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset();
    } else if (framing === 'length' && head.contentLength - (end - at) > LARGE_BODY) {
      this.transport.useOwnBuffer();
    }
    sink.head(new ResponseHead(status, head.headers, framing, framing === 'length' ? head.contentLength : -1));
    if (this.#call !== call) return;
    if (framing === 'none' || (framing === 'length' && this.#remaining === 0)) this.#complete(null, at === end);
  }

  #responseBody(bytes: Buffer, at: number, end: number): number {
    const chunk = this.#chunk;
    const sink = this.#sink as Sink;
    chunk.stable = this.transport.ownsBuffer;
    chunk.framed = false;
    if (!this.#paused) this.#limit(this.#pool.options.idleTimeout);
    if (wheel.now >= this.#streamAt) this.#outlast();
    if (this.#framing !== 'chunked') {
      const take = this.#framing === 'length' ? Math.min(this.#remaining, end - at) : end - at;
      chunk.bytes = bytes;
      chunk.start = at;
      chunk.end = at + take;
      chunk.payload = take;
      this.#remaining -= take;
      if (take >= LARGE_BODY && this.#remaining !== 0) this.transport.useOwnBuffer();
      this.#deliver(sink, chunk);
      if (this.#framing === 'length' && this.#remaining === 0 && this.#sink === sink)
        this.#complete(null, at + take === end);
      return at + take;
    }
    const decoder = this.#decoder as ChunkedDecoder;
    if (decoder.finished) return this.#trailers(bytes, at, end);
    switch (decoder.next(bytes, at, end, sink.takesFramed, chunk)) {
      case chunkedEvent.data:
        if (chunk.end - chunk.start >= LARGE_BODY / 2) this.transport.useOwnBuffer();
        this.#deliver(sink, chunk);
        break;
      case chunkedEvent.last:
        return this.#trailers(bytes, decoder.position, end);
      case chunkedEvent.error:
        this.#fail(errors.upstreamMalformed);
        return end;
    }
    return decoder.position;
  }

  #outlast(): void {
    this.#streamAt = Number.POSITIVE_INFINITY;
    if (this.#call !== null) this.#pool.outlasted(this, this.#call, this.#headMilliseconds);
  }

  #deliver(sink: Sink, chunk: Chunk): void {
    if (sink.data(chunk) || this.#sink !== sink) return;
    this.#paused = true;
    this.transport.pause();
    this.#limit(Number.POSITIVE_INFINITY);
  }

  #trailers(bytes: Buffer, at: number, end: number): number {
    if (at === end) return end;
    if (bytes[at] === 13 && at + 1 < end && bytes[at + 1] === 10) {
      this.#complete(null, at + 2 === end);
      return at + 2;
    }
    // The response's own section is still in use; trailers are rare.
    const head = new MessageHead();
    const next = parseTrailers(bytes, at, end, head, this.#pool.headLimits);
    if (next < 0) {
      this.#fail(errors.upstreamMalformed);
      return end;
    }
    if (next === 0) {
      this.#stash = Buffer.from(bytes.subarray(at, end));
      return end;
    }
    this.#complete(head.headers, next === end);
    return next;
  }

  /** The response is whole; the connection serves on when both sides are at a message boundary. */
  #complete(trailers: HeaderBlock | null, clean: boolean): void {
    const { options } = this.#pool;
    const call = this.#call as UpstreamCall;
    const sink = this.#sink as Sink;
    this.transport.useSharedBuffer(!this.#paused);
    const reusable =
      clean &&
      this.#head.keepAlive &&
      this.#framing !== 'close' &&
      this.#requestSent &&
      options.proxyProtocol === 0 &&
      this.served < options.maxRequestsPerConnection &&
      wheel.now - this.openedAt < options.maxConnectionAge;
    const unsent = this.#requestSent ? null : call.body;
    this.#detach(call, null);
    if (reusable) {
      if (this.#paused) this.transport.resume();
      this.#paused = false;
      this.#pool.release(this);
    } else {
      this.transport.flush();
      this.transport.destroy();
    }
    sink.end(trailers);
    unsent?.cancel();
  }

  #detach(call: UpstreamCall, error: GatewayError | null): void {
    this.clear();
    this.#call = null;
    this.#sink = null;
    this.#stash = null;
    call.runner = null;
    if (call.exchange !== null) {
      call.exchange.upstreamEndedAt = this.#headAt > 0 ? this.#headAt : performance.now();
    }
    this.#pool.callEnded(this, call, this.#headMilliseconds, error);
  }

  #fail(error: GatewayError): void {
    const call = this.#call;
    const sink = this.#sink;
    this.transport.destroy();
    if (call === null || sink === null) return;
    this.#detach(call, error);
    if (this.answered || error.from !== 'upstream') sink.fail(error);
    else this.#pool.failedUnanswered(this, call, sink, error);
  }

  cancelCall(call: UpstreamCall): void {
    if (this.#call !== call) return;
    this.#detach(call, null);
    this.transport.destroy();
  }

  resumeCall(call: UpstreamCall): void {
    if (this.#call !== call || !this.#paused) return;
    this.#paused = false;
    this.#limit(this.#pool.options.idleTimeout);
    this.transport.resume();
  }

  /** After 101 the transport is one end of a tunnel, and the call lasts as long as that does. */
  #switch(call: UpstreamCall, sink: Sink, bytes: Buffer, at: number, end: number): void {
    const head = this.#head;
    if (call.upgrade === null || head.upgrade !== call.upgrade) {
      this.#fail(errors.upstreamMalformed);
      return;
    }
    this.clear();
    this.#headMilliseconds = performance.now() - this.startedAt;
    this.status = 101;
    this.#outlast();
    const early = at < end ? Buffer.from(bytes.subarray(at, end)) : null;
    const tunnel = new TunnelEnd(this.transport, early, {
      received: (bytes) => {
        if (call.exchange !== null) call.exchange.responseBytes += bytes;
      },
      closed: () => {
        this.#detach(call, null);
        this.#pool.closed(this);
      },
    });
    call.runner = null;
    this.#sink = null;
    this.#switched = true;
    sink.upgrade(new ResponseHead(101, head.headers, 'none', -1), tunnel);
  }

  onDrain(): void {
    if (!this.#requestSent && !this.#headSeen) this.#limit(Number.POSITIVE_INFINITY);
    this.#call?.body?.resume();
  }

  onEnd(): void {
    const call = this.#call;
    if (call !== null && this.#headSeen && this.#framing === 'close') {
      this.#complete(null, false);
      return;
    }
    this.#fail(this.answered && !this.#headSeen ? errors.upstreamMalformed : errors.upstreamReset);
  }

  onClose(): void {
    this.#fail(errors.upstreamReset);
    this.clear();
    this.#pool.closed(this);
  }

  expired(): void {
    if (this.#call === null) this.transport.destroy();
    else this.#fail(errors.upstreamTimeout);
  }

  /** Sets the next limit, never past the call's total one. */
  #limit(milliseconds: number): void {
    const total = this.#totalAt - wheel.now;
    const least = Math.min(milliseconds, total);
    if (least === Number.POSITIVE_INFINITY) this.clear();
    else this.start(Math.max(least, 0));
  }
}
