import type { Socket } from 'node:net';
import { returnLarge } from './large-buffers.ts';
import { RawTransport, rawStreamOf } from './raw-transport.ts';
import { SecureTransport } from './secure-transport.ts';
import { HIGH_WATER, type Ownership, Transport, type TransportOwner } from './transport.ts';

/** Takes over a connected socket that is not reading yet (`pauseOnConnect`); reading begins with `resume`. */
export function openTransport(socket: Socket, owner: TransportOwner, raw = true): Transport {
  const stream = raw ? rawStreamOf(socket) : null;
  if (stream === null) return new StreamTransport(socket, owner);
  const isSecure = (socket as { encrypted?: boolean }).encrypted === true;
  return new (isSecure ? SecureTransport : RawTransport)(socket, owner, stream);
}

/** The documented interface of `net.Socket`. */
class StreamTransport extends Transport {
  readonly ownsBuffer = false;

  constructor(socket: Socket, owner: TransportOwner) {
    super(socket, owner);
    socket.pause();
    socket.on('data', (bytes: Buffer) => {
      this.owner.onBytes(bytes, bytes.length);
    });
    socket.on('end', () => {
      this.owner.onEnd();
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

  protected sendBytes(bytes: Uint8Array, _ownership: Ownership, pooled: Buffer | null): void {
    this.#sent(bytes.length);
    this.socket.write(bytes, () => {
      if (pooled !== null) returnLarge(pooled);
      this.#written(bytes.length);
    });
  }

  protected finish(): void {
    this.socket.end();
  }

  #sent(length: number): void {
    this.outstanding += length;
    if (this.outstanding > HIGH_WATER) this.blocked = true;
  }

  #written(length: number): void {
    this.outstanding -= length;
    if (!this.blocked || this.outstanding > HIGH_WATER / 2 || this.socket.destroyed) return;
    this.blocked = false;
    this.owner.onDrain();
  }
}
