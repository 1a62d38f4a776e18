import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { FieldLines, HeaderBlock } from '../../base/headers.ts';
import { fieldName } from '../../base/headers.ts';
import type { LookAlikes } from '../../base/look-alikes.ts';
import { statusLine } from '../../base/status.ts';
import { Deadline, wheel } from '../../base/timers.ts';
import { Chunk, type ResponseHead, type Tunnel } from '../../plan/call.ts';
import type { Exchange, Peer } from '../../plan/exchange.ts';
import type { ConnectionLimits, Forwarding } from '../../plan/plan.ts';
import type { Execution, Responder } from '../execute.ts';
import { dateValue, rawProblem } from '../reply.ts';
import type { Transport, TransportOwner } from '../transport.ts';
import { TunnelEnd } from '../tunnel.ts';
import { ChunkedDecoder, chunkedEvent } from './chunked.ts';
import { MessageHead } from './message-head.ts';
import { parseRequestHead, parseTrailers } from './parse-head.ts';
import { type BodyOwner, RequestBody } from './request-body.ts';

/** What a connection needs from the server that accepted it. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits;
  /** No trailer may be one of them. */
  readonly identityFields: LookAlikes | null;
  /** Answers to this connection end it: drain, or too old. */
  readonly draining: boolean;
  /** Makes an exchange of a parsed head and starts it; the execution may be over on return. */
  begin(connection: ClientConnection, head: MessageHead, body: RequestBody | null): Execution;
  malformed(): void;
  closed(connection: ClientConnection): void;
}

/** What the connection's one deadline stands for at the moment. */
const wait = { idle: 0, head: 1, body: 2, write: 3, halfClose: 4, linger: 5, none: 6 } as const;
type Wait = (typeof wait)[keyof typeof wait];

/** How a response body goes out. */
const coding = { none: 0, verbatim: 1, chunked: 2, discard: 3, untilClosed: 4 } as const;
type Coding = (typeof coding)[keyof typeof coding];

/** An unread request body up to this size is read and dropped to keep the connection; past it closing is cheaper. */
const MAX_DISCARD = 65_536;
/** Bytes of a body that nobody takes yet, or of further requests, that may wait. */
const MAX_AHEAD = 65_536;
/** How long the rest of a client's bytes is read after the last answer, so that a reset does not take it (RFC 9112, 9.6). */
const LINGER = 1_000;
const MAX_FREE_HEADS = 256;
/** Over which the rate of an upload is looked at. */
const UPLOAD_WINDOW = 5_000;

const LAST_CHUNK = '0\r\n\r\n';
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const contentLength = fieldName('content-length');
const date = fieldName('date');
const freeHeads: MessageHead[] = [];
/** Pieces of request bodies, one at a time in a worker: takers copy what they keep. */
const piece = new Chunk(Buffer.alloc(0));

/** The server side of one HTTP/1.x connection: requests in order, one exchange at a time. */
export class ClientConnection extends Deadline implements TransportOwner, Responder, BodyOwner {
  readonly peer: Peer;
  readonly transport: Transport;
  /** In which it counts for its address. */
  readonly place: number;
  served = 0;
  /** For the server: what the last request's upstream heard about this client, for as long as it stays true. */
  statements: { readonly host: string; readonly forwarding: Forwarding; readonly lines: FieldLines } | null = null;
  readonly #host: ConnectionHost;
  #wait: Wait = wait.none;
  #head: MessageHead | null = null;
  #execution: Execution | null = null;
  #body: RequestBody | null = null;
  #remaining = 0;
  #decoder: ChunkedDecoder | null = null;
  /** Bytes that arrived and could not be used yet. */
  #stash: Buffer | null = null;
  #consuming = false;
  #keepAlive = true;
  /** The last byte of the response is written. */
  #answered = false;
  #closing = false;
  #retired = false;
  #ended = false;
  /** When the rate of the upload is looked at, and how much of it had come before. */
  #rateDueAt = Number.POSITIVE_INFINITY;
  #ratedBytes = 0;
  /** When a closed connection's last bytes must have been taken. */
  #closeBy = 0;
  #version = 11;
  #coding: Coding = coding.none;

