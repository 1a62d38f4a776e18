import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { Deadline, wheel } from '../../base/timers.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { RetryBudget } from '../../plan/retry-budget.ts';
import { backoff, retryAfter } from '../../semantics/backoff.ts';
import { isIdempotent } from '../../semantics/idempotent.ts';
import type { RetryConditions } from './conditions.ts';
import { KeptBody } from './kept-body.ts';
import type { RetryOptions } from './options.ts';

const idempotencyKey = fieldName('idempotency-key');
const retryAfterField = fieldName('retry-after');

/** So much of an answer that is given up is read to its end, which saves a connection. */
const MAX_DISCARD = 16 * 1024;
const DISCARD_MS = 1_000;

export interface Retrying {
  readonly next: Dispatch;
  readonly options: RetryOptions;
  readonly conditions: RetryConditions;
  readonly budget: RetryBudget;
  /** Milliseconds for all attempts together; 0: no bound. */
  readonly total: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

export function retrying(target: Retrying): Dispatch {
  const { budget } = target;
  return function retry(call, sink) {
    budget.called();
    new RetriedCall(call, sink, target).attempt();
  };
}

/** One call with as many attempts as it needs and may have. What has passed an answer's head on makes no other. */
class RetriedCall extends Deadline implements Sink, CallRunner {
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  readonly #retrying: Retrying;
  /** The same for all attempts: they come one after the other. */
  readonly #inner: UpstreamCall;
  readonly #body: KeptBody | null;
  #attempts = 0;
  #hasPassed = false;
  /** The answer is given up, and its rest read, before so many milliseconds of pause; -1: it is not. */
  #pauseAfter = -1;
  #discarded = 0;
  #pause: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(call: UpstreamCall, sink: Sink, retrying: Retrying) {
    super();
    const inner = call.again();
    const { total, options } = retrying;
    if (total > 0) inner.deadline = Math.min(inner.deadline, wheel.now + total);
    this.#call = call;
    this.#sink = sink;
    this.#retrying = retrying;
    this.#inner = inner;
    this.#body = keptBodyOf(call, options, (error) => this.#bodyBroke(error));
    if (this.#body !== null) inner.body = this.#body;
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  attempt(): void {
    const { options, next } = this.#retrying;
    this.#pause = null;
    this.#attempts++;
    const rest = this.#retrying.total > 0 ? this.#inner.deadline - wheel.now : Number.POSITIVE_INFINITY;
    const limit = options.perTryTimeout > 0 ? Math.min(options.perTryTimeout, rest) : rest;
    if (limit !== Number.POSITIVE_INFINITY) this.start(Math.max(0, limit));
    next(this.#inner, this);
  }

  resumeCall(): void {
    this.#inner.resume();
  }

  cancelCall(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#inner.cancel();
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    this.clear();
    const { conditions } = this.#retrying;
    if (conditions.hasStatus(head.status)) {
      const pause = this.#pauseFor(head, false);
      if (pause >= 0 && this.#take()) {
        this.#discard(head, pause);
        return;
      }
    }
    this.#pass();
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    if (this.#pauseAfter < 0) return this.#sink.data(chunk);
    this.#discarded += chunk.end - chunk.start;
    if (this.#discarded > MAX_DISCARD) this.#giveUpRest();
    return true;
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#pauseAfter >= 0) {
      this.#repeat(this.#pauseAfter);
      return;
    }
    this.#finish();
    this.#sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#pass();
    this.#finish();
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    if (this.#pauseAfter >= 0) {
      this.#repeat(this.#pauseAfter);
      return;
    }
    this.clear();
    if (!this.#hasPassed && this.#retrying.conditions.hasError(error)) {
      const pause = this.#pauseFor(null, error.retry === 'yes');
      if (pause >= 0 && this.#take()) {
        this.#repeat(pause);
        return;
      }
    }
    this.#pass();
    this.#finish();
    this.#sink.fail(error);
  }

  /** An attempt takes too long, or the rest of an answer that nobody wants. */
  expired(): void {
    if (this.#pauseAfter >= 0) {
      this.#giveUpRest();
      return;
    }
    this.#inner.timedOut = true;
    this.#inner.cancel();
    this.fail(errors.upstreamTimeout);
  }

  /**
   * How long to wait before another attempt; -1: there may be none. `isUnsent`: nothing of the request has reached the
   * service.
   */
  #pauseFor(answer: ResponseHead | null, isUnsent: boolean): number {
    const { options, random } = this.#retrying;
    const { body, method, headers } = this.#inner;
    if (this.#attempts >= options.attempts) return -1;
    if (body?.started && !body.replayable) return -1;
    if (!isUnsent && !isIdempotent(method) && !headers.has(idempotencyKey)) return -1;
    let pause = backoff(options.backoff, this.#attempts, random());
    const asked = answer?.headers.get(retryAfterField);
    if (asked !== undefined) {
      const wait = retryAfter(asked, Date.now()) ?? 0;
      if (wait > options.maxRetryAfter) return -1;
      pause = Math.max(pause, wait);
    }
    // With no time left for an answer, the one at hand is better than none.
    return wheel.now + pause < this.#inner.deadline ? pause : -1;
  }

  #take(): boolean {
    return this.#retrying.budget.take('retry');
  }

  /** Short ones are read to their end, so that the connection can be used again. */
  #discard({ framing, contentLength }: ResponseHead, pause: number): void {
    this.#pauseAfter = pause;
    this.#discarded = 0;
    if (framing === 'close' || contentLength > MAX_DISCARD) this.#giveUpRest();
    else this.start(DISCARD_MS);
  }

  #giveUpRest(): void {
    this.#inner.cancel();
    this.#repeat(this.#pauseAfter);
  }

  #repeat(pause: number): void {
    const inner = this.#inner;
    this.clear();
    this.#pauseAfter = -1;
    this.#body?.detach();
    if (inner.endpoint !== null) inner.avoided = [...(inner.avoided ?? []), inner.endpoint];
    inner.runner = null;
    inner.timedOut = false;
    // Who waits for 100 (Continue) has had it, or need not wait any more.
    if (inner.body?.started) inner.expectContinue = false;
    this.#pause = setTimeout(() => this.attempt(), pause);
  }

  #bodyBroke(error: GatewayError): void {
    if (this.#isOver) return;
    this.#finish();
    this.#sink.fail(error);
  }

  /** What comes from here on is the client's: there will be no other attempt. */
  #pass(): void {
    if (this.#hasPassed) return;
    this.#hasPassed = true;
    this.#body?.finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.clear();
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#pause = null;
    this.#call.runner = null;
  }
}

/** Null: there is none, it can be sent again as it is, or it is too long or too risky to send again. */
function keptBodyOf(
  call: UpstreamCall,
  { maxBody, attempts }: RetryOptions,
  aborted: (error: GatewayError) => void,
): KeptBody | null {
  const { body, method, headers } = call;
  if (body === null || body.replayable || attempts < 2 || body.size > maxBody || maxBody === 0) return null;
  if (!isIdempotent(method) && !headers.has(idempotencyKey)) return null;
  return new KeptBody(body, maxBody, aborted);
}
