import type { HeaderBlock } from '../base/headers.ts';
import { Chunk } from '../plan/call.ts';

/** What arrives of a response while one of its hooks waits. Its source is asked to pause, so this is little. */
export class HeldResponse {
  readonly #pieces: Buffer[] = [];
  #ended = false;
  #trailers: HeaderBlock | null = null;

  add(chunk: Chunk): void {
    this.#pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
  }

  end(trailers: HeaderBlock | null): void {
    this.#ended = true;
    this.#trailers = trailers === null ? null : trailers.clone();
  }

  /** Hands on what there is. */
  release(to: ReleasedSink): void {
    for (const bytes of this.#pieces) to.data(Chunk.whole(bytes, false));
    if (this.#ended) to.end(this.#trailers);
    else to.resume();
  }
}

interface ReleasedSink {
  data(chunk: Chunk): boolean;
  end(trailers: HeaderBlock | null): void;
  /** Nothing is held any more: the source may go on. */
  resume(): void;
}
