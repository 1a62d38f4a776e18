import { Chunk, type Tunnel } from '../plan/call.ts';
import { Deadline, wheel } from './timers.ts';
import type { Transport, TransportOwner } from './transport.ts';

export interface TunnelEvents {
  /** Bytes that arrived on this end. */
  received(bytes: number): void;
  /** This end is gone. */
  closed(): void;
}

/** Tunnels may be silent for long: probes tell a silent peer from one that has vanished. */
const KEEP_ALIVE = 60_000;
/** How long this end may go on when the other one is gone: to say goodbye, and to take what is still on its way to it. */
const LINGER = 1_000;
const MAX_LINGER = 60_000;

/** One end of an upgraded connection: takes a transport over from its HTTP/1.1 connection and knows no protocol. */
export class TunnelEnd extends Deadline implements Tunnel, TransportOwner {
  readonly #transport: Transport;
  readonly #events: TunnelEvents;
  readonly #chunk: Chunk;
  /** Bytes that had arrived behind the head. */
  #early: Buffer | null;
  #peer: Tunnel | null = null;
  #goneBy = 0;

  constructor(transport: Transport, early: Buffer | null, events: TunnelEvents) {
    super();
    this.#transport = transport;
    this.#early = early;
    this.#events = events;
    this.#chunk = new Chunk(early ?? Buffer.alloc(0));
    transport.pause();
    transport.owner = this;
    transport.socket.setKeepAlive(true, KEEP_ALIVE);
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
    this.#transport.end();
  }

  destroy(): void {
    if (this.#goneBy > 0) return;
    this.#transport.end();
    this.#transport.resume();
    this.#goneBy = wheel.now + MAX_LINGER;
    this.start(LINGER)
  }

  expired(): void {
    if (this.#transport.waiting && wheel.now < this.#goneBy) this.start(LINGER);
    else this.#transport.destroy();
  }

  onBytes(bytes: Buffer, length: number): void {
    const chunk = this.#chunk;
    chunk.bytes = bytes;
    chunk.end = chunk.payload = length;
    this.#events.received(length);
    if (this.#peer !== null && !this.#peer.write(chunk)) this.#transport.pause();
  }

  onEnd(): void {
    this.#peer?.end();
  }

  onDrain(): void {
    this.#peer?.resume();
  }

  onClose(): void {
    this.clear();
    this.#events.closed();
    this.#peer?.destroy();
  }
}
