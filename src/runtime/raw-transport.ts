import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { returnLarge, takeLarge } from './large-buffers.ts';
import { HIGH_WATER, type Ownership, Transport, type TransportOwner } from './transport.ts';

/**
 * The fast way: reads into one buffer shared by all connections of the worker and writes through the stream handle, which
 * answers at once whether the kernel took everything (measured against `data` events and `socket.write`: 2-4 us a
 * request, and no copy of bodies). These handle methods are not documented, so this file is the only one that touches
 * them; where they are missing, `rawStreamOf` says so and the documented way is taken.
 */

/** The size of the shared buffer: more than a socket buffer usually holds for small messages. */
const SHARED_BYTES = 65_536;

const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);

interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
  /** Keeps the bytes in memory: the handle has no more than their address. */
  bytes?: Uint8Array | null;
}
interface StreamHandle {
  onread: (this: StreamHandle) => Buffer | undefined;
  owner?: RawTransport;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}
interface StreamBinding {
  WriteWrap: new () => WriteRequest;
  streamBaseState: Int32Array;
  kReadBytesOrError: number;
  kLastWriteWasAsync: number;
}

const UV_EOF = -4095;

function loadBinding(): StreamBinding | null {
  const load = (process as unknown as { binding?: (name: string) => Partial<StreamBinding> }).binding;
  if (typeof load !== 'function') return null;
  try {
    const found = load.call(process, 'stream_wrap');
    const complete =
      typeof found.WriteWrap === 'function' &&
      found.streamBaseState !== undefined &&
      typeof found.kReadBytesOrError === 'number' &&
      typeof found.kLastWriteWasAsync === 'number';
    return complete ? (found as StreamBinding) : null;
  } catch {
    return null;
  }
}

const binding = loadBinding();

/** Null where this Node has no such handles. */
export function rawStreamOf(socket: Socket): RawStream | null {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle;
  if (binding === null || handle === null || typeof handle.useUserBuffer !== 'function') return null;
  return { handle, binding };
}

interface RawStream {
  readonly handle: StreamHandle;
  readonly binding: StreamBinding;
}

export class RawTransport extends Transport {
  protected readonly handle: StreamHandle;
  protected readonly binding: StreamBinding;
  #buffer: Buffer = shared;
  #next: Buffer = shared;
  #lent = 0;
  #idle = false;
  #reading = false;
  /** The peer has sent its last byte. */
  #ended = false;
  /** Bytes, and perhaps the end, that came before reading began or although it was stopped. */
  #backlog: Buffer | null;
  #endWaits = false;
  #replaying = false;

  constructor(socket: Socket, owner: TransportOwner, { handle, binding }: RawStream) {
    super(socket, owner);
    this.handle = handle;
    this.binding = binding;
    // What the socket's own stream has read already (behind a PROXY header, with a TLS handshake) comes first.
    handle.readStop();
    this.#backlog = socket.readableLength > 0 ? (socket.read() as Buffer | null) : null;
    handle.owner = this;
    handle.useUserBuffer(shared);
    handle.onread = onRead;
  }

  get ownsBuffer(): boolean {
    return this.#buffer !== shared;
  }

