import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Chunk } from '../../src/plan/call.ts';
import { openTransport } from '../../src/runtime/open-transport.ts';
import type { Transport, TransportOwner } from '../../src/runtime/transport.ts';
import { until as untilFor } from '../harness.ts';
import { connectPair, type Link } from './sockets.ts';

/** Transports in the hands of a test: an owner that remembers, a peer that is any program, and what moves bytes. */

export const until = (what: string, probe: () => boolean): Promise<boolean> => untilFor(what, probe, 10_000);

/** Remembers what a transport tells its owner; `onBytes` can be replaced to act on bytes as they come. */
export class Recorder implements TransportOwner {
  readonly hash = createHash('sha256');
  received = 0;
  ended = 0;
  drains = 0;
  closed: (Error | null)[] = [];
  take: (bytes: Buffer, length: number) => void = (bytes, length) => this.count(bytes, length);
  drained: () => void = () => undefined;

  count(bytes: Buffer, length: number): void {
    assert.equal(this.closed.length + this.ended, 0, 'bytes after the end');
    this.received += length;
    this.hash.update(bytes.subarray(0, length));
  }

  onBytes(bytes: Buffer, length: number): void {
    this.take(bytes, length);
  }
  onEnd(): void {
    this.ended++;
  }
  onDrain(): void {
    this.drains++;
    this.drained();
  }
  onClose(error: Error | null): void {
    this.closed.push(error);
  }
}

export interface Opened {
  readonly transport: Transport;
  readonly owner: Recorder;
  readonly peer: Socket;
}

export async function open(link: Link, raw: boolean): Promise<Opened> {
  const { ours, peer } = await connectPair(link);
  peer.on('error', () => undefined);
  const owner = new Recorder();
  return { transport: openTransport(ours, owner, raw), owner, peer };
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Everything that the peer receives, once it has that many bytes. */
export async function receive(peer: Socket, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let total = 0;
  peer.on('data', (piece: Buffer) => {
    pieces.push(piece);
    total += piece.length;
  });
  peer.resume();
  await until(`${length} bytes arrive`, () => total >= length);
  return Buffer.concat(pieces);
}

/** Writes all of `bytes` in pieces, never on after a `false`, as a relay does. */
export function pump({ transport, owner }: Opened, bytes: Buffer, piece: number, stable: boolean): void {
  let at = 0;
  owner.drained = () => {
    while (at < bytes.length) {
      const next = bytes.subarray(at, Math.min(at + piece, bytes.length));
      at += next.length;
      if (!transport.writeChunk(Chunk.whole(next, stable))) return;
    }
  };
  owner.drained();
}

export async function close({ transport, peer }: Opened): Promise<void> {
  transport.destroy();
  peer.destroy();
  if (!transport.closed) await once(transport.socket, 'close');
}
