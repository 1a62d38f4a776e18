import type { UnderlyingDefaultSource } from 'node:stream/web';
import { errors } from '../base/gateway-error.ts';
import { type BodySink, type BodySource, Chunk } from '../plan/call.ts';

/** Bodies between the data plane and web streams, both ways with backpressure. */

/** A request body as a stream: nothing is read before somebody asks, and then one piece at a time. */
export class RequestStream implements UnderlyingDefaultSource<Uint8Array>, BodySink {
  readonly takesFramed = false;
  readonly passesContinue = false;
  readonly stream: ReadableStream<Uint8Array>;
  readonly #source: BodySource;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #started = false;

  constructor(source: BodySource) {
    this.#source = source;
    this.stream = new ReadableStream<Uint8Array>(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): void {
    if (this.#started) {
      this.#source.resume();
      return;
    }
    this.#started = true;
    this.#source.start(this);
  }

  cancel(): void {
    this.#controller = null;
    this.#source.cancel();
  }

  data(chunk: Chunk): boolean {
    const controller = this.#controller;
    if (controller === null) return true;
    controller.enqueue(copyOf(chunk));
    return (controller.desiredSize ?? 0) > 0;
  }

  end(): void {
    this.#controller?.close();
    this.#controller = null;
  }

  /** Also for the end of the exchange: a source must not be asked any more then. */
  abort(): void {
    this.#controller?.error(new TypeError('the request body was not completed'));
    this.#controller = null;
  }
}

/** A stream's piece is its own: the bytes of a chunk are somebody else's after the call. */
export function copyOf(chunk: Chunk): Uint8Array {
  return new Uint8Array(chunk.bytes.subarray(chunk.start, chunk.end));
}

/** A request body that a handler streams to an upstream. */
export class StreamedSource implements BodySource {
  /** What the handler declared and is held to, or -1. */
  readonly size: number;
  readonly replayable = false;
  started = false;
  readonly #stream: ReadableStream<unknown>;
  #pump: StreamPump | null = null;

  constructor(stream: ReadableStream<unknown>, size: number) {
    this.#stream = stream;
    this.size = size;
  }

  start(sink: BodySink): void {
    this.started = true;
    this.#pump = new StreamPump(this.#stream, this.size, {
      data: (chunk) => sink.data(chunk),
      end: () => sink.end(null),
      // Whatever went wrong was ours: the service must not take the beginning for the whole.
      fail: () => sink.abort(errors.internal),
    });
  }

  resume(): void {
    this.#pump?.resume();
  }

  cancel(): void {
    if (this.#pump !== null) this.#pump.cancel();
    else void this.#stream.cancel().catch(ignore);
  }
}

export interface PumpTarget {
  /** False: stop until `resume`. */
  data(chunk: Chunk): boolean;
  end(): void;
  fail(error: unknown): void;
}

/** Moves a stream's pieces to a target, waiting whenever the target says so. A declared size is kept to the byte. */
export class StreamPump {
  readonly #reader: ReadableStreamDefaultReader<unknown>;
  readonly #target: PumpTarget;
  readonly #size: number;
  #moved = 0;
  #ended = false;
  #resume: (() => void) | null = null;

  constructor(stream: ReadableStream<unknown>, size: number, target: PumpTarget) {
    this.#reader = stream.getReader();
    this.#target = target;
    this.#size = size;
    void this.#run();
  }

  resume(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.resume();
    void this.#reader.cancel().catch(ignore);
  }

  async #run(): Promise<void> {
    const chunk = new Chunk(NO_BYTES);
    chunk.stable = true;
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.#ended) return;
        if (done) break;
        const bytes = bytesOf(value);
        if (bytes.length === 0) continue;
        this.#moved += bytes.length;
        if (this.#size >= 0 && this.#moved > this.#size)
          throw new TypeError('the body is longer than its content-length');
        chunk.bytes = bytes;
        chunk.end = chunk.payload = bytes.length;
        if (this.#target.data(chunk) || this.#ended) continue;
        await new Promise<void>((resume) => {
          this.#resume = resume;
        });
        if (this.#ended) return;
      }
      if (this.#size >= 0 && this.#moved < this.#size)
        throw new TypeError('the body is shorter than its content-length');
      this.#ended = true;
    } catch (error) {
      if (this.#ended) return;
      this.cancel();
      this.#target.fail(error);
      return;
    }
    this.#target.end();
  }
}

const NO_BYTES = Buffer.alloc(0);

function bytesOf(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError('a body stream gives bytes (Uint8Array)');
}

function ignore(): void {}
