import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Chunk } from '../plan/call.ts';
import { enterTurn, type Flushable, flushLater, leaveTurn } from './turn.ts';

/**
 * One byte stream (TCP, TLS or Unix socket). The fast way reads into one buffer shared by all connections of the worker
 * and writes through the stream handle, which answers at once whether the kernel took everything (measured against
 * `data` events and `socket.write`: 2-4 us a request, and no copy of bodies). These handle methods are not documented, so
 * this file is the only one that touches them; `StreamTransport` does the same with the documented interface, and
 * `transport.test.ts` runs one suite on both.
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

/** The size of the shared buffer: more than a socket buffer usually holds for small messages. */
const SHARED_BYTES = 65_536;
/** A connection's own buffer while a large body passes: four times fewer system calls than with the shared one. */
const OWN_BYTES = 262_144;
/** Text up to this size is tried at once by Node (`StreamBase::WriteString`); longer text is copied and queued. */
const TEXT_BYTES = 16_384;
/** Bytes that may wait in the process for a slow reader before its source is paused. */
const HIGH_WATER = 65_536;
const MAX_FREE_BUFFERS = 32;

const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
const freeBuffers: Buffer[] = [];

interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
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

export abstract class Transport implements Flushable {
  readonly socket: Socket;
  owner: TransportOwner;
  /** A write answered false and `onDrain` has not come yet. */
  blocked = false;
  closed = false;
  protected pendingText = '';
  #queued = false;

  constructor(socket: Socket, owner: TransportOwner) {
    this.socket = socket;
    this.owner = owner;
    socket.on('close', () => {
      if (this.closed) return;
      this.closed = true;
      enterTurn();
      this.owner.onClose(this.failure);
      leaveTurn();
    });
    socket.on('error', (error) => {
      this.failure = error;
    });
  }

  protected failure: Error | null = null;

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
    if (this.pendingText.length + length <= TEXT_BYTES) {
      this.pendingText += chunk.bytes.latin1Slice(chunk.start, chunk.end);
      this.#flushLater();
      return !this.blocked;
    }
    if (this.pendingText !== '') this.flush();
    if (length <= TEXT_BYTES) {
      this.pendingText = chunk.bytes.latin1Slice(chunk.start, chunk.end);
      this.#flushLater();
      return !this.blocked;
    }
    const piece = chunk.bytes.subarray(chunk.start, chunk.end);
    this.sendBytes(chunk.stable ? piece : Buffer.from(piece), chunk.stable);
    return !this.blocked;
  }

  /** Bytes of a local body, e.g. a fixed response; the caller does not change them afterwards. */
  writeBytes(bytes: Uint8Array): void {
    if (this.pendingText !== '') this.flush();
    this.sendBytes(bytes, false);
  }

  flush(): void {
    this.#queued = false;
    const text = this.pendingText;
    if (text === '') return;
    this.pendingText = '';
    if (!this.closed) this.sendText(text);
  }

  /** Ends the sending side after what is pending. */
  end(): void {
    this.flush();
    if (!this.closed) this.socket.end();
  }

  destroy(): void {
    this.pendingText = '';
    this.socket.destroy();
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
  /** `lent`: the bytes belong to a reader that waits while `blocked`. */
  protected abstract sendBytes(bytes: Uint8Array, lent: boolean): void;

  #flushLater(): void {
    if (this.#queued) return;
    this.#queued = true;
    flushLater(this);
  }
}

class RawTransport extends Transport {
  #handle: StreamHandle;
  #buffer: Buffer = shared;
  #next: Buffer = shared;
  #outstanding = 0;
  #lent = 0;
  #idle = false;
  #reading = false;
  #backlog: Buffer | null;
  #binding: StreamBinding;

