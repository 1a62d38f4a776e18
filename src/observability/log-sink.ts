import { closeSync, write, writeSync } from 'node:fs';
import type { LogSink } from '../plan/policy.ts';
import { type Destination, openLogFile, openStandardOutput, PIPE_BATCH } from './log-destination.ts';

/**
 * Lines on their way to a file or to standard output. Every system call carries whole lines, and no more of them than
 * the kernel keeps together: several threads write to the same place, and a line must not end up inside another.
 * The memory is bounded: what a slow reader does not take is dropped and counted, and the caller never waits.
 */
export interface SinkOptions {
  /** Bytes that may wait; past them lines are dropped. */
  capacity?: number;
  /** Milliseconds that a line may wait for company. */
  delay?: number;
  /** So many lines were lost. */
  onDrop?: (lines: number) => void;
  /** Said once, until writing works again. */
  onProblem?: (error: Error) => void;
}

const CAPACITY = 4 * 1024 * 1024;
const DELAY = 50;
const RETRY_DELAY = 10;
/** How long an exit may wait for a reader. */
const LAST_CHANCE = 500;

export class LineSink implements LogSink {
  readonly #open: () => Destination;
  readonly #capacity: number;
  readonly #delay: number;
  readonly #onDrop: (lines: number) => void;
  readonly #onProblem: (error: Error) => void;
  #destination: Destination | null = null;
  /** Lines that wait for company. */
  #batch = '';
  /** What is to be written, whole lines each; the first may be on its way. */
  readonly #queue: Buffer[] = [];
  /** Characters and bytes that wait in both. */
  #waiting = 0;
  #writing = false;
  /** The reader is slow; a timer asks again, rather than every line. */
  #blocked = false;
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed: (() => void) | null = null;
  #idle: (() => void) | null = null;

  constructor(open: () => Destination, options: SinkOptions = {}) {
    this.#open = open;
    this.#capacity = options.capacity ?? CAPACITY;
    this.#delay = options.delay ?? DELAY;
    this.#onDrop = options.onDrop ?? ignore;
    this.#onProblem = options.onProblem ?? ignore;
  }

