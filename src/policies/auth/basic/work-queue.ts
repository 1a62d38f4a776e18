/**
 * Slow work in an orderly way: so much at once, so much waiting, and no more of that for one client than its share, so
 * that whoever tries passwords keeps others out as little as possible.
 */
export class WorkQueue {
  readonly #concurrency: number;
  readonly #pending: number;
  readonly #share: number;
  readonly #waiting: (() => void)[] = [];
  readonly #byClient = new Map<string, number>();
  #running = 0;

  constructor(concurrency: number, pending: number) {
    this.#concurrency = concurrency;
    this.#pending = pending;
    this.#share = Math.max(1, Math.ceil((concurrency + pending) / 4));
  }

  /** Null: there is too much to do already. */
  run<T>(client: string, work: () => Promise<T>): Promise<T> | null {
    const own = this.#byClient.get(client) ?? 0;
    if (own >= this.#share || (this.#running >= this.#concurrency && this.#waiting.length >= this.#pending)) {
      return null;
    }
    this.#byClient.set(client, own + 1);
    return this.#do(client, work);
  }

  async #do<T>(client: string, work: () => Promise<T>): Promise<T> {
    // Whoever finishes hands its place on, so that nobody overtakes those who wait.
    if (this.#running < this.#concurrency) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const left = (this.#byClient.get(client) ?? 1) - 1;
      if (left === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, left);
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
