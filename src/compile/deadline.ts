import { errors, type GatewayError } from '../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../base/headers.ts';
import { Deadline, wheel } from '../base/timers.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../plan/call.ts';
import type { DeadlineHeader } from '../plan/upstream.ts';
import { parseTimeout } from '../semantics/timeout-field.ts';

/** A route's `timeout`: one bound on everything behind it, attempts and their pauses included. */
export function withDeadline(milliseconds: number, next: Dispatch): Dispatch {
  return function deadline(call, sink) {
    bound(call, sink, milliseconds, next);
  };
}

/** What a client says about how long it waits bounds its call; the service is told by `UpstreamOptions.deadlineHeader`. */
export function withClientDeadline({ name, format }: DeadlineHeader, next: Dispatch): Dispatch {
  const field = fieldName(name);
  return function clientDeadline(call, sink) {
    const given = call.isForOthers ? undefined : call.headers.get(field);
    const milliseconds = given === undefined ? null : parseTimeout(given, format);
    if (milliseconds === null) next(call, sink);
    else bound(call, sink, milliseconds, next);
  };
}

function bound(call: UpstreamCall, sink: Sink, milliseconds: number, next: Dispatch): void {
  const timed = new TimedCall(call, sink);
  timed.inner.deadline = Math.min(call.deadline, wheel.now + milliseconds);
  timed.start(milliseconds);
  next(timed.inner, timed);
}

/** Stands between, so that it hears when nobody wants the answer any more. */
class TimedCall extends Deadline implements Sink, CallRunner {
  readonly inner: UpstreamCall;
  readonly #call: UpstreamCall;
  readonly #sink: Sink;

  constructor(call: UpstreamCall, sink: Sink) {
    super();
    this.inner = call.again();
    this.#call = call;
    this.#sink = sink;
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  expired(): void {
    this.#call.runner = null;
    this.inner.timedOut = true;
    this.inner.cancel();
    this.#sink.fail(errors.upstreamTimeout);
  }

  resumeCall(): void {
    this.inner.resume();
  }

  cancelCall(): void {
    this.#over();
    this.inner.cancel();
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
    this.#over();
    this.#sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    // A tunnel lives as long as its ends like.
    this.#over();
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.#over();
    this.#sink.fail(error);
  }

  #over(): void {
    this.clear();
    this.#call.runner = null;
  }
}
