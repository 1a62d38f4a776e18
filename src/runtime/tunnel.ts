import { Chunk, type Tunnel } from '../plan/call.ts';
import type { Transport, TransportOwner } from './transport.ts';

export interface TunnelEvents {
  /** Bytes that arrived on this end. */
  received(bytes: number): void;
  /** This end is gone. */
  closed(): void;
}

/** One end of an upgraded connection: takes a transport over from its HTTP/1.1 connection and knows no protocol. */
export class TunnelEnd implements Tunnel, TransportOwner {
  readonly #transport: Transport;
  readonly #events: TunnelEvents;
  readonly #chunk: Chunk;
  /** Bytes that had arrived behind the head. */
  #early: Buffer | null;
  #peer: Tunnel | null = null;
  #received = false;
  #sent = false;

  constructor(transport: Transport, early: Buffer | null, events: TunnelEvents) {
    this.#transport = transport;
    this.#early = early;
    this.#events = events;
    this.#chunk = new Chunk(early ?? Buffer.alloc(0));
    transport.pause();
    transport.owner = this;
  }

  start(peer: Tunnel): void {
    this.#peer = peer;
    const early = this.#early;
    this.#early = null;
    this.#transport.resume();
    if (early !== null) this.onBytes(early, early.length);
  }

  write(chunk: Chunk): boolean {
    return this.#transport.writeChunk(chunk);
  }

  resume(): void {
    this.#transport.resume();
  }

  end(): void {
    if (this.#sent) return;
    this.#sent = true;
    this.#transport.end();
    if (this.#received) this.#transport.socket.destroySoon();
  }

  destroy(): void {
    this.#transport.flush();
    this.#transport.destroy();
  }

  onBytes(bytes: Buffer, length: number): void {
    const chunk = this.#chunk;
    chunk.bytes = bytes;
    chunk.end = chunk.payload = length;
    this.#events.received(length);
    if (this.#peer !== null && !this.#peer.write(chunk)) this.#transport.pause();
  }

  onEnd(): void {
    this.#received = true;
    this.#peer?.end();
    if (this.#sent) this.#transport.socket.destroySoon();
  }

  onDrain(): void {
    this.#peer?.resume();
  }

  onClose(): void {
    this.#events.closed();
    this.#peer?.destroy();
  }
}
