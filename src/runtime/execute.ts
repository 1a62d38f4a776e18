import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import { Chunk, type ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { ResponseHook } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import { limitBody, type ResponseTakers, responseTakers, takeRequestBody } from './body.ts';
import type { LivePlan } from './holder.ts';
import { renderReply } from './reply.ts';

/** The client's side of one exchange: an HTTP/1 connection, later an HTTP/2 stream. */
export interface Responder {
  /** It writes the chunked coding itself, so that verbatim framing may pass. */
  readonly takesFramed: boolean;
  sendInformational(head: ResponseHead): void;
  sendHead(exchange: Exchange, head: ResponseHead): void;
  /** False: wait for `Execution.resume`. */
  sendData(chunk: Chunk): boolean;
  sendEnd(trailers: HeaderBlock | null): void;
  sendUpgrade(exchange: Exchange, head: ResponseHead, tunnel: Tunnel): void;
  /** The response stays incomplete: the client must be able to tell. */
  abort(): void;
}

/** What executions share in a worker. */
export interface ExecutionContext {
  readonly cell: WorkerCell;
  /** A defect in our code or in a user's: with the stack, for the log. */
  reportBug(error: unknown, exchange: Exchange): void;
  ended(): void;
}

/** What arrived while a response hook was waiting. */
interface Held {
  readonly bytes: Buffer[];
  ended: boolean;
  trailers: HeaderBlock | null;
}

/**
 * One exchange on its way through its route: request hooks in phase order, the request body's takers, the dispatch chain,
 * and back as the outermost sink: response hooks, body takers, client. Exceptions are bugs and are caught here, once.
 */
export class Execution implements Sink {
  readonly exchange: Exchange;
  readonly #responder: Responder;
  readonly #live: LivePlan;
  readonly #context: ExecutionContext;
  #finished = false;
  #headSent = false;
  #held: Held | null = null;
  #takers: ResponseTakers | null = null;

  constructor(exchange: Exchange, responder: Responder, live: LivePlan, context: ExecutionContext) {
    this.exchange = exchange;
    this.#responder = responder;
    this.#live = live;
    this.#context = context;
  }

  get takesFramed(): boolean {
    return this.#headSent && this.#responder.takesFramed && this.exchange.route.responseBody === null;
  }

  start(): void {
    this.#live.enter();
    this.#context.cell.exchangeStarted(this.exchange.route.series);
    this.#requestHooks(0);
  }

  /** A request that its plan cannot even look at: it is answered by its gateway's route for unmatched requests. */
  refuse(error: GatewayError): void {
    this.#live.enter();
    this.#context.cell.exchangeStarted(this.exchange.route.series);
    this.fail(error);
  }

  #requestHooks(from: number): void {
    const { exchange } = this;
    try {
      const hooks = exchange.route.request;
      if (hooks !== null) {
        for (let i = from; i < hooks.length; i++) {
          const answer = (hooks[i] as (typeof hooks)[number]).run(exchange);
          if (answer === undefined) continue;
          if (answer instanceof Reply) this.reply(answer);
          else this.#await(answer, (reply) => (reply === undefined ? this.#requestHooks(i + 1) : this.reply(reply)));
          return;
        }
      }
      if (exchange.body !== null) this.#requestBody();
      else this.#dispatch();
    } catch (error) {
      this.#bug(error);
    }
  }

  #requestBody(): void {
    const { exchange } = this;
    const refusal = limitBody(exchange);
    if (refusal !== null) {
      this.fail(refusal);
      return;
    }
    if (exchange.route.requestBody === null) {
      this.#dispatch();
      return;
    }
    exchange.retained = true;
    takeRequestBody(exchange, exchange.route.requestBody, (reply) => {
      if (this.#finished) return;
      if (reply === undefined) this.#dispatch();
      else if (reply instanceof Reply) this.reply(reply);
      else this.#bug(reply);
    });
  }

  #dispatch(): void {
    const { exchange } = this;
    const target =
      exchange.upstreamTarget ?? (exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`);
    const call = new UpstreamCall(exchange.method, target, exchange.host, exchange.headers, exchange.body, exchange);
    call.upgrade = exchange.upgrade;
    call.expectContinue = exchange.expectContinue;
    call.takesTrailers = exchange.takesTrailers;
    exchange.call = call;
    try {
      exchange.route.dispatch(call, this);
    } catch (error) {
      this.#bug(error);
    }
  }

  /** Answers from here; what the target is doing is dropped. */
  reply(reply: Reply): void {
    if (this.#finished || this.#headSent) return;
    const { exchange } = this;
    if (reply.error !== null) exchange.error = reply.error;
    this.#cancelCall();
    const { head, body } = renderReply(reply, exchange);
    this.#respond(head, 0, () => {
      if (body.length > 0) {
        const chunk = new Chunk(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
        chunk.end = chunk.payload = body.length;
        this.data(chunk);
      }
      this.end(null);
    });
  }

  informational(head: ResponseHead): void {
    if (!this.#finished && !this.#headSent) this.#responder.sendInformational(head);
  }

  head(head: ResponseHead): void {
    if (this.#finished || this.#headSent) return;
    this.#respond(head, 0, null);
  }

  data(chunk: Chunk): boolean {
    if (this.#finished) return true;
    if (this.#held !== null) {
      this.#held.bytes.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
      return false;
    }
    if (this.#takers !== null) return this.#takers.first.data(chunk);
    this.exchange.responseBytes += chunk.payload;
    return this.#responder.sendData(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#finished) return;
    if (this.#held !== null) {
      this.#held.ended = true;
      this.#held.trailers = trailers === null ? null : trailers.clone();
      return;
    }
    if (this.#takers !== null) {
      this.#takers.first.end(trailers);
      return;
    }
    this.#complete(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    if (this.#finished || this.#headSent) {
      tunnel.destroy();
      return;
    }
    const { exchange } = this;
    this.#headSent = true;
    exchange.status = head.status;
    exchange.response = head;
    this.#responder.sendUpgrade(exchange, head, tunnel);
  }

  fail(error: GatewayError): void {
    if (this.#finished) return;
    const { exchange } = this;
    exchange.error = error;
    if (this.#headSent || this.#held !== null) {
      this.finish();
      this.#responder.abort();
      return;
    }
    this.reply(Reply.refuse(error));
  }

  /** The client takes data again. */
  resume(): void {
    this.exchange.call?.resume();
  }

  /** The client went away: nobody wants the answer. */
  cancel(error: GatewayError): void {
    if (this.#finished) return;
    const { exchange } = this;
    exchange.error = error;
    if (!this.#headSent) exchange.status = error.status;
    this.#cancelCall();
    this.finish();
  }

  /** The exchange is over, completed or not; counted and logged once. For tunnels, the connection says when. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    const { exchange } = this;
    exchange.endedAt = performance.now();
    const { done } = exchange.route;
    if (done !== null) {
      for (let i = 0; i < done.length; i++) {
        try {
          (done[i] as (typeof done)[number])(exchange);
        } catch (error) {
          this.#context.reportBug(error, exchange);
        }
      }
    }
    this.#context.cell.exchangeEnded(exchange);
    this.#context.ended();
    this.#live.leave();
  }

  /** Response hooks from `from` on, then the head goes out, then `after`. */
  #respond(head: ResponseHead, from: number, after: (() => void) | null): void {
    const { exchange } = this;
    const hooks = exchange.route.response;
    exchange.status = head.status;
    exchange.response = head;
    if (hooks !== null) {
      for (let i = from; i < hooks.length; i++) {
        let answer: ReturnType<ResponseHook['run']>;
        try {
          answer = (hooks[i] as ResponseHook).run(exchange, head);
        } catch (error) {
          this.#bug(error);
          return;
        }
        if (answer === undefined) continue;
        if (answer instanceof Reply) this.#replace(answer, i + 1);
        else this.#holdFor(answer, head, i + 1, after);
        return;
      }
    }
    this.#headSent = true;
    if (exchange.route.responseBody !== null && head.framing !== 'none') {
      this.#takers = responseTakers(exchange, head, exchange.route.responseBody, this.#responder, (trailers) =>
        this.#complete(trailers),
      );
    }
    this.#responder.sendHead(exchange, head);
    after?.();
  }

  /** A response hook put its own answer in the place of the response; the hooks behind it see that one. */
  #replace(reply: Reply, from: number): void {
    const { exchange } = this;
    this.#cancelCall();
    if (reply.error !== null) exchange.error = reply.error;
    const { head, body } = renderReply(reply, exchange);
    this.#respond(head, from, () => {
      if (body.length > 0) {
        const chunk = new Chunk(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
        chunk.end = chunk.payload = body.length;
        this.data(chunk);
      }
      this.end(null);
    });
  }

  #holdFor(answer: Promise<Reply | undefined>, head: ResponseHead, from: number, after: (() => void) | null): void {
    const held: Held = { bytes: [], ended: false, trailers: null };
    this.#held = held;
    // The connection that received the head may serve the next response before the answer is there.
    head.headers = head.headers.clone();
    this.#await(answer, (reply) => {
      this.#held = null;
      if (reply !== undefined) {
        this.#replace(reply, from);
        return;
      }
      this.#respond(head, from, after);
      if (!this.#headSent) return;
      for (const bytes of held.bytes) {
        const chunk = new Chunk(bytes);
        chunk.end = chunk.payload = bytes.length;
        this.data(chunk);
      }
      if (held.ended) this.end(held.trailers);
      else this.resume();
    });
  }

  #await<T>(answer: Promise<T>, go: (value: T) => void): void {
    this.exchange.retained = true;
    answer.then(
      (value) => {
        if (this.#finished) return;
        try {
          go(value);
        } catch (error) {
          this.#bug(error);
        }
      },
      (error) => this.#bug(error),
    );
  }

  #complete(trailers: HeaderBlock | null): void {
    // Counted and logged before the client can know that it is over, so that nobody finds the numbers behind.
    this.finish();
    this.#responder.sendEnd(trailers);
  }

  #cancelCall(): void {
    const { call } = this.exchange;
    if (call === null) return;
    this.exchange.call = null;
    call.cancel();
  }

  #bug(error: unknown): void {
    if (this.#finished) return;
    this.#held = null;
    this.#context.cell.internalError();
    this.#context.reportBug(error, this.exchange);
    this.fail(errors.internal);
  }
}
