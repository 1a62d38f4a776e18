import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { FallbackKind } from '../../plan/exchange.ts';
import type { RouteEvent, RouteEventCounter } from '../../plan/route-events.ts';
import type { Template } from '../../plan/template.ts';
import { isIdempotent } from '../../semantics/idempotent.ts';
import type { Failures } from './failures.ts';
import { HeldAnswer } from './held-answer.ts';

const marker = fieldName('x-sluice-fallback');

/** Who may answer instead. */
export interface FallbackStep {
  readonly kind: Exclude<FallbackKind, 'stale'>;
  readonly dispatch: Dispatch;
  /** Null: the path that the target was asked for. */
  readonly path: Template | null;
  readonly event: RouteEvent;
}

/** What a route falls back to, compiled. */
export interface FallbackPlan {
  readonly failures: Failures;
  /** Whoever keeps responses may give one past its time. */
  readonly takesStale: boolean;
  readonly staleEvent: RouteEvent;
  readonly steps: readonly FallbackStep[];
  readonly counter: RouteEventCounter;
}

/** A call to a target that has a fallback: the sink of the target's answer, and the runner of whoever answers. */
export class FallbackRun implements Sink, CallRunner {
  readonly #plan: FallbackPlan;
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  /** The call to the target. */
  readonly #first: UpstreamCall;
  /** The one whose answer goes out, or would. */
  #current: UpstreamCall;
  #step = -1;
  /** Why the target failed. */
  #error: GatewayError | null = null;
  /** How it failed, if with an answer: that goes out when no step has a better one. */
  #held: HeldAnswer | null = null;
  #isTargetOut = false;
  #hasAnswered = false;
  /** Requests sent for this exchange before. */
  readonly #attempts: number;

  constructor(plan: FallbackPlan, call: UpstreamCall, sink: Sink) {
    this.#plan = plan;
    this.#call = call;
    this.#sink = sink;
    this.#first = call.again();
    this.#first.acceptsStale = plan.takesStale || call.acceptsStale;
    this.#current = this.#first;
    this.#attempts = call.exchange?.attempts ?? 0;
    call.runner = this;
  }

  run(next: Dispatch): void {
    next(this.#first, this);
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    if (!this.#isTargetOut) this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    const { failures, takesStale, staleEvent } = this.#plan;
    if (takesStale && this.#first.servedStale) {
      this.#call.servedStale = true;
      this.#mark(head, 'stale', staleEvent);
    } else if (failures.hasStatus(head.status)) {
      this.#held = new HeldAnswer(head);
      this.#next();
      return;
    }
    this.#hasAnswered = true;
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    if (this.#isTargetOut) return true;
    return this.#held === null ? this.#sink.data(chunk) : this.#held.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#isTargetOut) return;
    if (this.#held === null) this.finish(trailers);
    else this.#held.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.upgraded(head, tunnel);
  }

  fail(error: GatewayError): void {
    if (this.#isTargetOut) return;
    if (this.#held !== null) {
      this.#held.fail(error);
    } else if (this.#hasAnswered || !this.#plan.failures.hasError(error)) {
      this.failFinally(error);
    } else {
      this.#error = error;
      this.#next();
    }
  }

  resumeCall(): void {
    this.#current.resume();
  }

  cancelCall(): void {
    this.#isTargetOut = true;
    this.#first.cancel();
    if (this.#current !== this.#first) this.#current.cancel();
  }

  /** The next step that can be asked; after the last the target's own failure stands. */
  #next(): void {
    const { steps } = this.#plan;
    while (++this.#step < steps.length) {
      const step = steps[this.#step] as FallbackStep;
      const call = this.#callOf(step);
      if (call === null) continue;
      this.#current = call;
      step.dispatch(call, new StepAnswer(this, this.#sink, call, step, this.#plan.failures));
      return;
    }
    this.#current = this.#first;
    const held = this.#held;
    this.#held = null;
    if (held === null) {
      this.failFinally(this.#error ?? errors.internal);
      return;
    }
    this.#hasAnswered = true;
    this.#sink.head(held.head);
    if (held.releaseBody(this)) this.#first.resume();
  }

  /**
   * Whose body was read already and cannot be read again is not asked for elsewhere. And what is not idempotent goes to
   * another service only while nothing of it was sent: it may have been done, and that service would do it again.
   */
  #callOf({ kind, path }: FallbackStep): UpstreamCall | null {
    const { body, method, upgrade, exchange } = this.#call;
    const call = this.#call.again();
    if (kind === 'respond') return call;
    if (upgrade !== null || (body?.started && !body.replayable)) return null;
    if (kind === 'to' && !isIdempotent(method) && !this.#isUnsent) return null;
    if (path === null) return call;
    const target = exchange === null ? undefined : path.render(exchange);
    if (exchange === null || target === undefined) return null;
    call.target = target.includes('?') || exchange.query === '' ? target : `${target}?${exchange.query}`;
    return call;
  }

  get #isUnsent(): boolean {
    const error = this.#error;
    if (error === null || (this.#call.exchange?.attempts ?? 0) > this.#attempts) return false;
    return error.retry === 'yes' || error === errors.circuitOpen;
  }

  #mark(head: ResponseHead, kind: FallbackKind, event: RouteEvent): void {
    head.headers.set(marker, kind);
    const { exchange } = this.#call;
    if (exchange === null) return;
    exchange.fallback = kind;
    exchange.error = this.#error;
    this.#plan.counter.count(exchange.route.series, event);
  }

  // For steps.

  answeredBy({ kind, event }: FallbackStep, head: ResponseHead): void {
    this.#isTargetOut = true;
    if (this.#held !== null) this.#first.cancel();
    this.#held = null;
    this.#mark(head, kind, event);
  }

  stepFailed(): void {
    this.#next();
  }

  finish(trailers: HeaderBlock | null): void {
    this.#call.runner = null;
    this.#sink.end(trailers);
  }

  upgraded(head: ResponseHead, tunnel: Tunnel): void {
    this.#call.runner = null;
    this.#sink.upgrade(head, tunnel);
  }

  failFinally(error: GatewayError): void {
    this.#isTargetOut = true;
    this.#call.runner = null;
    this.#sink.fail(error);
  }
}

/** The answer of one step. */
class StepAnswer implements Sink {
  readonly #run: FallbackRun;
  readonly #sink: Sink;
  readonly #call: UpstreamCall;
  readonly #step: FallbackStep;
  readonly #failures: Failures;
  #hasAnswered = false;
  #isOut = false;

  constructor(run: FallbackRun, sink: Sink, call: UpstreamCall, step: FallbackStep, failures: Failures) {
    this.#run = run;
    this.#sink = sink;
    this.#call = call;
    this.#step = step;
    this.#failures = failures;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    if (this.#step.kind !== 'respond' && this.#failures.hasStatus(head.status)) {
      this.#isOut = true;
      this.#call.cancel();
      this.#run.stepFailed();
      return;
    }
    this.#hasAnswered = true;
    this.#run.answeredBy(this.#step, head);
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#isOut || this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (!this.#isOut) this.#run.finish(trailers);
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    // Nobody asked for one.
    tunnel.destroy();
    this.fail(errors.upstreamMalformed);
  }

  fail(error: GatewayError): void {
    if (this.#isOut) return;
    if (this.#hasAnswered || error.from === 'client') {
      this.#run.failFinally(error);
      return;
    }
    this.#isOut = true;
    this.#run.stepFailed();
  }
}
