import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { type BodySink, type BodySource, Chunk } from '../../plan/call.ts';

/**
 * A request body that goes on to the service as it comes and is kept on the way, up to a bound, so that another attempt can
 * send it again. Past the bound what was kept is dropped, and the body goes on like any other.
 */
export class KeptBody implements BodySource, BodySink {
  readonly size: number;
  /** Chunks are kept as data. */
  readonly takesFramed = false;
  readonly passesContinue = true;
  started = false;
  readonly #source: BodySource;
  readonly #limit: number;
  readonly #aborted: (error: GatewayError) => void;
  /** Null: it is too long, or nobody will ask for it again. */
  #kept: Buffer[] | null = [];
  #length = 0;
  /** Null between two attempts. */
  #sink: BodySink | null = null;
  /** How many pieces the present attempt has got. */
  #sent = 0;
  /** It has asked to wait. */
  #isPaused = false;
  /** The source was told to wait. */
  #isHeld = false;
  #isReplaying = false;
  #isComplete = false;
  #trailers: HeaderBlock | null = null;
  /** The last attempt is under way. */
  #isFinal = false;
  #isUnwanted = false;

  /** `aborted`: it broke off between two attempts. */
  constructor(source: BodySource, limit: number, aborted: (error: GatewayError) => void) {
    this.#source = source;
    this.size = source.size;
    this.#limit = limit;
    this.#aborted = aborted;
  }

  get replayable(): boolean {
    return this.#kept !== null;
  }

  start(sink: BodySink): void {
    this.#sink = sink;
    this.#sent = 0;
    this.#isPaused = false;
    this.#isUnwanted = false;
    if (!this.started) {
      this.started = true;
      this.#source.start(this);
      return;
    }
    this.#replay();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#replay();
  }

  /** The attempt wants no more; the next one may. */
  cancel(): void {
    this.#sink = null;
    this.#isUnwanted = true;
    if (this.#isFinal) this.#source.cancel();
  }

  /** The attempt has ended, and there will be another. */
  detach(): void {
    this.#sink = null;
    this.#isUnwanted = false;
  }

  /** There will be no other attempt: nothing needs to be kept any more. */
  finish(): void {
    if (this.#isFinal) return;
    this.#isFinal = true;
    if (!this.#isReplaying && this.#kept !== null && this.#sent >= this.#kept.length) this.#kept = null;
    if (this.#isUnwanted) this.#source.cancel();
  }

  data(chunk: Chunk): boolean {
    const sink = this.#sink;
    const kept = this.#kept;
    if (kept === null) {
      // Nobody wants it and nobody will.
      return sink === null || this.#passOn(sink.data(chunk));
    }
    const isBehind = sink === null || this.#isPaused || this.#isReplaying || this.#sent < kept.length;
    this.#length += chunk.end - chunk.start;
    // What an attempt has not got yet is kept in any case; the source waits then, so that it is one piece at most.
    if (isBehind || (this.#length <= this.#limit && !this.#isFinal)) {
      kept.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    } else {
      this.#kept = null;
    }
    if (isBehind) {
      this.#isHeld = true;
      return false;
    }
    if (this.#kept !== null) this.#sent++;
    return this.#passOn((sink as BodySink).data(chunk));
  }

  end(trailers: HeaderBlock | null): void {
    this.#isComplete = true;
    // The section belongs to the connection, and another attempt may come after its end.
    this.#trailers = trailers === null || this.#kept === null ? trailers : trailers.clone();
    const kept = this.#kept;
    const isBehind = this.#isPaused || this.#isReplaying || (kept !== null && this.#sent < kept.length);
    if (!isBehind) this.#sink?.end(this.#trailers);
  }

  abort(error: GatewayError): void {
    this.#kept = null;
    const sink = this.#sink;
    this.#sink = null;
    if (sink !== null) sink.abort(error);
    else this.#aborted(error);
  }

  #passOn(more: boolean): boolean {
    if (!more) {
      this.#isPaused = true;
      this.#isHeld = true;
    }
    return more;
  }

  /** Hands over what the attempt has not got yet, then lets the source go on. */
  #replay(): void {
    const sink = this.#sink;
    const kept = this.#kept;
    if (kept !== null && !this.#isReplaying) {
      this.#isReplaying = true;
      try {
        while (this.#sent < kept.length) {
          const piece = kept[this.#sent++] as Buffer;
          if (sink === null || this.#sink !== sink) return;
          if (!sink.data(Chunk.whole(piece, true))) {
            this.#isPaused = true;
            return;
          }
        }
      } finally {
        this.#isReplaying = false;
      }
      if (this.#length > this.#limit || this.#isFinal) this.#kept = null;
    }
    if (this.#isReplaying) return;
    if (this.#isComplete) {
      sink?.end(this.#trailers);
    } else if (this.#isHeld) {
      this.#isHeld = false;
      this.#source.resume();
    }
  }
}
