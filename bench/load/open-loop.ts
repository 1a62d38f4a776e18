import { quantile } from '../harness/stats.ts';
import { Connection } from './connection.ts';

/**
 * Load at a fixed rate: requests start when they are due, however long others take, so a stall shows in all that were
 * due meanwhile. A program of its own, to be pinned; ends after its time or on SIGTERM and prints one line of JSON.
 */
export interface OpenLoopOptions {
  port: number;
  paths: readonly string[];
  perSecond: number;
  seconds: number;
  connections: number;
}

export interface OpenLoopResult {
  completed: number;
  /** Requests lost with their connection, answered by another status than 200, or still open at the end. */
  failed: number;
  /** Connections that were closed while nothing was asked of them. */
  closed: number;
  /** All times in milliseconds. */
  p50: number;
  p99: number;
  p999: number;
  max: number;
  /** The p99 of the second in which it was highest. */
  worstSecondP99: number;
}

const WARM_UP_MS = 1_000;
const LAST_ANSWERS_MS = 2_000;

class OpenLoop {
  private readonly options: OpenLoopOptions;
  private readonly requests: string[];
  private readonly idle: Connection[] = [];
  /** Times at which requests were due that found no free connection. */
  private readonly waiting: number[] = [];
  private readonly all: Set<Connection> = new Set();
  private readonly times: Float64Array;
  private completed = 0;
  private failed = 0;
  private closed = 0;
  private sent = 0;
  private next = 0;
  private recording = false;
  private stopped = false;

  constructor(options: OpenLoopOptions) {
    this.options = options;
    this.requests = options.paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: bench.example\r\n\r\n`);
    this.times = new Float64Array(Math.ceil(options.perSecond * (options.seconds + 1)));
  }

  async run(): Promise<OpenLoopResult> {
    for (let index = 0; index < this.options.connections; index++) this.open();
    await this.send(WARM_UP_MS);
    await this.drain();
    this.recording = true;
    this.sent = 0;
    this.closed = 0;
    this.failed = 0;
    await this.send(this.options.seconds * 1000);
    await this.drain();
    this.failed += Math.max(0, this.sent - this.completed - this.failed);
    for (const connection of this.all) connection.destroy();
    return this.result();
  }

  stop(): void {
    this.stopped = true;
  }

  private open(): void {
    const connection = new Connection(this.options.port, (ready) => this.free(ready));
    this.all.add(connection);
    connection.onAnswer = (status, milliseconds) => {
      if (this.recording) {
        if (status === 200 && this.completed < this.times.length) this.times[this.completed++] = milliseconds;
        else this.failed++;
      }
      this.free(connection);
    };
    connection.onGone = (busy) => {
      this.all.delete(connection);
      const index = this.idle.indexOf(connection);
      if (index >= 0) this.idle.splice(index, 1);
      if (busy) this.failed++;
      else this.closed++;
      // Not at once: against a port that refuses, it would be a busy loop.
      setTimeout(() => this.open(), 5);
    };
  }

  private free(connection: Connection): void {
    const due = this.waiting.shift();
    if (due === undefined) this.idle.push(connection);
    else connection.ask(this.nextRequest(), due);
  }

  private nextRequest(): string {
    this.next = (this.next + 1) % this.requests.length;
    return this.requests[this.next] ?? '';
  }

  private send(milliseconds: number): Promise<void> {
    const begin = performance.now();
    let due = 0;
    return new Promise((resolve) => {
      const tick = (): void => {
        const now = performance.now();
        const elapsed = now - begin;
        if (elapsed >= milliseconds || this.stopped) {
          resolve();
          return;
        }
        // Requests count from the tick that starts them, not from the fraction of a millisecond in which they were due:
        // a timer's grain is the generator's affair, not the gateway's.
        for (const target = Math.floor((elapsed * this.options.perSecond) / 1000); due < target; due++) {
          this.sent++;
          // The one that has rested longest: a connection that is never asked anything is closed, and rightly so.
          const connection = this.idle.shift();
          if (connection) connection.ask(this.nextRequest(), now);
          else this.waiting.push(now);
        }
        setTimeout(tick, 1);
      };
      tick();
    });
  }

  private async drain(): Promise<void> {
    const deadline = performance.now() + LAST_ANSWERS_MS;
    while (performance.now() < deadline && this.idle.length < this.options.connections) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.waiting.length = 0;
  }

  private result(): OpenLoopResult {
    const times = this.times.subarray(0, this.completed);
    let worst = 0;
    for (let from = 0; from < times.length; from += this.options.perSecond) {
      const second = times.slice(from, from + this.options.perSecond).sort();
      if (second.length >= 100) worst = Math.max(worst, quantile(second, 0.99));
    }
    const sorted = times.slice().sort();
    return {
      completed: this.completed,
      failed: this.failed,
      closed: this.closed,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      p999: quantile(sorted, 0.999),
      max: quantile(sorted, 1),
      worstSecondP99: worst,
    };
  }
}

const loop = new OpenLoop(JSON.parse(process.argv[2] ?? '') as OpenLoopOptions);
process.once('SIGTERM', () => loop.stop());
console.log(JSON.stringify(await loop.run()));
process.exit(0);