  constructor(socket: Socket, owner: TransportOwner, handle: StreamHandle, streams: StreamBinding) {
    super(socket, owner);
    this.#handle = handle;
    this.#binding = streams;
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
    const length = this.#binding.streamBaseState[this.#binding.kReadBytesOrError] as number;
    if (length === 0 || this.closed) return undefined;
    enterTurn();
    try {
      if (length > 0) {
        this.owner.onBytes(this.#buffer, length);
      } else {
        this.#reading = false;
        this.#handle.readStop();
        if (length === UV_EOF) this.owner.onEnd();
        else this.socket.destroy(Object.assign(new Error(`read failed (${length})`), { errno: length }));
      }
    } finally {
      leaveTurn();
    }
    if (this.#next === this.#buffer) return undefined;
    if (this.#buffer !== shared && this.#idle && freeBuffers.length < MAX_FREE_BUFFERS) freeBuffers.push(this.#buffer);
    this.#buffer = this.#next;
    return this.#buffer;
  }

  pause(): void {
    if (!this.#reading || this.closed) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  resume(): void {
    if (this.#reading || this.closed) return;
    this.#reading = true;
    const backlog = this.#backlog;
    if (backlog !== null) {
      this.#backlog = null;
      enterTurn();
      this.owner.onBytes(backlog, backlog.length);
      leaveTurn();
      if (!this.#reading || this.closed) return;
    }
    const error = this.#handle.readStart();
    if (error !== 0) this.socket.destroy();
  }

  useOwnBuffer(): void {
    if (this.#next === shared) this.#next = freeBuffers.pop() ?? Buffer.allocUnsafeSlow(OWN_BYTES);
  }

  useSharedBuffer(idle: boolean): void {
    this.#next = shared;
    this.#idle = idle;
  }

  protected sendText(text: string): void {
    const request = takeRequest(this.#binding);
    const error = this.#handle.writeLatin1String(request, text);
    this.#settle(request, error, text.length, false);
  }

  protected sendBytes(bytes: Uint8Array, lent: boolean): void {
    const request = takeRequest(this.#binding);
    const error = this.#handle.writeBuffer(request, bytes);
    this.#settle(request, error, bytes.length, lent);
  }

  #settle(request: WriteRequest, error: number, length: number, lent: boolean): void {
    if (error !== 0) {
      this.socket.destroy(Object.assign(new Error(`write failed (${error})`), { errno: error }));
      return;
    }
    if (this.#binding.streamBaseState[this.#binding.kLastWriteWasAsync] === 0) return;
    // Only now is the request object in use: the spare one is replaced.
    spareRequest = null;
    this.#outstanding += length;
    if (lent) this.#lent++;
    if (lent || this.#outstanding > HIGH_WATER) this.blocked = true;
    request.oncomplete = () => {
      this.#outstanding -= length;
      if (lent) this.#lent--;
      if (!this.blocked || this.#lent > 0 || this.#outstanding > HIGH_WATER / 2 || this.closed) return;
      this.blocked = false;
      enterTurn();
      this.owner.onDrain();
      leaveTurn();
    };
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

/** The documented interface of `net.Socket`. */
class StreamTransport extends Transport {
  readonly ownsBuffer = false;
  #outstanding = 0;

  constructor(socket: Socket, owner: TransportOwner) {
    super(socket, owner);
    socket.pause();
    socket.on('data', (bytes: Buffer) => {
      enterTurn();
      this.owner.onBytes(bytes, bytes.length);
      leaveTurn();
    });
    socket.on('end', () => {
      enterTurn();
      this.owner.onEnd();
      leaveTurn();
    });
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  useOwnBuffer(): void {}
  useSharedBuffer(): void {}

  protected sendText(text: string): void {
    this.#sent(text.length);
    this.socket.write(text, 'latin1', () => this.#written(text.length));
  }

  protected sendBytes(bytes: Uint8Array): void {
    this.#sent(bytes.length);
    this.socket.write(bytes, () => this.#written(bytes.length));
  }

  #sent(length: number): void {
    this.#outstanding += length;
    if (this.#outstanding > HIGH_WATER) this.blocked = true;
  }

  #written(length: number): void {
    this.#outstanding -= length;
    if (!this.blocked || this.#outstanding > HIGH_WATER / 2 || this.closed) return;
    this.blocked = false;
    enterTurn();
    this.owner.onDrain();
    leaveTurn();
  }
}

/** Takes over a connected socket that is not reading yet (`pauseOnConnect`); reading begins with `resume`. */
export function openTransport(socket: Socket, owner: TransportOwner, raw = true): Transport {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle;
  if (raw && binding !== null && handle !== null && typeof handle.useUserBuffer === 'function') {
    return new RawTransport(socket, owner, handle, binding);
  }
  return new StreamTransport(socket, owner);
}