  constructor(peer: Peer, place: number, host: ConnectionHost, open: (owner: TransportOwner) => Transport) {
    super();
    this.peer = peer;
    this.place = place;
    this.#host = host;
    this.transport = open(this);
    // Nothing was asked yet: a new connection has the time for a head, not the time between requests.
    this.#arm(wait.head, host.limits.headTimeout);
    this.transport.resume();
  }

  /** HTTP/1.0 knows no chunked coding, and a body that is not sent needs none. */
  get takesFramed(): boolean {
    return this.#coding === coding.chunked;
  }

  get idle(): boolean {
    return this.#execution === null && !this.#closing;
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#closing) return;
    if (this.#stash === null) {
      this.#consume(bytes, 0, length);
      return;
    }
    const all = Buffer.concat([this.#stash, bytes.subarray(0, length)]);
    // While a head is incomplete, parsing it again pays only when a line has been completed.
    const again =
      this.#execution !== null ||
      this.#wait !== wait.head ||
      bytes.subarray(0, length).includes(10) ||
      all.length > this.#host.limits.maxHead;
    this.#stash = again ? null : all;
    if (again) this.#consume(all, 0, all.length);
  }

  #consume(bytes: Buffer, from: number, end: number): void {
    this.#consuming = true;
    let at = from;
    while (at < end && !this.#closing) {
      if (this.#execution === null) {
        const head = this.#head ?? freeHeads.pop() ?? new MessageHead();
        this.#head = head;
        const next = parseRequestHead(bytes, at, end, head, this.#host.limits);
        if (next < 0) {
          this.#refuse(head.error);
          break;
        }
        if (next === 0) {
          if (this.#wait !== wait.head) this.#arm(wait.head, this.#host.limits.headTimeout);
          this.#keep(bytes, at, end);
          break;
        }
        at = next;
        this.#begin(head);
      } else if (this.#body !== null && !this.#body.complete) {
        if (!this.#body.flowing) {
          // Read on for a while: only so does a client that leaves show.
          this.#keep(bytes, at, end);
          if (end - at > MAX_AHEAD) this.transport.pause();
          break;
        }
        at = this.#readBody(this.#body, bytes, at, end);
      } else {
        this.#keep(bytes, at, end);
        if (end - at > MAX_AHEAD) this.transport.pause();
        break;
      }
    }
    this.#consuming = false;
    if (this.#ended && !this.#closing) this.#inputEnded();
  }

  #keep(bytes: Buffer, from: number, end: number): void {
    this.#stash = Buffer.from(bytes.subarray(from, end));
  }

  #begin(head: MessageHead): void {
    this.clear();
    this.#wait = wait.none;
    this.served++;
    this.#version = head.version;
    this.#keepAlive = head.keepAlive && this.served < this.#host.limits.maxRequestsPerConnection;
    this.#coding = coding.none;
    if (head.chunked) {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset();
      this.#body = new RequestBody(this, -1, head.expectContinue);
    } else if (head.contentLength > 0) {
      this.#remaining = head.contentLength;
      this.#body = new RequestBody(this, head.contentLength, head.expectContinue);
    } else {
      this.#body = null;
    }
    if (this.#body !== null) {
      this.#rateDueAt = Number.POSITIVE_INFINITY;
      this.#arm(wait.body, this.#host.limits.bodyTimeout);
    }
    this.#answered = false;
    this.#execution = this.#host.begin(this, head, this.#body);
    // It may have been answered while it began, when its execution was not known here yet.
    if (this.#answered) this.#settle();
  }

  /** Body bytes from `at`; answers where to go on. */
  #readBody(body: RequestBody, bytes: Buffer, at: number, end: number): number {
    piece.stable = false;
    piece.framed = false;
    this.#armBody();
    if (body.size >= 0) {
      const take = Math.min(this.#remaining, end - at);
      this.#remaining -= take;
      piece.bytes = bytes;
      piece.start = at;
      piece.end = at + take;
      piece.payload = take;
      piece.stable = this.transport.ownsBuffer && this.#stash === null;
      this.#deliver(body, piece);
      if (this.#remaining === 0) this.#bodyComplete(body, null);
      else if (take > MAX_DISCARD / 2) this.transport.useOwnBuffer();
      return at + take;
    }
    const decoder = this.#decoder as ChunkedDecoder;
    if (decoder.finished) return this.#readTrailers(body, bytes, at, end);
    switch (decoder.next(bytes, at, end, body.takesFramed, piece)) {
      case chunkedEvent.data:
        this.#deliver(body, piece);
        break;
      case chunkedEvent.last:
        return this.#readTrailers(body, bytes, decoder.position, end);
      case chunkedEvent.error:
        this.#bodyFailed(body, errors.malformedRequest);
        return end;
    }
    return decoder.position;
  }

  #deliver(body: RequestBody, chunk: Chunk): void {
    if (this.#execution !== null) this.#execution.exchange.requestBytes += chunk.payload;
    body.deliver(chunk);
    if (!body.waiting) return;
    this.transport.pause();
    // Whoever may not send is not slow.
    this.#rateDueAt = Number.POSITIVE_INFINITY;
  }

  /** Until more of a body must have come: its next byte, or enough of them. */
  #armBody(): void {
    this.#arm(wait.body, Math.min(this.#host.limits.bodyTimeout, this.#rateDueAt - wheel.now));
  }

  /** From here on the client may send as fast as it can. */
  #rateUpload(): void {
    if (this.#host.limits.minUploadRate === 0) return;
    this.#rateDueAt = wheel.now + UPLOAD_WINDOW;
    this.#ratedBytes = this.#execution?.exchange.requestBytes ?? 0;
    this.#armBody();
  }

  /** The end of a window in which enough has come; the pauses inside it were short. */
  #isUploadFast(): boolean {
    if (wheel.now < this.#rateDueAt) return false;
    const bytes = (this.#execution?.exchange.requestBytes ?? 0) - this.#ratedBytes;
    return bytes * 1_000 >= this.#host.limits.minUploadRate * UPLOAD_WINDOW;
  }

  #readTrailers(body: RequestBody, bytes: Buffer, at: number, end: number): number {
    if (at === end) return end;
    // The request's own head section is still in use, trailers get one of their own; they are rare.
    const head = new MessageHead();
    const next = parseTrailers(bytes, at, end, head, this.#host.limits, this.#host.identityFields);
    if (next < 0) {
      this.#bodyFailed(body, head.error);
      return end;
    }
    if (next === 0) {
      this.#keep(bytes, at, end);
      return end;
    }
    this.#bodyComplete(body, head.headers.count === 0 ? null : head.headers);
    return next;
  }

  #bodyComplete(body: RequestBody, trailers: HeaderBlock | null): void {
    if (this.#wait === wait.body) this.#disarm();
    this.transport.useSharedBuffer(!body.waiting);
    body.finish(trailers);
    if (this.#answered) this.#settle();
    else if (!this.#closing) this.transport.resume();
  }

  #bodyFailed(body: RequestBody, error: GatewayError): void {
    this.#keepAlive = false;
    const execution = this.#execution;
    body.fail(error);
    if (execution !== null && this.#execution === execution) execution.fail(error);
  }

  bodyWanted(sendContinue: boolean): void {
    if (sendContinue) this.transport.write(CONTINUE);
    this.bodyResumed();
  }

  bodyResumed(): void {
    if (this.#closing) return;
    if (this.#wait === wait.body) this.#rateUpload();
    if (this.#consuming) return;
    const stash = this.#stash;
    this.#stash = null;
    if (stash !== null) this.#consume(stash, 0, stash.length);
    if (this.#body === null || this.#body.flowing || this.#body.complete) this.transport.resume();
  }

  /** Bytes that are no HTTP: a complete answer, and the end. */
  #refuse(error: GatewayError): void {
    this.#host.malformed();
    this.#disarm();
    this.transport.write(rawProblem(error.code, error.title, error.status));
    this.#close();
  }

  sendInformational(head: ResponseHead): void {
    // RFC 9110, 15.2: none to an HTTP/1.0 client.
    if (this.#version === 10) return;
    this.transport.write(`${statusLine(head.status)}${head.headers.serialize()}\r\n`);
  }

  sendHead(exchange: Exchange, head: ResponseHead): void {
    const { status, headers } = head;
    let text = statusLine(status);
    const body = this.#body;
    if (
      body !== null &&
      !body.complete &&
      (body.size < 0 || this.#remaining > MAX_DISCARD || exchange.expectContinue)
    ) {
      this.#keepAlive = false;
    }
    if (this.#keepAlive && (this.#retired || this.#host.draining)) this.#keepAlive = false;
    // Whoever is misunderstood in one request is not trusted to be understood in the next.
    if (status === 400 && exchange.error !== null) this.#keepAlive = false;
    let framing = '';
    if (exchange.method === 'HEAD' || status === 304) {
      this.#coding = coding.discard;
    } else if (status === 204) {
      headers.remove(contentLength);
      this.#coding = coding.discard;
    } else if (head.framing === 'length') {
      this.#coding = coding.verbatim;
    } else if (head.framing === 'none') {
      this.#coding = coding.discard;
    } else if (this.#version === 11) {
      this.#coding = coding.chunked;
      framing = 'transfer-encoding: chunked\r\n';
    } else {
      // RFC 9112, 6.1: an HTTP/1.0 client knows the end by the connection's.
      this.#coding = coding.untilClosed;
      this.#keepAlive = false;
    }
    if (this.#wait === wait.halfClose) this.#disarm();
    // RFC 9110, 6.6.1: who forwards a response without a Date gives it one.
    if (!headers.has(date)) headers.add(date, dateValue());
    text += headers.serialize() + framing;
    if (!this.#keepAlive) text += 'connection: close\r\n\r\n';
    else if (this.#version === 10) text += 'connection: keep-alive\r\n\r\n';
    else text += '\r\n';
    this.transport.write(text);
  }

  sendData(chunk: Chunk): boolean {
    const { transport } = this;
    const length = chunk.end - chunk.start;
    // An empty chunk would be the last one.
    if (length === 0) return true;
    let more = true;
    if (this.#coding === coding.verbatim || this.#coding === coding.untilClosed) {
      more = transport.writeChunk(chunk);
    } else if (this.#coding === coding.chunked) {
      if (chunk.framed) {
        more = transport.writeChunk(chunk);
      } else {
        transport.write(`${length.toString(16)}\r\n`);
        more = transport.writeChunk(chunk);
        transport.write('\r\n');
      }
    }
    if (!more) this.#arm(wait.write, this.#host.limits.writeTimeout);
    return more;
  }

  sendEnd(trailers: HeaderBlock | null): void {
    if (this.#coding === coding.chunked) {
      this.transport.write(trailers === null ? LAST_CHUNK : `0\r\n${trailers.serialize()}\r\n`);
    }
    this.#answered = true;
    this.#settle();
  }

  /** From here on the transport belongs to a tunnel, and the exchange lasts as long as that does. */
  sendUpgrade(exchange: Exchange, head: ResponseHead, tunnel: Tunnel): void {
    this.#disarm();
    const execution = this.#execution;
    const early = this.#stash;
    this.#stash = null;
    this.transport.write(
      `${statusLine(101)}${head.headers.serialize()}connection: upgrade\r\nupgrade: ${exchange.upgrade ?? ''}\r\n\r\n`,
    );
    const end = new TunnelEnd(this.transport, early, {
      received: (bytes) => {
        exchange.requestBytes += bytes;
      },
      closed: () => {
        execution?.finish();
        this.#host.closed(this);
      },
    });
    tunnel.start(end);
    end.start(tunnel);
  }

  abort(): void {
    this.#execution = null;
    this.#closing = true;
    if (this.#coding === coding.untilClosed) {
      // An orderly end would be the end of the content.
      this.transport.reset();
      return;
    }
    // What was written goes first; the missing end tells the client that the rest is lost (RFC 9112, 8).
    this.transport.flush();
    this.transport.destroy();
  }

  /** The answer is out: on to the next request, or to the end. */
  #settle(): void {
    const execution = this.#execution;
    if (execution === null) return;
    const body = this.#body;
    if (body !== null && !body.complete) {
      // What is left of the body is dropped as it comes, if it is little and sure to come.
      if (!this.#keepAlive || this.#remaining > MAX_DISCARD) {
        this.#close();
      } else if (!body.discarded) {
        this.#arm(wait.body, this.#host.limits.bodyTimeout);
        body.cancel();
      }
      return;
    }
    this.#execution = null;
    this.#body = null;
    const head = this.#head;
    this.#head = null;
    if (head !== null && !execution.exchange.retained && freeHeads.length < MAX_FREE_HEADS) freeHeads.push(head);
    if (!this.#keepAlive || this.#retired) {
      this.#close();
      return;
    }
    this.#arm(wait.idle, this.#host.limits.idleTimeout);
    if (this.#consuming) return;
    const stash = this.#stash;
    this.#stash = null;
    if (stash !== null) this.#consume(stash, 0, stash.length);
    else if (this.#ended || this.#host.draining) this.#close();
    if (!this.#closing) this.transport.resume();
  }

  /** Ends the connection after what is written. */
  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#stash = null;
    this.transport.end();
    this.transport.resume();
    this.#closeBy = wheel.now + this.#host.limits.writeTimeout;
    this.#arm(wait.linger, LINGER);
  }

  /** For drain: an idle connection ends now, another with its answer. */
  closeIfIdle(): void {
    if (this.idle && this.#stash === null) this.#close();
  }

  /** What was found out about the client when it began holds no longer: it ends now, or with the answer under way. */
  retire(): void {
    this.#retired = true;
    if (this.idle) this.#close();
  }

  destroy(): void {
    this.transport.destroy();
  }

  onEnd(): void {
    this.#ended = true;
    if (!this.#closing) this.#inputEnded();
  }

  /** The client will send no more: what it asked completely is answered still. */
  #inputEnded(): void {
    const execution = this.#execution;
    if (execution === null) {
      this.#close();
      return;
    }
    if (this.#body !== null && !this.#body.complete) {
      // What has arrived of it may be waiting here for its taker, unlike the beginning of a trailer.
      if (this.#stash !== null && !this.#body.flowing) return;
      this.#keepAlive = false;
      // The exchange first: the end of its body is no reason to answer somebody who has gone.
      execution.cancel(errors.clientClosed);
      this.#body.fail(errors.clientClosed);
      this.transport.destroy();
      return;
    }
    if (this.#stash === null) this.#keepAlive = false;
    // A client that only ended its sending side still gets its answer, but a vanished one looks the same: so the answer
    // must begin before long. Once it has, the connection itself shows whether somebody is there.
    if (this.#coding === coding.none) this.#arm(wait.halfClose, this.#host.limits.halfCloseTimeout);
  }

  onDrain(): void {
    if (this.#wait === wait.write) this.#disarm();
    this.#execution?.resume();
  }

  onClose(): void {
    this.#disarm();
    this.#closing = true;
    this.#stash = null;
    const execution = this.#execution;
    this.#execution = null;
    if (execution !== null) {
      execution.cancel(errors.clientClosed);
      if (this.#body !== null && !this.#body.complete) this.#body.fail(errors.clientClosed);
    }
    this.#host.closed(this);
  }

  expired(): void {
    const { transport } = this;
    switch (this.#wait) {
      case wait.idle:
        this.#close();
        break;
      case wait.head:
        // Without a single byte there is no request to answer: a browser's spare connection.
        if (this.#stash !== null) this.#refuse(errors.requestTimeout);
        else this.#close();
        break;
      case wait.body:
        if (this.#isUploadFast()) this.#rateUpload();
        else if (this.#answered) transport.destroy();
        // While nobody takes the bytes, it is not the client who is late.
        else if (this.#body?.flowing === false) this.#arm(wait.body, this.#host.limits.bodyTimeout);
        else if (this.#body !== null) this.#bodyFailed(this.#body, errors.requestTimeout);
        break;
      case wait.halfClose:
      case wait.write:
        this.#execution?.cancel(errors.clientClosed);
        transport.destroy();
        break;
      case wait.linger:
        // A slow reader may still be taking the answer.
        if (transport.waiting && wheel.now < this.#closeBy) this.#arm(wait.linger, LINGER);
        else transport.destroy();
        break;
    }
  }

  #arm(what: Wait, milliseconds: number): void {
    this.#wait = what;
    this.start(milliseconds);
  }

  #disarm(): void {
    this.#wait = wait.none;
    this.clear();
  }
}
