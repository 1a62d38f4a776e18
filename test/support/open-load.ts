import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../harness.ts';

/** What became of one request. */
export interface LoadResult {
  /** 0: there was no answer, or it broke off. */
  status: number;
  /** Why, as Node says it. */
  error: string | null;
  /** Of the answer: the step of a fallback that gave it. */
  fallback: string | undefined;
  body: string;
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number;
  endedAt: number;
}

const TICK_MS = 10;

/** Asks at a fixed rate, whatever becomes of what was asked before: `await using load = new OpenLoad(url, 200)`. */
export class OpenLoad implements AsyncDisposable {
  readonly results: LoadResult[] = [];
  asked = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #url: string;
  readonly #perSecond: number;
  readonly #method: string;
  readonly #running: Promise<void>;
  #underWay = 0;
  #stopping = false;

  constructor(url: string, perSecond: number, method = 'GET') {
    this.#url = url;
    this.#perSecond = perSecond;
    this.#method = method;
    this.#running = this.#run();
  }

  /** Of requests that were begun from then on. */
  since(startedAt: number): LoadResult[] {
    return this.results.filter((result) => result.startedAt >= startedAt);
  }

  /** Waits until so many more requests have ended. */
  async ended(more: number): Promise<void> {
    const target = this.results.length + more;
    await until(`${more} more requests have ended`, () => this.results.length >= target);
  }

  async stop(): Promise<readonly LoadResult[]> {
    this.#stopping = true;
    await this.#running;
    await until('everything was answered', () => this.#underWay === 0);
    this.#agent.destroy();
    return this.results;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    let due = 0;
    while (!this.#stopping) {
      const elapsed = performance.now() - startedAt;
      due = Math.floor((elapsed * this.#perSecond) / 1_000);
      // A machine that did nothing for a while is no reason for a flood.
      this.asked = Math.max(this.asked, due - this.#perSecond / 10);
      while (this.asked < due) {
        this.asked++;
        this.#ask();
      }
      await sleep(TICK_MS);
    }
  }

  #ask(): void {
    const startedAt = performance.now();
    const result: LoadResult = { status: 0, error: null, fallback: undefined, body: '', startedAt, endedAt: 0 };
    this.#underWay++;
    const over = (error: NodeJS.ErrnoException | null): void => {
      if (result.endedAt > 0) return;
      result.endedAt = performance.now();
      if (error !== null) {
        result.status = 0;
        result.error = error.code ?? error.message;
      }
      this.#underWay--;
      this.results.push(result);
    };
    const sent = request(this.#url, { agent: this.#agent, method: this.#method }, (response) => {
      result.status = response.statusCode ?? 0;
      result.fallback = response.headers['x-sluice-fallback'] as string | undefined;
      response.setEncoding('utf8').on('data', (text: string) => {
        result.body += text;
      });
      response.once('end', () => over(null));
      response.once('error', over);
    });
    sent.once('error', over);
    sent.end();
  }
}

/** How often each status (or error) came about, for messages. */
export function tally(results: readonly LoadResult[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, error } of results) {
    const name = error ?? String(status);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
