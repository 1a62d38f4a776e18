import type { GatewayError } from '../../base/gateway-error.ts';
import { fieldName } from '../../base/headers.ts';
import type { LookAlikes } from '../../base/look-alikes.ts';
import { Deadline } from '../../base/timers.ts';
import { BufferedBody } from '../../plan/buffered-body.ts';
import { type Chunk, type Dispatch, type ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { RouteEvent, RouteEventCounter } from '../../plan/route-events.ts';

const marker = fieldName('x-sluice-mirror');

export interface MirrorOptions {
  readonly dispatch: Dispatch;
  readonly maxBody: number;
  readonly timeout: number;
  /** Copies of this worker that may be under way. */
  readonly maxInFlight: number;
  /** Fields that are taken out; null: the copy has what the service would get. */
  readonly withheld: LookAlikes | null;
  readonly counter: RouteEventCounter;
  readonly answered: RouteEvent;
  readonly failed: RouteEvent;
  readonly skipped: RouteEvent;
}

/** Where the copies of a route go. */
export class Mirror {
  readonly options: MirrorOptions;
  #inFlight = 0;

  constructor(options: MirrorOptions) {
    this.options = options;
  }

  /** Of a request as it is now. Null: there is no room for it. */
  begin(call: UpstreamCall, series: number): MirrorCopy | null {
    const { maxInFlight, maxBody, skipped } = this.options;
    if (this.#inFlight >= maxInFlight || (call.body !== null && call.body.size > maxBody)) {
      this.count(series, skipped);
      return null;
    }
    this.#inFlight++;
    return new MirrorCopy(this, call, series);
  }

  ended(series: number, event: RouteEvent): void {
    this.#inFlight--;
    this.count(series, event);
  }

  count(series: number, event: RouteEvent): void {
    this.options.counter.count(series, event);
  }
}

/**
 * A request that nobody waits for: its time and its memory are bounded, its answer is counted and thrown away, and it
 * goes on when the caller has long gone.
 */
export class MirrorCopy extends Deadline implements Sink {
  readonly takesFramed = false;
  readonly #mirror: Mirror;
  readonly #call: UpstreamCall;
  readonly #series: number;
  #pieces: Buffer[] = [];
  #size = 0;
  #isSent = false;
  #status = 0;
  #isOver = false;

  constructor(mirror: Mirror, { method, target, authority, headers }: UpstreamCall, series: number) {
    super();
    this.#mirror = mirror;
    this.#series = series;
    const { withheld, timeout } = mirror.options;
    const fields = headers.clone();
    if (withheld !== null) fields.removeCovered(withheld);
    fields.set(marker, '1');
    this.#call = new UpstreamCall(method, target, authority, fields, null, null);
    this.start(timeout);
  }

  /** A piece of its body. */
  add(chunk: Chunk): void {
    if (this.#isOver) return;
    this.#size += chunk.end - chunk.start;
    if (this.#size > this.#mirror.options.maxBody) this.drop();
    else this.#pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
  }

  /** Its body is whole. */
  send(): void {
    if (this.#isOver) return;
    this.#isSent = true;
    if (this.#size > 0) this.#call.body = new BufferedBody(Buffer.concat(this.#pieces));
    this.#pieces = [];
    try {
      this.#mirror.options.dispatch(this.#call, this);
    } catch {
      // A defect on the way of a copy is nothing to the request that it was made of.
      this.#end(this.#mirror.options.failed);
    }
  }

  /** It is not going to be sent. */
  drop(): void {
    this.#end(this.#mirror.options.skipped);
  }

  expired(): void {
    this.#call.cancel();
    const { failed, skipped } = this.#mirror.options;
    this.#end(this.#isSent ? failed : skipped);
  }

  informational(): void {}

  head({ status }: ResponseHead): void {
    this.#status = status;
  }

  data(): boolean {
    return true;
  }

  end(): void {
    const { answered, failed } = this.#mirror.options;
    this.#end(this.#status >= 500 ? failed : answered);
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.destroy();
    this.#end(this.#mirror.options.failed);
  }

  fail(_error: GatewayError): void {
    this.#end(this.#mirror.options.failed);
  }

  #end(event: RouteEvent): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.clear();
    this.#pieces = [];
    this.#mirror.ended(this.#series, event);
  }
}
