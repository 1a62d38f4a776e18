import type { Buffer } from 'node:buffer';
import { returnLarge } from './large-buffers.ts';
import { RawTransport } from './raw-transport.ts';
import type { Ownership } from './transport.ts';

interface Write {
  readonly data: string | Uint8Array;
  readonly ownership: Ownership;
  readonly pooled: Buffer | null;
}

/** TLS takes one write at a time (`TLSWrap` ends the process on a second one), and none finishes at once. */
export class SecureTransport extends RawTransport {
  #current: Write | null = null;
  readonly #queue: Write[] = [];

  protected override sendText(text: string): void {
    this.#send({ data: text, ownership: 'given', pooled: null });
  }

  protected override sendBytes(bytes: Uint8Array, ownership: Ownership, pooled: Buffer | null): void {
    this.#send({ data: bytes, ownership, pooled });
  }

  /** It reads records of 16 KiB at most, and some even when stopped: a buffer of its own would not be filled, nor safe. */
  override useOwnBuffer(): void {}

  /** TLS would say goodbye ahead of what waits. */
  protected override finish(): void {
    if (this.#current === null) super.finish();
  }

  #send(write: Write): void {
    this.owe(write.data.length, write.ownership);
    if (this.#current === null) this.#begin(write);
    else this.#queue.push(write);
  }

  #begin(write: Write): void {
    const { handle } = this;
    const { data } = write;
    const request = new this.binding.WriteWrap();
    request.oncomplete = this.#complete;
    this.#current = write;
    const error =
      typeof data === 'string' ? handle.writeLatin1String(request, data) : handle.writeBuffer(request, data);
    if (error !== 0) this.writeFailed(error);
  }

  readonly #complete = (status: number): void => {
    const { data, ownership, pooled } = this.#current as Write;
    this.#current = null;
    if (pooled !== null) returnLarge(pooled);
    if (status >= 0 && !this.socket.destroyed) {
      const next = this.#queue.shift();
      if (next !== undefined) this.#begin(next);
      else if (this.ending) super.finish();
    }
    this.paid(data.length, ownership, status);
  };
}