  /** A line with its newline. */
  write(line: string): void {
    if (this.#waiting + line.length > this.#capacity) {
      this.#onDrop(1);
      return;
    }
    const limit = this.#destination === null ? PIPE_BATCH : this.#destination.batch;
    if (this.#batch.length + line.length > limit && this.#batch !== '') {
      this.#seal();
      this.#pump();
    }
    this.#batch += line;
    this.#waiting += line.length;
    if (this.#timer === null && !this.#writing) this.#schedule(this.#delay);
  }

  /** The file has been moved away: what follows goes to a new one of that name. */
  reopen(): void {
    const old = this.#destination;
    this.#destination = null;
    if (old === null || old.fd <= 2) return;
    // A write that is on its way holds the old file; it is closed behind it.
    if (this.#writing) this.#closed = () => closeSync(old.fd);
    else closeSync(old.fd);
  }

  /** Everything, waiting for a reader no longer than `LAST_CHANCE`; what is left then is dropped and counted. */
  async close(): Promise<void> {
    this.#seal();
    this.#pump();
    if (this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        const giveUp = setTimeout(resolve, LAST_CHANCE);
        this.#idle = () => {
          clearTimeout(giveUp);
          resolve();
        };
      });
    }
    this.flushSync();
  }

  /** Everything at once, for an exit that will not wait. */
  flushSync(): void {
    this.#seal();
    this.#stopTimer();
    const until = Date.now() + LAST_CHANCE;
    // The first is on its way and will arrive, or not, without us.
    const rest = this.#queue.splice(this.#writing ? 1 : 0);
    for (const bytes of rest) {
      this.#waiting -= bytes.length;
      if (!this.#writeSync(bytes, until)) this.#onDrop(countLines(bytes));
    }
  }

  #writeSync(bytes: Buffer, until: number): boolean {
    let from = 0;
    while (from < bytes.length) {
      try {
        from += writeSync(this.#ready().fd, bytes, from);
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN' || Date.now() >= until) return false;
        Atomics.wait(pause, 0, 0, 5);
      }
    }
    return true;
  }

  #schedule(delay: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#blocked = false;
      this.#seal();
      this.#pump();
    }, delay);
    // Waiting lines are no reason to live on: `flushSync` is there for the end.
    this.#timer.unref();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** The batch becomes bytes to be written. Only text outside ASCII can make it larger than the limit it was filled to. */
  #seal(): void {
    if (this.#batch === '') return;
    const bytes = Buffer.from(this.#batch, 'utf8');
    this.#waiting += bytes.length - this.#batch.length;
    this.#batch = '';
    const limit = this.#destination === null ? PIPE_BATCH : this.#destination.batch;
    let start = 0;
    while (bytes.length - start > limit) {
      const newline = bytes.lastIndexOf(10, start + limit - 1);
      const end = newline < start ? bytes.indexOf(10, start) + 1 : newline + 1;
      if (end === 0) break;
      this.#queue.push(bytes.subarray(start, end));
      start = end;
    }
    if (start < bytes.length) this.#queue.push(bytes.subarray(start));
  }

  #pump(): void {
    while (!this.#writing && !this.#blocked && this.#queue.length > 0) {
      const bytes = this.#queue[0] as Buffer;
      let destination: Destination;
      try {
        destination = this.#ready();
        if (destination.immediate) {
          const count = writeSync(destination.fd, bytes);
          if (count === bytes.length) this.#written(bytes);
          else this.#cut(bytes, count);
          continue;
        }
      } catch (error) {
        if (codeOf(error) === 'EAGAIN') {
          this.#blocked = true;
          if (this.#timer === null) this.#schedule(RETRY_DELAY);
          return;
        }
        this.#lost(bytes, error);
        continue;
      }
      this.#writeLater(destination, bytes, 0);
    }
  }

  /** On a thread of the pool, where blocking hurts nobody. */
  #writeLater(destination: Destination, bytes: Buffer, from: number): void {
    this.#writing = true;
    write(destination.fd, bytes, from, bytes.length - from, null, (error, count) => {
      const retry = error !== null && codeOf(error) === 'EAGAIN';
      if (retry) {
        setTimeout(() => this.#writeLater(destination, bytes, from), RETRY_DELAY).unref();
        return;
      }
      if (error === null && from + count < bytes.length) {
        this.#writeLater(destination, bytes, from + count);
        return;
      }
      this.#writing = false;
      this.#closed?.();
      this.#closed = null;
      if (error === null) this.#written(bytes);
      else this.#lost(bytes, error);
      this.#pump();
      if (this.#batch !== '' && this.#timer === null && !this.#writing) this.#schedule(this.#delay);
    });
  }

  /** Only a line longer than the kernel keeps together can be written in part. */
  #cut(bytes: Buffer, count: number): void {
    this.#queue[0] = bytes.subarray(count);
    this.#waiting -= count;
  }

  #written(bytes: Buffer): void {
    this.#forget(bytes);
    this.#failing = false;
  }

  #forget(bytes: Buffer): void {
    this.#queue.shift();
    this.#waiting -= bytes.length;
    if (this.#queue.length > 0) return;
    this.#idle?.();
    this.#idle = null;
  }

  #lost(bytes: Buffer, error: unknown): void {
    this.#forget(bytes);
    this.#onDrop(countLines(bytes));
    if (this.#failing) return;
    this.#failing = true;
    this.#onProblem(error instanceof Error ? error : new Error(String(error)));
  }

  #ready(): Destination {
    this.#destination ??= this.#open();
    return this.#destination;
  }
}

/** The sinks of one thread, by where they write; a file has one, however many routes log to it. */
export class LogSinks {
  readonly standard: LineSink;
  readonly #options: SinkOptions;
  readonly #files = new Map<string, LineSink>();

  constructor(options: SinkOptions = {}) {
    this.#options = options;
    this.standard = new LineSink(openStandardOutput, options);
  }

  /** Opened with the first line, so that a configuration can be checked without touching it. */
  file(path: string): LineSink {
    let sink = this.#files.get(path);
    if (sink === undefined) {
      sink = new LineSink(() => openLogFile(path), this.#options);
      this.#files.set(path, sink);
    }
    return sink;
  }

  reopen(): void {
    for (const sink of this.#files.values()) sink.reopen();
  }

  async close(): Promise<void> {
    await Promise.all([this.standard, ...this.#files.values()].map((sink) => sink.close()));
  }

  flushSync(): void {
    this.standard.flushSync();
    for (const sink of this.#files.values()) sink.flushSync();
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function ignore(): void {}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}
