import { performance } from 'node:perf_hooks';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import { fieldName } from '../base/headers.ts';
import { Chunk, type ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { ResponseHook } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import { limitBody, takeRequestBody } from './body.ts';
import { HeldResponse } from './held-response.ts';
import type { LivePlan } from './holder.ts';
import { renderReply } from './reply.ts';
import { ResponseTakers } from './response-takers.ts';
import { type TakersOwner, wantsAll } from './takers.ts';

const contentLength = fieldName('content-length');
const setCookie = fieldName('set-cookie');

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

/**
 * One exchange on its way through its route: request hooks in phase order, the request body's takers, the dispatch chain,
 * and back as the outermost sink: response hooks, body takers, client. Exceptions are bugs and are caught here, once.
 */
export class Execution implements Sink, TakersOwner {
  readonly exchange: Exchange;
  readonly #responder: Responder;
  readonly #live: LivePlan;
  readonly #context: ExecutionContext;
  #finished = false;
  #headSent = false;
  #held: HeldResponse | null = null;
  #takers: ResponseTakers | null = null;
  /** What a body policy made of the response: it goes out past those policies. */
  #direct = false;
  /** Response hooks that threw: the answer that says so does without them. */
  #broken: ResponseHook[] | null = null;

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
          else this.#awaitHook(answer, i + 1);
          return;
        }
      }
      if (exchange.body !== null) this.#requestBody();
      else this.#dispatch();
    } catch (error) {
      this.#bug(error);
    }
  }

  #awaitHook(answer: Promise<Reply | undefined>, next: number): void {
    this.#await(
      answer,
      (reply) => (reply === undefined ? this.#requestHooks(next) : this.reply(reply)),
      (error) => this.#bug(error),
    );
  }

  #requestBody(): void {
    const { exchange } = this;
    const refusal = limitBody(exchange, this);
    if (refusal !== null) {
      this.fail(refusal);
      return;
    }
    if (exchange.route.requestBody === null) {
      this.#dispatch();
      return;
    }
    exchange.retained = true;
    takeRequestBody(exchange, exchange.route.requestBody, this, (reply) => {
      if (this.#finished) return;
      if (reply === undefined) this.#dispatch();
      else this.reply(reply);
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
    if (!this.#finished && !this.#headSent) this.#replace(reply, 0);
  }

  informational(head: ResponseHead): void {
    if (!this.#finished && !this.#headSent) this.#responder.sendInformational(head);
  }

  head(head: ResponseHead): void {
    if (this.#finished || this.#headSent) return;
    this.#bindClient(head);
    this.#respond(head, 0, null);
  }

  data(chunk: Chunk): boolean {
    if (this.#finished) return true;
    if (this.#held !== null) {
      this.#held.add(chunk);
      return false;
    }
    if (this.#takers !== null) return this.#takers.data(chunk);
    this.exchange.responseBytes += chunk.payload;
    return this.#responder.sendData(chunk);
  }

  sendTaken(chunk: Chunk): boolean {
    if (!this.#headSent) this.#sendHead();
    this.exchange.responseBytes += chunk.payload;
    return this.#responder.sendData(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#finished) return;
    if (this.#held !== null) {
      this.#held.end(trailers);
      return;
    }
    if (this.#takers !== null) this.#takers.end(trailers);
    else this.#complete(trailers);
  }

  endTaken(trailers: HeaderBlock | null): void {
    if (!this.#headSent) this.#sendHead();
    this.#complete(trailers);
  }

  replaceTaken(reply: Reply): void {
    this.#dropTakers(reply.error ?? errors.internal);
    this.reply(reply);
  }

  reportThrown(error: unknown): void {
    this.#bug(error);
  }

  #dropTakers(error: GatewayError): void {
    const takers = this.#takers;
    if (takers === null) return;
    this.#takers = null;
    this.#direct = true;
    takers.abort(error);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    if (this.#finished || this.#headSent) {
      tunnel.destroy();
      return;
    }
    const { exchange } = this;
    this.#bindClient(head);
    this.#headSent = true;
    exchange.status = head.status;
    exchange.response = head;
    this.#responder.sendUpgrade(exchange, head, tunnel);
  }

  fail(error: GatewayError): void {
    if (this.#finished) return;
    const { exchange } = this;
    exchange.error = error;
    this.#dropTakers(error);
    if (this.#headSent || this.#held !== null) {
      this.#cancelCall();
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
    this.#dropTakers(error);
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

  #bindClient({ headers }: ResponseHead): void {
    const { affinity } = this.exchange;
    if (affinity !== '') headers.add(setCookie, affinity);
  }

  /** Response hooks from `from` on, then the head goes out, then `after`. */
  #respond(head: ResponseHead, from: number, after: (() => void) | null): void {
    const { exchange } = this;
    const hooks = exchange.route.response;
    exchange.status = head.status;
    exchange.response = head;
    if (hooks !== null) {
      for (let i = from; i < hooks.length; i++) {
        const hook = hooks[i] as ResponseHook;
        if (this.#broken?.includes(hook)) continue;
        let answer: ReturnType<ResponseHook['run']>;
        try {
          answer = hook.run(exchange, head);
        } catch (error) {
          this.#hookBroke(hook, error);
          return;
        }
        if (answer === undefined) continue;
        if (answer instanceof Reply) this.#replace(answer, i + 1);
        else this.#holdFor(answer, hook, head, i + 1, after);
        return;
      }
    }
    const needs = exchange.route.responseBody;
    if (needs === null || this.#direct) {
      this.#sendHead();
    } else if (head.framing === 'none' || exchange.method === 'HEAD') {
      // The length of what the policies would make of a body is not known (RFC 9110, 8.6).
      head.headers.remove(contentLength);
      this.#sendHead();
    } else {
      try {
        this.#takers = new ResponseTakers(exchange, head, needs, this);
      } catch (error) {
        this.#direct = true;
        this.#bug(error);
        return;
      }
      if (!needs.some(wantsAll)) this.#sendHead();
    }
    after?.();
  }

  #sendHead(): void {
    this.#headSent = true;
    this.#responder.sendHead(this.exchange, this.exchange.response as ResponseHead);
  }

  #hookBroke(hook: ResponseHook, error: unknown): void {
    this.#broken = [...(this.#broken ?? []), hook];
    this.#bug(error);
  }

  /** An answer of our own, in the place of whatever there is; the response hooks from `from` on see it. */
  #replace(reply: Reply, from: number): void {
    const { exchange } = this;
    this.#cancelCall();
    if (reply.error !== null) exchange.error = reply.error;
    const { head, body } = renderReply(reply, exchange);
    this.#respond(head, from, () => {
      if (body.length > 0) this.data(Chunk.whole(Buffer.from(body.buffer, body.byteOffset, body.byteLength), false));
      this.end(null);
    });
  }

  #holdFor(
    answer: Promise<Reply | undefined>,
    hook: ResponseHook,
    head: ResponseHead,
    from: number,
    after: (() => void) | null,
  ): void {
    const held = new HeldResponse();
    this.#held = held;
    // The connection that received the head may serve the next response before the answer is there.
    head.headers = head.headers.clone();
    const go = (reply: Reply | undefined): void => {
      this.#held = null;
      if (reply !== undefined) {
        this.#replace(reply, from);
        return;
      }
      this.#respond(head, from, after);
      // Another answer may have taken its place, and what was held belongs to this one.
      if (this.exchange.response === head) held.release(this);
    };
    this.#await(answer, go, (error) => this.#hookBroke(hook, error));
  }

  #await<T>(answer: Promise<T>, go: (value: T) => void, broke: (error: unknown) => void): void {
    this.exchange.retained = true;
    answer.then((value) => {
      if (this.#finished) return;
      try {
        go(value);
      } catch (error) {
        this.#bug(error);
      }
    }, broke);
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
