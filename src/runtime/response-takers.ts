import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../base/headers.ts';
import { Chunk, type ResponseHead } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { BodyNeed, BodyTaker } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { Collector, GuardedTaker, type TakersOwner, type WholeBodyNeed, wantsAll } from './takers.ts';

const contentLength = fieldName('content-length');

/**
 * A response body's way through the route's policies to the client. Lengths may change on it, so the body goes out
 * chunked. Where one of them wants the whole body, the head waits for it: until then another answer may take its place.
 */
export class ResponseTakers implements BodyTaker {
  readonly #first: BodyTaker;
  readonly #owner: TakersOwner;
  #dropped = false;

  constructor(exchange: Exchange, head: ResponseHead, needs: readonly BodyNeed[], owner: TakersOwner) {
    this.#owner = owner;
    head.headers.remove(contentLength);
    head.framing = 'chunked';
    head.contentLength = -1;
    if (needs.some(wantsAll)) {
      exchange.retained = true;
      // The upstream connection may serve its next response before this head goes out.
      head.headers = head.headers.clone();
    }
    let taker: BodyTaker = {
      data: (chunk) => this.#dropped || owner.sendTaken(chunk),
      end: (trailers) => {
        if (!this.#dropped) owner.endTaken(trailers);
      },
      abort: (error) => {
        if (!this.#dropped) owner.fail(error);
      },
    };
    for (let i = needs.length - 1; i >= 0; i--) {
      const need = needs[i] as BodyNeed;
      taker = wantsAll(need) ? this.#whole(exchange, need, taker) : need.stream(exchange, taker);
    }
    this.#first = new GuardedTaker(taker, owner);
  }

  data(chunk: Chunk): boolean {
    return this.#first.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.#first.end(trailers);
  }

  /** From outside: the response is over or another one takes its place, so nothing of this one goes out any more. */
  abort(error: GatewayError): void {
    this.#dropped = true;
    this.#first.abort(error);
  }

  #whole(exchange: Exchange, need: WholeBodyNeed, next: BodyTaker): BodyTaker {
    const collector = new Collector(need.buffer);
    return {
      data: (chunk) => {
        if (!this.#dropped && !collector.add(chunk)) this.#owner.fail(errors.upstreamMalformed);
        return true;
      },
      end: (trailers) => {
        if (this.#dropped) return;
        const bytes = collector.bytes();
        // They may live in a parser that reads on meanwhile.
        const kept = trailers === null ? null : trailers.clone();
        Promise.try(() => need.run(exchange, bytes))
          .then((answer) => {
            if (this.#dropped) return;
            if (answer instanceof Reply) this.#owner.replaceTaken(answer);
            else this.#pass(answer ?? bytes, kept, next);
          })
          .catch((error: unknown) => this.#owner.reportThrown(error));
      },
      abort: (error) => next.abort(error),
    };
  }

  #pass(bytes: Buffer, trailers: HeaderBlock | null, next: BodyTaker): void {
    if (bytes.length > 0) next.data(Chunk.whole(bytes, true));
    next.end(trailers);
  }
}
