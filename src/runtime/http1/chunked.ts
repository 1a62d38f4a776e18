import type { Chunk } from '../../plan/call.ts';

/**
 * The chunked transfer coding (RFC 9112, 7.1), read as it arrives. Two ways to take it: pieces of chunk data, or, for an
 * HTTP/1.1 taker, the coding itself verbatim, as long as it is canonical (so nothing passes that a lax peer could read
 * differently). Chunk extensions are dropped: they belong to one connection.
 */

const CR = 13;
const LF = 10;
const TAB = 9;
const SEMICOLON = 59;

const state = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailers: 6,
} as const;

/** What `next` found. */
export const chunkedEvent = { more: 0, data: 1, last: 2, error: 3 } as const;

/** RFC 9112, 7.1.1: what comes behind a size is bounded in all, or tiny chunks with long extensions cost without end. */
const MAX_EXTENSION = 4096;
/** 52 bits: exact in a double. */
const MAX_SIZE_DIGITS = 13;

const hex = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  hex[i.toString(16).charCodeAt(0)] = i;
  hex[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

export class ChunkedDecoder {
  #state: number = state.size;
  #remaining = 0;
  #digits = 0;
  #extension = 0;
  /** The chunk at hand is canonical and goes out verbatim. */
  #framed = false;

  /** True between chunks: at the very end of input it tells a complete coding from a cut one. */
  get finished(): boolean {
    return this.#state === state.trailers;
  }

  reset(): void {
    this.#state = state.size;
    this.#remaining = 0;
    this.#digits = 0;
    this.#extension = 0;
    this.#framed = false;
  }

  /** Where to go on after `next`. */
  position = 0;

  /**
   * Reads on and answers an event; for `data`, `chunk` holds the piece. With `verbatim`, all canonical chunks at hand come
   * as one framed piece.
   */
  next(bytes: Buffer, position: number, end: number, verbatim: boolean, chunk: Chunk): number {
    let p = position;
    let runStart = this.#framed && this.#state !== state.size ? position : -1;
    let payload = 0;
    while (p < end) {
      switch (this.#state) {
        case state.size: {
          if (this.#digits === 0) {
            const line = verbatim ? canonicalSize(bytes, p, end) : -1;
            if (line > 0) {
              // The last chunk is never part of a piece: whoever ends the message writes it, with its trailers.
              if (runStart < 0) runStart = p;
              this.#remaining = parsedSize;
              this.#framed = true;
              this.#state = state.data;
              p = line;
              continue;
            }
            if (runStart >= 0) return this.#piece(chunk, bytes, runStart, p, p, payload, true);
            this.#framed = false;
          }
          const value = hex[bytes[p] as number] as number;
          if (value >= 0) {
            if (++this.#digits > MAX_SIZE_DIGITS) return chunkedEvent.error;
            this.#remaining = this.#remaining * 16 + value;
            p++;
          } else if (this.#digits === 0) {
            return chunkedEvent.error;
          } else if (bytes[p] === CR) {
            this.#state = state.sizeLf;
            p++;
          } else if (bytes[p] === SEMICOLON) {
            this.#state = state.extension;
          } else {
            return chunkedEvent.error;
          }
          break;
        }
        case state.extension: {
          const byte = bytes[p] as number;
          if (byte === CR) this.#state = state.sizeLf;
          else if ((byte < 32 && byte !== TAB) || byte === 127 || ++this.#extension > MAX_EXTENSION)
            return chunkedEvent.error;
          p++;
          break;
        }
        case state.sizeLf:
          if (bytes[p] !== LF) return chunkedEvent.error;
          p++;
          this.#digits = 0;
          if (this.#remaining === 0) {
            this.#state = state.trailers;
            this.position = p;
            return chunkedEvent.last;
          }
          this.#state = state.data;
          break;
        case state.data: {
          const take = Math.min(this.#remaining, end - p);
          this.#remaining -= take;
          if (this.#remaining === 0) this.#state = state.dataCr;
          if (this.#framed) {
            payload += take;
            p += take;
            break;
          }
          return this.#piece(chunk, bytes, p, p + take, p + take, take, false);
        }
        case state.dataCr:
          if (bytes[p] !== CR) return chunkedEvent.error;
          this.#state = state.dataLf;
          p++;
          break;
        case state.dataLf:
          if (bytes[p] !== LF) return chunkedEvent.error;
          this.#state = state.size;
          p++;
          break;
        default:
          this.position = p;
          return chunkedEvent.last;
      }
    }
    if (runStart >= 0 && p > runStart) return this.#piece(chunk, bytes, runStart, p, p, payload, true);
    this.position = p;
    return chunkedEvent.more;
  }

  #piece(
    chunk: Chunk,
    bytes: Buffer,
    start: number,
    end: number,
    next: number,
    payload: number,
    framed: boolean,
  ): number {
    chunk.bytes = bytes;
    chunk.start = start;
    chunk.end = end;
    chunk.framed = framed;
    chunk.payload = payload;
    this.position = next;
    return chunkedEvent.data;
  }
}

let parsedSize = 0;

/**
 * The offset after a canonical, non-zero chunk-size line that is here as a whole (size in `parsedSize`), or -1:
 * hexadecimal digits without leading zeros and without extensions.
 */
function canonicalSize(bytes: Buffer, start: number, end: number): number {
  let p = start;
  let size = 0;
  if (bytes[p] === 48) return -1;
  while (p < end) {
    const value = hex[bytes[p] as number] as number;
    if (value < 0) break;
    size = size * 16 + value;
    p++;
  }
  const digits = p - start;
  if (digits === 0 || digits > MAX_SIZE_DIGITS || p + 1 >= end || bytes[p] !== CR || bytes[p + 1] !== LF) return -1;
  parsedSize = size;
  return p + 2;
}
