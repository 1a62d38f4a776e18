import { type BodySink, type BodySource, Chunk } from './call.ts';

/** A request body that is here as a whole. */
export class BufferedBody implements BodySource {
  readonly size: number;
  readonly replayable = true;
  started = false;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  start(sink: BodySink): void {
    this.started = true;
    sink.data(Chunk.whole(this.#bytes, true));
    sink.end(null);
  }

  resume(): void {}
  cancel(): void {}
}
