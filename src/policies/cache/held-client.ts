import type { HeaderBlock } from '../../base/headers.ts';
import { Chunk, type Sink } from '../../plan/call.ts';

/** What one worker keeps in memory for clients that are slower than the services whose responses they wait for. */
const MAX_HELD = 32 * 1024 * 1024;
let heldByAll = 0;

const piece = new Chunk(Buffer.alloc(0));

/**
 * The client for whom a response is fetched that others wait for too: however slowly it takes its bytes, the others get
 * theirs. What it has not taken is held here, up to a bound.
 */
export class HeldClient {
  readonly #sink: Sink;
  /** Of the body, the part that it wants. */
  readonly #start: number;
  readonly #end: number;
  #at = 0;
  #isFull = false;
  #pieces: Buffer[] = [];
  #hasEnded = false;
  #trailers: HeaderBlock | null = null;

  constructor(sink: Sink, start = 0, end = Number.POSITIVE_INFINITY) {
    this.#sink = sink;
    this.#start = start;
    this.#end = end;
  }

  /** Nothing stands between it and what comes. */
  get isDirect(): boolean {
    return this.isWhole && this.#pieces.length === 0;
  }

  get isWhole(): boolean {
    return this.#start === 0 && this.#end === Number.POSITIVE_INFINITY;
  }

  /** False: it takes no more, and nothing may be held, or too much is already. */
  data(chunk: Chunk, mayHold: boolean): boolean {
    // Whoever reads on does not leave its bytes untouched.
    if (mayHold) chunk.stable = false;
    if (this.isWhole && this.#pieces.length === 0 && !(this.#isFull && mayHold)) {
      this.#isFull = !this.#sink.data(chunk);
      return !this.#isFull || (mayHold && heldByAll < MAX_HELD);
    }
    const start = chunk.start + Math.max(0, this.#start - this.#at);
    const end = Math.min(chunk.end, chunk.start + this.#end - this.#at);
    this.#at += chunk.end - chunk.start;
    if (start >= end) return true;
    if (this.#isFull) this.#hold(chunk.bytes, start, end);
    else this.#isFull = !this.#sink.data(pieceOf(chunk.bytes, start, end));
    return !this.#isFull || (mayHold && heldByAll < MAX_HELD);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#pieces.length === 0) {
      this.#sink.end(this.isWhole ? trailers : null);
      return;
    }
    this.#hasEnded = true;
    this.#trailers = this.isWhole && trailers !== null ? trailers.clone() : null;
  }

  /** It takes data again. False: not much of it. */
  resume(): boolean {
    this.#isFull = false;
    while (this.#pieces.length > 0 && !this.#isFull) {
      const bytes = this.#pieces.shift() as Buffer;
      heldByAll -= bytes.length;
      this.#isFull = !this.#sink.data(pieceOf(bytes, 0, bytes.length));
    }
    if (this.#pieces.length === 0 && this.#hasEnded) this.#sink.end(this.#trailers);
    return !this.#isFull;
  }

  /** Nobody wants it any more. */
  drop(): void {
    for (const bytes of this.#pieces) heldByAll -= bytes.length;
    this.#pieces = [];
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    heldByAll += end - start;
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }
}

function pieceOf(bytes: Buffer, start: number, end: number): Chunk {
  piece.bytes = bytes;
  piece.start = start;
  piece.end = end;
  piece.payload = end - start;
  return piece;
}
