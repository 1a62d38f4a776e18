import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { readRequest, readResponse, type StrictRequest, type StrictResponse } from './strict-http.ts';

/** Bounds waits that would otherwise hang; no measure of speed. */
const PATIENCE_MS = 15_000;

/** One end of a connection that says and records exact bytes. */
export class RawPeer {
  readonly socket: Socket;
  /** The other side has ended its sending side. */
  ended = false;
  /** Nothing more can come or go. */
  closed = false;
  error: Error | null = null;
  /** Bytes received. */
  received = 0;
  #pieces: Buffer[] = [];
  #watchers = new Set<() => void>();
  #onBytes: ((peer: RawPeer) => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.received += bytes.length;
      this.#onBytes?.(this);
      this.#changed();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#changed();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** Everything received. */
  get bytes(): Buffer {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0] ?? Buffer.alloc(0);
  }

  /** Everything received, one character a byte. */
  get text(): string {
    return this.bytes.latin1Slice();
  }

  /** Called whenever bytes arrive (and at once when some have already). */
  onBytes(listener: (peer: RawPeer) => void): void {
    this.#onBytes = listener;
    if (this.#pieces.length > 0) listener(this);
  }

  /** Text is latin1: one byte a character. */
  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Sends each piece in a packet of its own, as far as the kernel lets one. */
  async sendPieces(pieces: Iterable<string | Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      this.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  end(data?: string): void {
    if (data !== undefined) this.send(data);
    this.socket.end();
  }

  /** RST instead of FIN. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  async until(what: string, holds: (peer: RawPeer) => boolean): Promise<void> {
    if (holds(this)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (error: unknown): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        if (error === null) resolve();
        else reject(error);
      };
      const watch = (): void => {
        try {
          if (holds(this)) settle(null);
        } catch (error) {
          settle(error);
        }
      };
      const timer = setTimeout(() => {
        const received = JSON.stringify(this.text.slice(0, 2_000));
        settle(new Error(`did not come about: ${what}; received so far: ${received}`));
      }, PATIENCE_MS);
      this.#watchers.add(watch);
    });
  }

  /** Until the other side has ended or gone. */
  async untilClosed(): Promise<void> {
    await this.until('the connection is closed', ({ ended, closed }) => ended || closed);
  }

  /**
   * As a client: waits for that many final responses and answers them, strictly parsed. `methods` are those of the
   * requests in order (HEAD has no body); missing ones are GET.
   */
  async responses(count: number, methods: readonly string[] = []): Promise<StrictResponse[]> {
    let found: StrictResponse[] = [];
    await this.until(`${count} response(s)`, ({ bytes, ended, closed }) => {
      found = readResponses(bytes, methods, ended || closed);
      if (found.length < count && closed) throw new Error(`closed after ${found.length} responses: ${this.text}`);
      return found.length >= count;
    });
    return found;
  }

  async response(method = 'GET'): Promise<StrictResponse> {
    const [first] = await this.responses(1, [method]);
    return first as StrictResponse;
  }

  #changed(): void {
    for (const watch of this.#watchers) watch();
  }
}

/** Every complete final response in `bytes`. */
export function readResponses(bytes: Buffer, methods: readonly string[], ended: boolean): StrictResponse[] {
  const found: StrictResponse[] = [];
  for (let at = 0; at < bytes.length; ) {
    const response = readResponse(bytes, at, methods[found.length] ?? 'GET', ended);
    if (response === null) break;
    found.push(response);
    at = response.end;
  }
  return found;
}

/** Every complete request in `bytes`, and where the last of them ends. */
export function readRequests(bytes: Buffer): { requests: StrictRequest[]; end: number } {
  const requests: StrictRequest[] = [];
  let end = 0;
  while (end < bytes.length) {
    const request = readRequest(bytes, end);
    if (request === null) break;
    requests.push(request);
    end = request.end;
  }
  return { requests, end };
}

/** Connects to a port of this machine or to a Unix socket. */
export async function connectRaw(where: number | string): Promise<RawPeer> {
  const options = typeof where === 'number' ? { port: where, host: '127.0.0.1' } : { path: where };
  const socket = connect({ ...options, noDelay: true, allowHalfOpen: true });
  const peer = new RawPeer(socket);
  await once(socket, 'connect');
  return peer;
}

/** Sends bytes on a fresh connection and answers what came until the other side closed. */
export async function askOnce(where: number | string, data: string | Uint8Array): Promise<RawPeer> {
  const peer = await connectRaw(where);
  peer.send(data);
  await peer.untilClosed();
  peer.destroy();
  return peer;
}

/** A TCP server that is no HTTP server: it records, and says what the test wants. */
export interface RawUpstream {
  readonly port: number;
  readonly url: string;
  readonly server: Server;
  /** In the order of their arrival. */
  readonly connections: RawPeer[];
  close(): Promise<void>;
}

export async function startRawUpstream(onConnection?: (peer: RawPeer, index: number) => void): Promise<RawUpstream> {
  const connections: RawPeer[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const peer = new RawPeer(socket);
    connections.push(peer);
    onConnection?.(peer, connections.length - 1);
  });
  return await listening(server, 'http', connections);
}

/** The server on a free port, as what it recorded. */
export async function listening(
  server: Server,
  scheme: 'http' | 'https',
  connections: RawPeer[],
): Promise<RawUpstream> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    server,
    connections,
    async close() {
      server.close();
      for (const peer of connections) peer.destroy();
      await once(server, 'close');
    },
  };
}

/** For `startRawUpstream`: answers every complete request; what is no strict request becomes the peer's `error`. */
export function answering(answer: (request: StrictRequest, peer: RawPeer) => string): (peer: RawPeer) => void {
  return (peer) => {
    let answered = 0;
    peer.onBytes(() => {
      try {
        for (;;) {
          const request = answered < peer.bytes.length ? readRequest(peer.bytes, answered) : null;
          if (request === null) return;
          answered = request.end;
          peer.send(answer(request, peer));
        }
      } catch (error) {
        peer.error = error as Error;
        peer.destroy();
      }
    });
  };
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
