import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../plan/call.ts';
import { Deadline } from '../runtime/timers.ts';

/** A route's `timeout`: one bound on everything behind it, attempts and their pauses included. */
export function withDeadline(milliseconds: number, next: Dispatch): Dispatch {
  return function deadline(call, sink) {
    const timed = new TimedSink(call, sink);
    timed.start(milliseconds);
    next(call, timed);
  };
}

class TimedSink extends Deadline implements Sink {
  readonly #call: UpstreamCall;
  readonly #sink: Sink;

  constructor(call: UpstreamCall, sink: Sink) {
    super();
    this.#call = call;
    this.#sink = sink;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  expired(): void {
    // The client went away: the execution has dropped the call, and nobody waits for this one.
    if (this.#call.exchange !== null && this.#call.exchange.call !== this.#call) return;
    this.#call.cancel();
    this.#sink.fail(errors.upstreamTimeout);
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.clear();
    this.#sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    // A tunnel lives as long as its ends like.
    this.clear();
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.clear();
    this.#sink.fail(error);
  }
}
