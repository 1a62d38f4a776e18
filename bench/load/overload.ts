import { quantile } from '../harness/stats.ts';
import { Connection } from './connection.ts';

/**
 * Load of several classes at fixed rates, each on connections of its own, so that no class waits for another's. A program
 * of its own, to be pinned; ends after its time and prints one line of JSON.
 */
export interface ClassLoad {
  /** What `x-class` says. */
  name: string;
  perSecond: number;
  connections: number;
}

export interface OverloadOptions {
  port: number;
  seconds: number;
  classes: readonly ClassLoad[];
}

export interface ClassResult {
  asked: number;
  /** With 200. */
  answered: number;
  /** With 503. */
  refused: number;
  failed: number;
  /** Of the answered ones, in milliseconds. */
  p50: number;
  p99: number;
}

export type OverloadResult = Record<string, ClassResult>;

const WARM_UP_MS = 1_000;
const LAST_ANSWERS_MS = 2_000;

class Class {
  readonly result: ClassResult = { asked: 0, answered: 0, refused: 0, failed: 0, p50: 0, p99: 0 };
  recording = false;
  private readonly load: ClassLoad;
  private readonly request: string;
  private readonly idle: Connection[] = [];
  private readonly waiting: number[] = [];
  private readonly times: number[] = [];
  private due = 0;

  constructor(load: ClassLoad, port: number) {
    this.load = load;
    this.request = `GET / HTTP/1.1\r\nHost: bench.example\r\nX-Class: ${load.name}\r\n\r\n`;
    for (let index = 0; index < load.connections; index++) this.open(port);
  }

  get isIdle(): boolean {
    return this.idle.length >= this.load.connections;
  }

  /** Starts what is due at this time. */
  tick(elapsed: number, now: number): void {
    for (const target = Math.floor((elapsed * this.load.perSecond) / 1000); this.due < target; this.due++) {
      if (this.recording) this.result.asked++;
      const connection = this.idle.shift();
      if (connection) connection.ask(this.request, now);
      else this.waiting.push(now);
    }
  }

  stop(): void {
    this.due = 0;
    this.waiting.length = 0;
  }

  finish(): ClassResult {
    const sorted = this.times.toSorted((one, other) => one - other);
    return { ...this.result, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  }

  private open(port: number): void {
    const connection = new Connection(port, (ready) => this.free(ready));
    connection.onAnswer = (status, milliseconds) => {
      if (this.recording) this.record(status, milliseconds);
      this.free(connection);
    };
    connection.onGone = (busy) => {
      if (busy && this.recording) this.result.failed++;
      const index = this.idle.indexOf(connection);
      if (index >= 0) this.idle.splice(index, 1);
      setTimeout(() => this.open(port), 5);
    };
  }

  private record(status: number, milliseconds: number): void {
    if (status === 200) {
      this.result.answered++;
      this.times.push(milliseconds);
    } else if (status === 503) this.result.refused++;
    else this.result.failed++;
  }

  private free(connection: Connection): void {
    const due = this.waiting.shift();
    if (due === undefined) this.idle.push(connection);
    else connection.ask(this.request, due);
  }
}

function send(classes: readonly Class[], milliseconds: number): Promise<void> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const tick = (): void => {
      const now = performance.now();
      if (now - begin >= milliseconds) {
        resolve();
        return;
      }
      for (const each of classes) each.tick(now - begin, now);
      setTimeout(tick, 1);
    };
    tick();
  });
}

async function drain(classes: readonly Class[]): Promise<void> {
  const deadline = performance.now() + LAST_ANSWERS_MS;
  for (const each of classes) each.stop();
  while (performance.now() < deadline && !classes.every(({ isIdle }) => isIdle)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const { port, seconds, classes: loads } = JSON.parse(process.argv[2] ?? '') as OverloadOptions;
const classes = loads.map((load) => new Class(load, port));
await send(classes, WARM_UP_MS);
await drain(classes);
for (const each of classes) each.recording = true;
await send(classes, seconds * 1000);
await drain(classes);
console.log(JSON.stringify(Object.fromEntries(loads.map(({ name }, index) => [name, classes[index]?.finish()]))));
process.exit(0);
