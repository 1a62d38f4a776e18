import { Deadline, wheel } from '../base/timers.ts';
import { Chunk, type Tunnel } from '../plan/call.ts';
import type { Transport, TransportOwner } from './transport.ts';

export interface TunnelEvents {
  /** Bytes that arrived on this end. */
  received(bytes: number): void;
  /** This end is gone. */
  closed(): void;
}

/** Tunnels may be silent for long: probes tell a silent peer from one that has vanished. */
const KEEP_ALIVE = 60_000;
const LINGER = 1_000;
const MAX_LINGER = 60_000;

/** What is left to an end whose other end is gone: time for what is still on its way to the peer, and no more. */
class Goodbye extends Deadline {
  readonly #transport: Transport;
  readonly #until = wheel.now + MAX_LINGER;

  constructor(transport: Transport) {
    super();
    this.#transport = transport;
    this.start(LINGER);
  }

  expired(): void {
    if (this.#transport.waiting && wheel.now < this.#until) this.start(LINGER);
    else this.#transport.destroy();
  }
}

/** One end of an upgraded connection: takes a transport over from its HTTP/1.1 connection and knows no protocol. */
export class TunnelEnd implements Tunnel, TransportOwner {
  readonly #transport: Transport;
  readonly #events: TunnelEvents;
  readonly #chunk: Chunk;
  /** Bytes that had arrived behind the head. */
  #early: Buffer | null;
  #peer: Tunnel | null = null;
  #goodbye: Goodbye | null = null;

  constructor(transport: Transport, early: Buffer | null, events: TunnelEvents) {
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
    if (this.#goodbye !== null) return;
    this.#transport.end();
    this.#transport.resume();
    this.#goodbye = new Goodbye(this.#transport);
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
    this.#goodbye?.clear();
    this.#events.closed();
    this.#peer?.destroy();
  }
}
