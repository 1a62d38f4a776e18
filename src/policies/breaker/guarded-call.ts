import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { type Circuit, type Outcome, outcome, REFUSED } from '../../plan/breaker.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { Exchange } from '../../plan/exchange.ts';
import type { Failures } from './options.ts';

/** What stands behind one circuit breaker. */
export interface Guarded {
  readonly next: Dispatch;
  readonly circuit: Circuit;
  readonly failures: Failures;
  /** 0: how long it takes does not matter. */
  readonly slowerThan: number;
  /** Null: what is refused is refused; otherwise it is told this, and passes. */
  readonly report: ((exchange: Exchange) => void) | null;
}

export function guarding(guarded: Guarded): Dispatch {
  const { next, circuit, report } = guarded;
  return function breaker(call, sink) {
    const token = circuit.admit();
    if (token === REFUSED) {
      if (report === null) {
        refuse(circuit, call.exchange, sink);
        return;
      }
      if (call.exchange !== null) report(call.exchange);
      next(call, sink);
      return;
    }
    const guardedCall = new GuardedCall(call, sink, guarded, token);
    next(guardedCall.inner, guardedCall);
  };
}

export function refuse(circuit: Circuit, exchange: Exchange | null, sink: Sink): void {
  if (exchange !== null) exchange.retryAfter = circuit.retryAfter();
  sink.fail(errors.circuitOpen);
}

const UNSETTLED = -1;

/** One call behind a circuit breaker: tells it, exactly once, what came of it. */
class GuardedCall implements Sink, CallRunner {
  readonly inner: UpstreamCall;
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  readonly #guarded: Guarded;
  readonly #token: number;
  readonly #startedAt: number;
  /** By the head; it counts when the answer has ended, unless that is cut short. */
  #outcome: Outcome | typeof UNSETTLED = UNSETTLED;
  #isSlow = false;
  #isOver = false;

  constructor(call: UpstreamCall, sink: Sink, guarded: Guarded, token: number) {
    this.inner = call.again();
    this.#call = call;
    this.#sink = sink;
    this.#guarded = guarded;
    this.#token = token;
    this.#startedAt = guarded.slowerThan > 0 ? performance.now() : 0;
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  resumeCall(): void {
    this.inner.resume();
  }

  cancelCall(call: UpstreamCall): void {
    const { inner } = this;
    if (call.timedOut) this.#failed(errors.upstreamTimeout);
    else this.#settle(this.#outcome === UNSETTLED ? outcome.unknown : this.#outcome);
    inner.cancel();
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    const { failures, circuit } = this.#guarded;
    this.#outcome = failures.hasStatus(head.status) ? outcome.failure : outcome.success;
    this.#lookAtTime();
    // A probe has others waiting for it, and some answers never end.
    if (circuit.isProbe(this.#token)) this.#settle(this.#outcome);
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.#settle(this.#outcome === UNSETTLED ? outcome.unknown : this.#outcome);
    this.#call.runner = null;
    this.#sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#lookAtTime();
    this.#settle(outcome.success);
    this.#call.runner = null;
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.#failed(error);
    this.#call.runner = null;
    this.#sink.fail(error);
  }

  /** An error that is not the service's leaves what the head said, if there was one. */
  #failed(error: GatewayError): void {
    const isFailure = this.#guarded.failures.hasError(error);
    if (this.#outcome === UNSETTLED && isFailure !== null) this.#lookAtTime();
    const otherwise = this.#outcome === UNSETTLED ? outcome.unknown : this.#outcome;
    this.#settle(isFailure === true ? outcome.failure : otherwise);
  }

  #lookAtTime(): void {
    const { slowerThan } = this.#guarded;
    this.#isSlow = slowerThan > 0 && performance.now() - this.#startedAt >= slowerThan;
  }

  #settle(result: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#guarded.circuit.settle(this.#token, result, this.#isSlow);
  }
}
