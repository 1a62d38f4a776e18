import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { RetryBudget } from '../../plan/retry-budget.ts';
import { isUnsafe } from '../../semantics/caching/invalidation.ts';
import type { RetryConditions } from './conditions.ts';
import type { Latencies } from './latencies.ts';

export interface Hedging {
  readonly next: Dispatch;
  /** Answers that are no better than none, as long as another may come. */
  readonly conditions: RetryConditions;
  readonly budget: RetryBudget;
  /** Null: `after` says when. */
  readonly latencies: Latencies | null;
  /** Milliseconds. */
  readonly after: number;
  /** Attempts beside the first. */
  readonly max: number;
}

/**
 * A further attempt beside one that takes long, for requests that only read. Of two that change something, such as DELETE,
 * one would meet what the other has done, and its answer could be the first.
 */
export function hedging(target: Hedging): Dispatch {
  const { next } = target;
  return function hedge(call, sink) {
    if (call.body !== null || call.upgrade !== null || isUnsafe(call.method)) next(call, sink);
    else new HedgedCall(call, sink, target).launch();
  };
}

/** One call as several at the same time. The first good head wins; what else is under way is cancelled. */
class HedgedCall implements CallRunner {
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  readonly #target: Hedging;
  readonly #startedAt = performance.now();
  readonly #legs: Leg[] = [];
  #launched = 0;
  #winner: Leg | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(call: UpstreamCall, sink: Sink, target: Hedging) {
    this.#call = call;
    this.#sink = sink;
    this.#target = target;
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  launch(): void {
    const { next, max } = this.#target;
    const leg = new Leg(this, this.#call.again());
    for (const other of this.#legs) {
      other.remember();
      // It is slow because of where it is, as far as anybody knows.
      const { endpoint } = other.call;
      if (endpoint !== null) leg.call.avoided = [...(leg.call.avoided ?? []), endpoint];
    }
    this.#legs.push(leg);
    this.#launched++;
    next(leg.call, leg);
    if (this.#isOver || this.#winner !== null || this.#launched > max) return;
    const after = this.#target.latencies?.value ?? this.#target.after;
    if (after >= 0) this.#timer = setTimeout(() => this.#hedge(), Math.max(1, Math.round(after)));
  }

  resumeCall(): void {
    this.#winner?.call.resume();
  }

  cancelCall(call: UpstreamCall): void {
    if (this.#isOver) return;
    if (this.#winner === null) this.#learn();
    this.#finish();
    const { timedOut } = call;
    for (const leg of this.#legs.splice(0)) {
      leg.call.timedOut = timedOut;
      leg.call.cancel();
    }
  }

  informational(leg: Leg, head: ResponseHead): void {
    if (this.#legs.length === 1 || leg === this.#winner) this.#sink.informational(head);
  }

  head(leg: Leg, head: ResponseHead): void {
    if (this.#legs.length > 1 && this.#target.conditions.hasStatus(head.status)) {
      this.#drop(leg);
      return;
    }
    this.#win(leg);
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  end(leg: Leg, trailers: HeaderBlock | null): void {
    if (this.#winner === null) this.#win(leg);
    this.#finish();
    this.#sink.end(trailers);
  }

  upgrade(leg: Leg, head: ResponseHead, tunnel: Tunnel): void {
    this.#win(leg);
    this.#finish();
    this.#sink.upgrade(head, tunnel);
  }

  fail(leg: Leg, error: GatewayError): void {
    if (this.#winner === null && this.#legs.length > 1) {
      this.#remove(leg);
      return;
    }
    this.#finish();
    this.#sink.fail(error);
  }

  #hedge(): void {
    this.#timer = null;
    if (!this.#target.budget.take('hedge')) return;
    this.launch();
  }

  #win(leg: Leg): void {
    this.#learn();
    this.#winner = leg;
    leg.recall();
    this.#stopWaiting();
    for (const other of this.#legs.splice(0)) if (other !== leg) other.call.cancel();
    this.#legs.push(leg);
  }

  /** What the first attempt took; when another one won, that it took at least so long. */
  #learn(): void {
    this.#target.latencies?.add(performance.now() - this.#startedAt);
  }

  #drop(leg: Leg): void {
    this.#remove(leg);
    leg.call.cancel();
  }

  #remove(leg: Leg): void {
    this.#legs.splice(this.#legs.indexOf(leg), 1);
  }

  #stopWaiting(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #finish(): void {
    this.#isOver = true;
    this.#stopWaiting();
    this.#call.runner = null;
  }
}

/** One of the attempts. */
class Leg implements Sink {
  readonly call: UpstreamCall;
  readonly #owner: HedgedCall;
  #address: string | null = null;
  #startedAt = 0;

  constructor(owner: HedgedCall, call: UpstreamCall) {
    this.#owner = owner;
    this.call = call;
  }

  get takesFramed(): boolean {
    return this.#owner.takesFramed;
  }

  /** What the exchange says about this attempt, before the next one says something else. */
  remember(): void {
    const { exchange } = this.call;
    if (exchange === null || this.#address !== null) return;
    this.#address = exchange.upstreamAddress;
    this.#startedAt = exchange.upstreamStartedAt;
  }

  /** It is this attempt that the exchange is about. */
  recall(): void {
    const { exchange } = this.call;
    if (exchange === null || this.#address === null) return;
    exchange.upstreamAddress = this.#address;
    exchange.upstreamStartedAt = this.#startedAt;
  }

  informational(head: ResponseHead): void {
    this.#owner.informational(this, head);
  }

  head(head: ResponseHead): void {
    this.#owner.head(this, head);
  }

  data(chunk: Chunk): boolean {
    return this.#owner.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.#owner.end(this, trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#owner.upgrade(this, head, tunnel);
  }

  fail(error: GatewayError): void {
    this.#owner.fail(this, error);
  }
}