  received(): Buffer | undefined {
    const length = this.binding.streamBaseState[this.binding.kReadBytesOrError] as number;
    if (length === 0 || this.socket.destroyed) return undefined;
    if (!this.#reading) {
      // TLS hands out what it has decrypted even when stopped.
      this.#keep(length);
      return undefined;
    }
    if (length > 0) this.owner.onBytes(this.#buffer, length);
    else this.#over(length);
    const next = this.#next;
    if (next === this.#buffer) return undefined;
    // Stopped means that somebody waits to write from it, a further pipelined body perhaps.
    if (this.#buffer !== shared && this.#idle && this.#reading) returnLarge(this.#buffer);
    this.#buffer = next;
    return next;
  }

  #keep(length: number): void {
    if (length > 0) {
      const bytes = this.#buffer.subarray(0, length);
      this.#backlog = this.#backlog === null ? Buffer.from(bytes) : Buffer.concat([this.#backlog, bytes]);
    } else if (length === UV_EOF) {
      this.#endWaits = true;
    } else {
      this.#over(length);
    }
  }

  #over(length: number): void {
    this.#reading = false;
    this.handle.readStop();
    if (length !== UV_EOF) {
      this.socket.destroy(Object.assign(new Error(`reading failed (${length})`), { errno: length }));
      return;
    }
    // TLS knows two ends, its own and that of the connection below it.
    if (this.#ended) return;
    this.#ended = true;
    this.owner.onEnd();
    if (this.ending && !this.socket.destroyed) this.finish();
  }

  pause(): void {
    if (!this.#reading || this.closed) return;
    this.#reading = false;
    this.handle.readStop();
  }

  resume(): void {
    if (this.#reading || this.#ended || this.closed) return;
    this.#reading = true;
    // Whoever takes what had waited may stop and go on meanwhile.
    if (this.#replaying) return;
    if (this.#backlog !== null || this.#endWaits) {
      this.#replay();
      if (!this.#reading || this.socket.destroyed) return;
    }
    const error = this.handle.readStart();
    if (error !== 0) this.socket.destroy(Object.assign(new Error(`reading failed (${error})`), { errno: error }));
  }

  #replay(): void {
    const backlog = this.#backlog;
    this.#backlog = null;
    this.#replaying = true;
    if (backlog !== null) this.owner.onBytes(backlog, backlog.length);
    this.#replaying = false;
    if (this.#endWaits && this.#reading && !this.socket.destroyed) {
      this.#endWaits = false;
      this.#over(UV_EOF);
    }
  }

  useOwnBuffer(): void {
    if (this.#next === shared) this.#next = takeLarge();
  }

  useSharedBuffer(idle: boolean): void {
    // Asked for and never read into: the body came faster than the change of buffers.
    if (idle && this.#next !== this.#buffer && this.#next !== shared) returnLarge(this.#next);
    this.#next = shared;
    this.#idle = idle;
  }

  protected sendText(text: string): void {
    const request = takeRequest(this.binding);
    const error = this.handle.writeLatin1String(request, text);
    this.#settle(request, error, text.length, null, 'given', null);
  }

  protected sendBytes(bytes: Uint8Array, ownership: Ownership, pooled: Buffer | null): void {
    const request = takeRequest(this.binding);
    const error = this.handle.writeBuffer(request, bytes);
    this.#settle(request, error, bytes.length, bytes, ownership, pooled);
  }

  protected finish(): void {
    // The socket's stream saw nothing of what was read: it does not know that the peer has ended.
    if (this.#ended) this.socket.destroySoon();
    else this.socket.end();
  }

  #settle(
    request: WriteRequest,
    error: number,
    length: number,
    bytes: Uint8Array | null,
    ownership: Ownership,
    pooled: Buffer | null,
  ): void {
    if (error !== 0) {
      this.writeFailed(error);
      return;
    }
    if (this.binding.streamBaseState[this.binding.kLastWriteWasAsync] === 0) {
      if (pooled !== null) returnLarge(pooled);
      return;
    }
    // Only now is the request object in use: the spare one is replaced.
    spareRequest = null;
    this.owe(length, ownership);
    request.bytes = bytes;
    request.oncomplete = (status) => {
      if (pooled !== null) returnLarge(pooled);
      this.paid(length, ownership, status);
    };
  }

  /** Bytes wait in the process. */
  protected owe(length: number, ownership: Ownership): void {
    this.outstanding += length;
    if (ownership === 'lent') this.#lent++;
    if (this.#lent > 0 || this.outstanding > HIGH_WATER) this.blocked = true;
  }

  /** They have left, or never will. */
  protected paid(length: number, ownership: Ownership, status: number): void {
    this.outstanding -= length;
    if (ownership === 'lent') this.#lent--;
    if (this.socket.destroyed) return;
    if (status < 0) {
      this.writeFailed(status);
      return;
    }
    if (!this.blocked || this.#lent > 0 || this.outstanding > HIGH_WATER / 2) return;
    this.blocked = false;
    this.owner.onDrain();
  }

  protected writeFailed(error: number): void {
    this.socket.destroy(Object.assign(new Error(`writing failed (${error})`), { errno: error }));
  }
}

function onRead(this: StreamHandle): Buffer | undefined {
  return this.owner?.received();
}

/** A request object is only kept by a write that could not finish at once, so one spare serves nearly all writes. */
let spareRequest: WriteRequest | null = null;
function takeRequest(streams: StreamBinding): WriteRequest {
  spareRequest ??= new streams.WriteWrap();
  return spareRequest;
}
