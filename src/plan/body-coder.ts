import type { Transform } from 'node:stream';
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { ContentCoding } from '../semantics/content-coding.ts';
import { Chunk } from './call.ts';

/** Puts content codings on bodies and takes them off: short ones at once, others on their way in the thread pool. */

/** A coding and how much work goes into it. */
export interface Encoding {
  readonly coding: ContentCoding;
  readonly level: number;
}

/** Who has a body encoded or decoded. */
export interface CoderOwner {
  /** False: wait for `BodyCoder.resume`. */
  coded(chunk: Chunk): boolean;
  /** It takes input again. */
  drained(): void;
  /** Everything has come out. */
  ended(): void;
  /** What came in is not in that coding, or is a bomb; nothing more comes. */
  failed(): void;
}

/** Input that may wait for its turn in the thread pool before its source is stopped. */
const HIGH_WATER = 65_536;
/** RFC 9659, 3: what a client must be able to undo. Larger ones would cost the client and us that much memory. */
const ZSTD_WINDOW_LOG = 23;
/**
 * Windows of 512 KiB: a larger one takes megabytes for each body under way, and finds next to nothing more in bodies
 * of the usual sizes.
 */
const WINDOW_LOG = 19;
/** A body that grows by more than this is a bomb, once it is so long that it matters: some text repeats itself. */
const MAX_RATIO = 200;
const HARMLESS_BYTES = 16_777_216;

export class BodyCoder {
  readonly #stream: Transform;
  readonly #owner: CoderOwner;
  readonly #maxRatio: number;
  readonly #written: () => void;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #taken = 0;
  #given = 0;
  #busy = false;
  #blocked = false;
  /** The input is complete. */
  #ending = false;
  /** The output is. */
  #complete = false;
  #closed = false;

  private constructor(stream: Transform, maxRatio: number, owner: CoderOwner) {
    this.#stream = stream;
    this.#maxRatio = maxRatio;
    this.#owner = owner;
    this.#written = () => this.#next();
    stream.on('data', (bytes: Buffer) => this.#output(bytes));
    stream.on('end', () => this.#ended());
    stream.on('error', () => this.#failed());
  }

  /** `isFlowing`: somebody waits for what is there already, so that each piece comes out as soon as it went in. */
  static encoder(encoding: Encoding, length: number, isFlowing: boolean, owner: CoderOwner): BodyCoder {
    return new BodyCoder(encodingStream(encoding, length, isFlowing), Number.POSITIVE_INFINITY, owner);
  }

  static decoder(coding: ContentCoding, owner: CoderOwner): BodyCoder {
    return new BodyCoder(decodingStream(coding), MAX_RATIO, owner);
  }

  /** False: wait for `drained`. */
  write(chunk: Chunk): boolean {
    // Behind the end of what is coded stands nothing that anybody could read.
    if (this.#closed || this.#complete) return true;
    const length = chunk.end - chunk.start;
    if (length === 0) return !this.#blocked;
    this.#waiting.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    this.#waitingBytes += length;
    if (!this.#busy) this.#feed();
    if (this.#waitingBytes >= HIGH_WATER) this.#blocked = true;
    return !this.#blocked;
  }

  /** The input is complete. */
  end(): void {
    if (this.#closed) return;
    this.#ending = true;
    if (this.#complete) this.#owner.ended();
    else if (!this.#busy) this.#feed();
  }

  /** The output is taken again. */
  resume(): void {
    if (!this.#closed) this.#stream.resume();
  }

  /** Nobody wants the rest: its memory is free once the thread pool has let go of it. */
  destroy(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#stream.destroy();
  }

  /** All that waits is one piece of work: the busier the coder, the larger the pieces. */
  #feed(): void {
    const bytes = this.#waiting.length === 1 ? (this.#waiting[0] as Buffer) : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#taken += bytes.length;
    this.#busy = true;
    if (this.#ending) this.#stream.end(bytes);
    else this.#stream.write(bytes, this.#written);
  }

  #next(): void {
    this.#busy = false;
    if (this.#closed || this.#complete) return;
    if (this.#waiting.length > 0 || this.#ending) this.#feed();
    this.#unblock();
  }

  #unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#owner.drained();
  }

  #output(bytes: Buffer): void {
    if (this.#closed) return;
    this.#given += bytes.length;
    if (this.#given > HARMLESS_BYTES && this.#given > this.#taken * this.#maxRatio) this.#failed();
    else if (!this.#owner.coded(Chunk.whole(bytes, true))) this.#stream.pause();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#complete = true;
    if (this.#ending) {
      this.destroy();
      this.#owner.ended();
      return;
    }
    // The source has still to end.
    this.#waiting = [];
    this.#unblock();
  }

  #failed(): void {
    if (this.#closed) return;
    this.destroy();
    this.#owner.failed();
  }
}

function encodingStream({ coding, level }: Encoding, length: number, isFlowing: boolean): Transform {
  switch (coding) {
    case 'br':
      return createBrotliCompress({
        params: brotliParameters(level, length),
        flush: isFlowing ? constants.BROTLI_OPERATION_FLUSH : constants.BROTLI_OPERATION_PROCESS,
      });
    case 'zstd':
      return createZstdCompress({
        params: zstdParameters(level),
        flush: isFlowing ? constants.ZSTD_e_flush : constants.ZSTD_e_continue,
      });
    case 'gzip':
      return createGzip({ level, flush: isFlowing ? constants.Z_SYNC_FLUSH : constants.Z_NO_FLUSH });
  }
}

function decodingStream(coding: ContentCoding): Transform {
  switch (coding) {
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
    case 'gzip':
      return createGunzip();
  }
}

function brotliParameters(level: number, length: number): Record<number, number> {
  return {
    [constants.BROTLI_PARAM_QUALITY]: level,
    [constants.BROTLI_PARAM_LGWIN]: WINDOW_LOG,
    [constants.BROTLI_PARAM_SIZE_HINT]: Math.max(length, 0),
  };
}

function zstdParameters(level: number): Record<number, number> {
  return { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: WINDOW_LOG };
}

/** A whole body at once, on this thread: only for short ones. */
export function encodeWhole({ coding, level }: Encoding, bytes: Buffer): Buffer {
  switch (coding) {
    case 'br':
      return brotliCompressSync(bytes, { params: brotliParameters(level, bytes.length) });
    case 'zstd':
      return zstdCompressSync(bytes, { params: zstdParameters(level) });
    case 'gzip':
      return gzipSync(bytes, { level });
  }
}

/** The same back, up to a length: for who needs the body as the service made it. */
export function decodeWhole(
  coding: ContentCoding,
  bytes: Buffer,
  maxLength: number,
): Buffer | 'malformed' | 'too long' {
  const options = { maxOutputLength: maxLength };
  try {
    switch (coding) {
      case 'br':
        return brotliDecompressSync(bytes, options);
      case 'zstd':
        return zstdDecompressSync(bytes, {
          ...options,
          params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
        });
      case 'gzip':
        return gunzipSync(bytes, options);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too long' : 'malformed';
  }
}
