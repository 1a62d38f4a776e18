import { Worker } from 'node:worker_threads';
import type { BcryptAnswer, BcryptQuestion } from './bcrypt-thread.ts';

/**
 * Node has no bcrypt, and one verification in JavaScript takes 50 to 300 ms, in slices of 100 ms where the library is
 * asked to yield: far too long between two requests. So it has a thread of its own, beside each worker that ever meets
 * such a hash, which ends when nobody needs it any more.
 */
const SCRIPT = new URL(import.meta.url.endsWith('.ts') ? './bcrypt-thread.ts' : './bcrypt-thread.js', import.meta.url);
const IDLE_MS = 60_000;

interface Waiting {
  resolve(matches: boolean): void;
  reject(error: Error): void;
}

class BcryptThread {
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | null = null;
  #idle: NodeJS.Timeout | null = null;
  #last = 0;

  verify(password: string, hash: string): Promise<boolean> {
    const thread = this.#thread ?? this.#start();
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    thread.ref();
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      thread.postMessage({ id, password, hash } satisfies BcryptQuestion);
    });
  }

  #start(): Worker {
    const thread = new Worker(SCRIPT, {
      name: 'bcrypt',
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    thread.on('message', ({ id, matches }: BcryptAnswer) => {
      this.#waiting.get(id)?.resolve(matches);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#rest(thread);
    });
    thread.on('error', (error) => this.#lose(thread, error as Error));
    thread.on('exit', (code) => this.#lose(thread, new Error(`the bcrypt thread ended with code ${code}`)));
    this.#thread = thread;
    return thread;
  }

  #rest(thread: Worker): void {
    thread.unref();
    this.#idle = setTimeout(() => {
      this.#thread = null;
      void thread.terminate();
    }, IDLE_MS).unref();
  }

  #lose(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = null;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const thread = new BcryptThread();

export function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  return thread.verify(password, hash);
}
