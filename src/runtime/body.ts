import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../base/headers.ts';
import { type BodySink, type BodySource, Chunk, type ResponseHead } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { BodyNeed, BodyTaker } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';

/** Bodies by declared need: untouched bodies never come here; only limits, buffers and streams that a policy asked for. */

const contentLength = fieldName('content-length');

/** Holds a route's largest request body: at once where a length is declared, else while it streams. */
export function limitBody(exchange: Exchange): GatewayError | null {
  const { body } = exchange;
  const { maxBody } = exchange.route;
  if (body === null || maxBody < 0) return null;
  if (body.size > maxBody) return errors.bodyTooLarge;
  if (body.size < 0) exchange.body = new StreamedBody(body, (next) => limiter(next, maxBody));
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

  constructor(source: BodySource, wrap: (next: BodyTaker) => BodyTaker) {
    this.#source = source;
    this.#wrap = wrap;
  }

  get started(): boolean {
    return this.#source.started;
  }

  start(sink: BodySink): void {
    const taker = this.#wrap(sink);
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

/** A body that is here as a whole. */
export class BufferedBody implements BodySource {
  readonly size: number;
  readonly replayable = true;
  started = false;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  start(sink: BodySink): void {
    this.started = true;
    const chunk = new Chunk(this.#bytes);
    chunk.end = chunk.payload = this.#bytes.length;
    chunk.stable = true;
    sink.data(chunk);
    sink.end(null);
  }

  resume(): void {}
  cancel(): void {}
}

/** Collects bytes up to a bound; past it `done` gets null once. */
class Collector {
  readonly #limit: number;
  readonly #pieces: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: past the bound. */
  add(chunk: Chunk): boolean {
    this.#length += chunk.end - chunk.start;
    if (this.#length > this.#limit) return false;
    this.#pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    return true;
  }

  bytes(): Buffer {
    return this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#length);
  }
}

/** Lets the route's policies have the request body; answers undefined to go on, a reply, or what was thrown. */
export function takeRequestBody(
  exchange: Exchange,
  needs: readonly BodyNeed[],
  done: (outcome: Reply | undefined | Error) => void,
): void {
  step(0);

  function step(from: number): void {
    for (let i = from; i < needs.length; i++) {
      const need = needs[i] as BodyNeed;
      const source = exchange.body;
      if (source === null) break;
      if ('stream' in need) {
        exchange.body = new StreamedBody(source, (next) => need.stream(exchange, next));
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
        Promise.try(() => need.run(exchange, outcome)).then(
          (answer) => {
            if (answer instanceof Reply) {
              done(answer);
              return;
            }
            replaceBody(exchange, answer ?? outcome);
            step(i + 1);
          },
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
        );
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

/** A response body's way through the route's policies. */
export interface ResponseTakers {
  readonly first: BodyTaker;
}

interface LastTaker {
  sendData(chunk: Chunk): boolean;
  abort(): void;
}

/**
 * Puts the route's policies between the upstream's body and the client. Lengths may change, so the body goes out chunked;
 * a whole-body policy that answers with a reply is too late for the status, and only its bytes count.
 */
export function responseTakers(
  exchange: Exchange,
  head: ResponseHead,
  needs: readonly BodyNeed[],
  client: LastTaker,
  complete: (trailers: HeaderBlock | null) => void,
): ResponseTakers {
  head.headers.remove(contentLength);
  head.framing = 'chunked';
  head.contentLength = -1;
  let taker: BodyTaker = {
    data(chunk) {
      exchange.responseBytes += chunk.payload;
      return client.sendData(chunk);
    },
    end: complete,
    abort() {
      client.abort();
    },
  };
  for (let i = needs.length - 1; i >= 0; i--) {
    const need = needs[i] as BodyNeed;
    taker = 'stream' in need ? need.stream(exchange, taker) : bufferedTaker(exchange, need, taker);
  }
  return { first: taker };
}

function bufferedTaker(exchange: Exchange, need: Extract<BodyNeed, { buffer: number }>, next: BodyTaker): BodyTaker {
  const collector = new Collector(need.buffer);
  let over = false;
  exchange.retained = true;
  return {
    data(chunk) {
      if (!over && !collector.add(chunk)) {
        over = true;
        next.abort(errors.upstreamMalformed);
      }
      return true;
    },
    end(trailers) {
      if (over) return;
      const bytes = collector.bytes();
      Promise.try(() => need.run(exchange, bytes)).then(
        (answer) => {
          const out = answer instanceof Buffer ? answer : bytes;
          const chunk = new Chunk(out);
          chunk.end = chunk.payload = out.length;
          chunk.stable = true;
          if (out.length > 0) next.data(chunk);
          next.end(trailers);
        },
        () => next.abort(errors.internal),
      );
    },
    abort(error) {
      next.abort(error);
    },
  };
}
