import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import { BufferedBody } from '../plan/buffered-body.ts';
import type { BodySink, BodySource } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { BodyNeed, BodyTaker } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { Collector, GuardedTaker, type TakersOwner } from './takers.ts';

/** Request bodies by declared need: limits, buffers and streams that a policy asked for. Untouched ones never come here. */

const contentLength = fieldName('content-length');

/** Holds a route's largest request body: at once where a length is declared, else while it streams. */
export function limitBody(exchange: Exchange, owner: TakersOwner): GatewayError | null {
  const { body } = exchange;
  const { maxBody } = exchange.route;
  if (body === null || maxBody < 0) return null;
  if (body.size > maxBody) return errors.bodyTooLarge;
  if (body.size < 0) exchange.body = new StreamedBody(body, (next) => limiter(next, maxBody), owner);
  return null;
}

function limiter(next: BodyTaker, maxBody: number): BodyTaker {
  let taken = 0;
  let over = false;
  return {
    data(chunk) {
      if (over) return true;
      taken += chunk.payload;
      if (taken <= maxBody) return next.data(chunk);
      over = true;
      next.abort(errors.bodyTooLarge);
      return true;
    },
    end(trailers) {
      if (!over) next.end(trailers);
    },
    abort(error) {
      if (!over) next.abort(error);
    },
  };
}

/** A body with a taker put between it and whoever reads it. */
class StreamedBody implements BodySource {
  readonly size = -1;
  readonly replayable = false;
  readonly #source: BodySource;
  readonly #wrap: (next: BodyTaker) => BodyTaker;
  readonly #owner: TakersOwner;

  constructor(source: BodySource, wrap: (next: BodyTaker) => BodyTaker, owner: TakersOwner) {
    this.#source = source;
    this.#wrap = wrap;
    this.#owner = owner;
  }

  get started(): boolean {
    return this.#source.started;
  }

  start(sink: BodySink): void {
    let wrapped: BodyTaker;
    try {
      wrapped = this.#wrap(sink);
    } catch (error) {
      this.#owner.reportThrown(error);
      return;
    }
    const taker = new GuardedTaker(wrapped, this.#owner);
    this.#source.start({
      takesFramed: false,
      passesContinue: sink.passesContinue,
      data: (chunk) => taker.data(chunk),
      end: (trailers) => taker.end(trailers),
      abort: (error) => taker.abort(error),
    });
  }

  resume(): void {
    this.#source.resume();
  }

  cancel(): void {
    this.#source.cancel();
  }
}

/** Lets the route's policies have the request body; answers undefined to go on, or a reply. */
export function takeRequestBody(
  exchange: Exchange,
  needs: readonly BodyNeed[],
  owner: TakersOwner,
  done: (reply: Reply | undefined) => void,
): void {
  step(0);

  function step(from: number): void {
    for (let i = from; i < needs.length; i++) {
      const need = needs[i] as BodyNeed;
      const source = exchange.body;
      if (source === null) break;
      if ('stream' in need) {
        exchange.body = new StreamedBody(source, (next) => need.stream(exchange, next), owner);
        // The length may change on the way.
        exchange.headers.remove(contentLength);
        continue;
      }
      if (source.size > need.buffer) {
        done(Reply.refuse(errors.bodyTooLarge));
        return;
      }
      collect(source, need.buffer, (outcome) => {
        if ('code' in outcome) {
          done(Reply.refuse(outcome));
          return;
        }
        Promise.try(() => need.run(exchange, outcome))
          .then((answer) => {
            if (answer instanceof Reply) {
              done(answer);
              return;
            }
            replaceBody(exchange, answer ?? outcome);
            step(i + 1);
          })
          .catch((error: unknown) => owner.reportThrown(error));
      });
      return;
    }
    done(undefined);
  }
}

function replaceBody(exchange: Exchange, bytes: Buffer): void {
  exchange.expectContinue = false;
  exchange.body = bytes.length === 0 ? null : new BufferedBody(bytes);
  exchange.headers.set(contentLength, String(bytes.length));
}

function collect(source: BodySource, limit: number, done: (outcome: Buffer | GatewayError) => void): void {
  const collector = new Collector(limit);
  let over = false;
  source.start({
    takesFramed: false,
    passesContinue: false,
    data(chunk) {
      if (over) return true;
      if (collector.add(chunk)) return true;
      over = true;
      source.cancel();
      done(errors.bodyTooLarge);
      return true;
    },
    end() {
      if (!over) done(collector.bytes());
    },
    abort(error) {
      if (!over) done(error);
    },
  });
}
