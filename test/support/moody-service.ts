import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Mood, MoodyReport, Order } from '../fixtures/moody-service.ts';

const SCRIPT = fileURLToPath(new URL('../fixtures/moody-service.ts', import.meta.url));

/** A service in its own process, on a port that stays: `await using service = await MoodyService.start()`. */
export class MoodyService implements AsyncDisposable {
  readonly port: number;
  #child: ChildProcess;
  /** Of processes that were killed. */
  #before = 0;
  #known = 0;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<MoodyService> {
    const [child, { port }] = await spawn(0);
    return new MoodyService(child, port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async become(mood: Mood): Promise<void> {
    await this.#ask({ kind: 'become', mood });
  }

  /** Requests that have arrived. */
  async requests(): Promise<number> {
    const { requests } = await this.#ask({ kind: 'report' });
    this.#known = requests;
    return this.#before + requests;
  }

  /** Ends it at once, as the kernel does when memory runs out. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    this.#before += this.#known;
    this.#known = 0;
  }

  async restart(): Promise<void> {
    [this.#child] = await spawn(this.port);
  }

  async #ask(order: Order): Promise<MoodyReport> {
    const answer = once(this.#child, 'message') as Promise<[MoodyReport]>;
    this.#child.send(order);
    return (await answer)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

async function spawn(port: number): Promise<[ChildProcess, MoodyReport]> {
  const child = fork(SCRIPT, [String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [report] = (await once(child, 'message')) as [MoodyReport];
  return [child, report];
}
