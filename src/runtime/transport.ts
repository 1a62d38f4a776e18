import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Chunk } from '../plan/call.ts';
import { LARGE_BYTES, takeLarge } from './large-buffers.ts';
import { type Flushable, flushLater } from './turn.ts';

/**
 * One byte stream (TCP, TLS or Unix socket), in two ways: `RawTransport` works on the stream handle, `StreamTransport`
 * does the same with the documented interface, and `transport.test.ts` runs one suite on both.
 */

export interface TransportOwner {
  /** Bytes `[0, length)`; valid during the call, or until `resume` if the transport owns its buffer and was paused. */
  onBytes(bytes: Buffer, length: number): void;
  /** The peer will send no more. */
  onEnd(): void;
  /** What was written has left, after a write that answered false. */
  onDrain(): void;
  /** Once, after which nothing else comes. */
  onClose(error: Error | null): void;
}

/** Text up to this size is tried at once by Node (`StreamBase::WriteString`); longer text is copied and queued. */
const TEXT_BYTES = 16_384;
/**
 * Pieces up to this size become text and wait for the end of the turn; longer ones are copied once instead of three times,
 * unless writes wait already: their buffers would be new ones, and many (66 MiB of garbage for 96 MiB over TLS).
 */
const GATHERED_BYTES = 2_048;
/** To copy a longer piece costs more than a system call of its own. */
const COPIED_BYTES = 32_768;
/** Bytes that may wait in the process for a slow reader before its source is paused. */
export const HIGH_WATER = 65_536;

/**
 * Whose the bytes of a write are: `lent` by a reader that waits while `blocked`, `given` for good, or in a `pooled` buffer
 * that goes back when they have left.
 */
export type Ownership = 'lent' | 'given' | 'pooled';

export abstract class Transport implements Flushable {
  readonly socket: Socket;
  owner: TransportOwner;
  /** A write answered false and `onDrain` has not come yet. */
  blocked = false;
  closed = false;
  protected pendingText = '';
  /** Our side has ended, or will once what is written has left. */
  protected ending = false;
  protected failure: Error | null = null;
  /** Bytes that wait in the process. */
  protected outstanding = 0;
  #queued = false;

  constructor(socket: Socket, owner: TransportOwner) {
    this.socket = socket;
    this.owner = owner;
    socket.on('close', () => {
      if (this.closed) return;
      this.closed = true;
      this.blocked = false;
      this.owner.onClose(this.failure);
    });
    socket.on('error', (error) => {
      this.failure = error;
    });
  }

  /** Bytes have not left the process yet. */
  get waiting(): boolean {
    return this.outstanding > 0;
  }

  /** Text (latin1) that leaves at the end of this turn, together with what else is written. */
  write(text: string): void {
    if (this.pendingText !== '') {
      if (this.pendingText.length + text.length > TEXT_BYTES) this.flush();
      this.pendingText += text;
    } else {
      this.pendingText = text;
    }
    this.#flushLater();
  }

  /** Body bytes. False: too much waits for the peer; hold on until `onDrain`. */
  writeChunk(chunk: Chunk): boolean {
    const length = chunk.end - chunk.start;
    if ((length <= GATHERED_BYTES || this.outstanding > 0) && this.pendingText.length + length <= TEXT_BYTES) {
      this.pendingText += chunk.bytes.latin1Slice(chunk.start, chunk.end);
      this.#flushLater();
    } else if (chunk.stable && (this.pendingText === '' || length > COPIED_BYTES)) {
      if (this.pendingText !== '') this.flush();
      if (!this.closed) this.sendBytes(chunk.bytes.subarray(chunk.start, chunk.end), 'lent', null);
    } else {
      this.#sendCopy(chunk, this.pendingText.length + length);
    }
    return !this.blocked;
  }

  /** What waits and the chunk in one system call, from a buffer that outlives this turn. */
  #sendCopy(chunk: Chunk, length: number): void {
    // Large buffers are for writes that leave at once: to a slow reader they would lend more than it is owed.
    const pooled = this.outstanding === 0 && length <= LARGE_BYTES ? takeLarge() : null;
    const copy = pooled ?? Buffer.allocUnsafeSlow(length);
    const textLength = copy.latin1Write(this.pendingText, 0);
    this.pendingText = '';
    chunk.bytes.copy(copy, textLength, chunk.start, chunk.end);
    if (!this.closed) this.sendBytes(copy.subarray(0, length), pooled === null ? 'given' : 'pooled', pooled);
  }

  /** Bytes of a local body, e.g. a fixed response; the caller does not change them afterwards. */
  writeBytes(bytes: Uint8Array): void {
    if (this.pendingText !== '') this.flush();
    if (!this.closed) this.sendBytes(bytes, 'given', null);
  }

  flush(): void {
    this.#queued = false;
    const text = this.pendingText;
    if (text === '') return;
    this.pendingText = '';
    if (!this.closed) this.sendText(text);
  }

  /** Ends the sending side after what is pending; with both sides ended, the connection is over. */
  end(): void {
    if (this.ending) return;
    this.flush();
    this.ending = true;
    if (!this.closed) this.finish();
  }

  /** At once; what waits is lost, and nothing but `onClose` follows. */
  destroy(): void {
    this.pendingText = '';
    this.socket.destroy();
  }

  /** Ends it so that the peer cannot take it for an orderly end: TCP says RST, TLS omits its close_notify. */
  reset(): void {
    this.pendingText = '';
    const { encrypted } = this.socket as Socket & { encrypted?: boolean };
    if (encrypted === true || this.socket.remoteAddress === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  abstract pause(): void;
  abstract resume(): void;
  /** From the next read on, the connection has its own large buffer, so that written bytes need no copy. */
  abstract useOwnBuffer(): void;
  /** Back to the shared one; `idle`: nobody writes from the own buffer any more, so that it may serve others. */
  abstract useSharedBuffer(idle: boolean): void;
  /** The bytes handed to `onBytes` stay untouched while paused. */
  abstract readonly ownsBuffer: boolean;
  protected abstract sendText(text: string): void;
  protected abstract sendBytes(bytes: Uint8Array, ownership: Ownership, pooled: Buffer | null): void;
  protected abstract finish(): void;

  #flushLater(): void {
    if (this.#queued) return;
    this.#queued = true;
    flushLater(this);
  }
}
