import { performance } from 'node:perf_hooks';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { CallRunner, Chunk, Dispatch, ResponseHead, Sink, Tunnel, UpstreamCall } from '../plan/call.ts';
import { NORMAL } from '../plan/priority.ts';
import { Waiting } from './waiting-line.ts';

/** Where places are to be had, for one guarded target. */
export interface Places {
  readonly next: Dispatch;
  /** What may be under way now. */
  readonly max: number;
  /** The time to the head of an answer is of interest. */
  readonly measures: boolean;
  /** Lets it in, lets it wait or refuses it. */
  arrive(admission: Admission): void;
  withdraw(admission: Admission): void;
  /** It waited for too long. */
  expire(admission: Admission): void;
  leave(admission: Admission): void;
  /** Where that measures. */
  began(admission: Admission): void;
  answered(admission: Admission, status: number): void;
}

const NO_PLACE = -1;

/** One call and its place: taken before the call goes on, given back exactly once, whichever way the call ends. */
export class Admission extends Waiting implements Sink, CallRunner {
  readonly call: UpstreamCall;
  readonly key: string;
  readonly places: Places;
  /** The slot of its gauge while it has a place. */
  place = NO_PLACE;
  /** Milliseconds of `performance.now()`; 0 where nobody measures. */
  admittedAt = 0;
  readonly #sink: Sink;
  #inner: UpstreamCall | null = null;
  #over = false;

  constructor(call: UpstreamCall, sink: Sink, places: Places, key: string) {
    super();
    this.call = call;
    this.key = key;
    this.#sink = sink;
    this.places = places;
    this.priority = call.exchange?.priority ?? NORMAL;
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  /** It has a place. */
  admit(slot: number): void {
    this.place = slot;
    if (this.places.measures) {
      this.admittedAt = performance.now();
      this.places.began(this);
    }
    const inner = this.call.again();
    this.#inner = inner;
    this.places.next(inner, this);
  }

  refuse(): void {
    this.#over = true;
    this.call.runner = null;
    this.#sink.fail(errors.overloaded);
  }

  expired(): void {
    this.places.expire(this);
  }

  resumeCall(): void {
    this.#inner?.resume();
  }

  cancelCall(): void {
    if (this.#over) return;
    if (this.#inner === null) {
      this.#over = true;
      this.places.withdraw(this);
      return;
    }
    this.#inner.cancel();
    this.release();
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    if (this.admittedAt > 0) this.places.answered(this, head.status);
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.release();
    this.#sink.end(trailers);
  }

  /** A tunnel keeps its place for as long as it is open. */
  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.admittedAt = 0;
    this.#sink.upgrade(head, new HeldTunnel(tunnel, this));
  }

  fail(error: GatewayError): void {
    // Too late is slow; whatever failed at once says nothing about how long answers take.
    if (this.admittedAt > 0 && error === errors.upstreamTimeout) this.places.answered(this, error.status);
    this.release();
    this.#sink.fail(error);
  }

  release(): void {
    if (this.#over) return;
    this.#over = true;
    this.call.runner = null;
    this.places.leave(this);
  }
}

/** One side of a tunnel, or what the other side sees of its peer: whichever is gone first gives the place back. */
class HeldTunnel implements Tunnel {
  readonly #to: Tunnel;
  readonly #admission: Admission;

  constructor(to: Tunnel, admission: Admission) {
    this.#to = to;
    this.#admission = admission;
  }

  start(peer: Tunnel): void {
    this.#to.start(new HeldTunnel(peer, this.#admission));
  }

  write(chunk: Chunk): boolean {
    return this.#to.write(chunk);
  }

  resume(): void {
    this.#to.resume();
  }

  end(): void {
    this.#to.end();
  }

  destroy(): void {
    this.#admission.release();
    this.#to.destroy();
  }
}
