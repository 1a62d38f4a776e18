import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import type { BodySink, BodySource, Chunk } from '../../plan/call.ts';

/** What a body asks of the connection that it arrives on. */
export interface BodyOwner {
  /** Somebody wants the bytes: read on, and tell the client to send if it waits for that. */
  bodyWanted(sendContinue: boolean): void;
  bodyResumed(): void;
}

/** A request body on its way in. The connection decodes; this hands over, and forgets when nobody wants the rest. */
export class RequestBody implements BodySource {
  readonly size: number;
  readonly replayable = false;
  started = false;
  /** The last byte has arrived. */
  complete = false;
  /** Nobody wants the rest; it is dropped as it comes. */
  discarded = false;
  /** The taker asked to wait. */
  waiting = false;
  readonly #owner: BodyOwner;
  readonly #expectContinue: boolean;
  #sink: BodySink | null = null;

  constructor(owner: BodyOwner, size: number, expectContinue: boolean) {
    this.#owner = owner;
    this.size = size;
    this.#expectContinue = expectContinue;
  }

  get takesFramed(): boolean {
    return this.#sink?.takesFramed ?? false;
  }

  /** Bytes are taken, even if only to be dropped. */
  get flowing(): boolean {
    return (this.#sink !== null && !this.waiting) || this.discarded;
  }

  start(sink: BodySink): void {
    this.started = true;
    this.#sink = sink;
    this.#owner.bodyWanted(this.#expectContinue && !sink.passesContinue);
  }

  resume(): void {
    if (!this.waiting) return;
    this.waiting = false;
    this.#owner.bodyResumed();
  }

  cancel(): void {
    this.#sink = null;
    this.discarded = true;
    this.waiting = false;
    this.#owner.bodyResumed();
  }

  deliver(chunk: Chunk): void {
    if (this.#sink !== null && !this.#sink.data(chunk)) this.waiting = true;
  }

  finish(trailers: HeaderBlock | null): void {
    this.complete = true;
    const sink = this.#sink;
    this.#sink = null;
    sink?.end(trailers);
  }

  fail(error: GatewayError): void {
    const sink = this.#sink;
    this.#sink = null;
    this.discarded = true;
    sink?.abort(error);
  }
}
