import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';

/** Clients on keep-alive connections that ask again and again, and take note of everything that goes wrong. */
export class KeepAliveLoad {
  readonly failures: string[] = [];
  /** Connections that ended although no answer had said so. */
  closedUnannounced = 0;
  readonly statuses = new Map<number, number>();
  completed = 0;
  #stopping = false;
  readonly #running: Promise<void>[] = [];
  readonly #url: URL;

  constructor(url: string, clients: number) {
    this.#url = new URL(url);
    for (let i = 0; i < clients; i++) this.#running.push(this.#client());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const known = new WeakSet<Socket>();
    let announced = false;
    while (!this.#stopping) {
      await new Promise<void>((resolve) => {
        const sent = request(this.#url, { agent });
        sent.once('socket', (socket) => {
          announced = false;
          if (known.has(socket)) return;
          known.add(socket);
          socket.once('close', () => {
            if (!announced && !this.#stopping) this.closedUnannounced += 1;
          });
        });
        sent.once('response', (response) => {
          announced = response.headers.connection === 'close';
          response.resume();
          response.once('end', () => {
            this.completed += 1;
            const status = response.statusCode ?? 0;
            this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
            resolve();
          });
          response.once('error', (error) => this.#failed(error, resolve));
        });
        sent.once('error', (error) => this.#failed(error, resolve));
        sent.end();
      });
    }
    agent.destroy();
  }

  #failed(error: Error, resolve: () => void): void {
    this.failures.push((error as NodeJS.ErrnoException).code ?? error.message);
    // A client that fails at once again must not keep the machine busy.
    setTimeout(resolve, 10);
  }
}
