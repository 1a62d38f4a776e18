import { Deadline } from '../base/timers.ts';
import type { CallRunner, Sink, UpstreamCall } from '../plan/call.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';

/** Whose call it is. */
export interface WaitingCallOwner {
  waitedTooLong(waiting: WaitingCall): void;
  /** Nobody wants the answer any more. */
  waitedInVain(waiting: WaitingCall): void;
}

/** A call that waits: for a connection of its own to open, or for its turn when all are in use. */
export class WaitingCall extends Deadline implements CallRunner {
  readonly call: UpstreamCall;
  readonly sink: Sink;
  /** Where its connection is being opened; null: it stands in line. */
  place: PoolEndpoint | null = null;
  /** Milliseconds of `performance.now()` at which that began. */
  since = 0;
  /** Endpoints that refused this call a connection. */
  tried: PoolEndpoint[] | null = null;
  readonly #owner: WaitingCallOwner;
  over = false;

  constructor(call: UpstreamCall, sink: Sink, owner: WaitingCallOwner) {
    super();
    this.call = call;
    this.sink = sink;
    this.#owner = owner;
    call.runner = this;
  }

  /** False: somebody ended it meanwhile. */
  take(): boolean {
    if (this.over) return false;
    this.over = true;
    this.clear();
    this.call.runner = null;
    return true;
  }

  resumeCall(): void {}

  cancelCall(): void {
    if (this.take()) this.#owner.waitedInVain(this);
  }

  expired(): void {
    this.#owner.waitedTooLong(this);
  }
}
