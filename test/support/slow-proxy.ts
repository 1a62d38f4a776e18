import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Held {
  readonly due: number;
  readonly bytes: string | Buffer;
}

/** Stands between a client and a local server, and hands bytes on when it wants to. */
export class SlowProxy implements AsyncDisposable {
  /** Milliseconds that answers are held back. */
  delay = 0;
  /** Set: what clients get instead of answers. */
  garbage: string | Buffer | null = null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #queues = new WeakMap<Socket, Held[]>();

  constructor(target: number) {
    this.#server = createServer((client) => {
      const server = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
      client.on('data', (bytes) => server.write(bytes));
      server.on('data', (bytes) => this.#answer(client, bytes));
    });
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  #answer(client: Socket, bytes: string | Buffer): void {
    const queue = this.#queues.get(client) ?? [];
    this.#queues.set(client, queue);
    queue.push({ due: performance.now() + this.delay, bytes: this.garbage ?? bytes });
    if (queue.length === 1) this.#pump(client, queue);
  }

  /** In order, also when the delay gets shorter. */
  #pump(client: Socket, queue: Held[]): void {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const wait = next.due - performance.now();
      if (wait > 0) {
        setTimeout(() => this.#pump(client, queue), wait);
        return;
      }
      queue.shift();
      client.write(next.bytes);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export async function startSlowProxy(target: number): Promise<SlowProxy> {
  const proxy = new SlowProxy(target);
  await proxy.start();
  return proxy;
}
