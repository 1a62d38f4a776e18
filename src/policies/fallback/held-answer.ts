import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { Chunk, ResponseHead, type Sink } from '../../plan/call.ts';

/**
 * An answer that is wanted only if nothing better is to be had. Its connection waits meanwhile, so that little of it has
 * to be kept: what had arrived with its head.
 */
export class HeldAnswer {
  readonly head: ResponseHead;
  readonly #chunks: Chunk[] = [];
  #hasEnded = false;
  #trailers: HeaderBlock | null = null;
  #error: GatewayError | null = null;

  constructor({ status, headers, framing, contentLength }: ResponseHead) {
    this.head = new ResponseHead(status, headers.clone(), framing, contentLength);
  }

  data(chunk: Chunk): false {
    const copy = Chunk.whole(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)), true);
    copy.framed = chunk.framed;
    copy.payload = chunk.payload;
    this.#chunks.push(copy);
    return false;
  }

  end(trailers: HeaderBlock | null): void {
    this.#hasEnded = true;
    this.#trailers = trailers?.clone() ?? null;
  }

  fail(error: GatewayError): void {
    this.#error = error;
  }

  /** True: there is more to come, and the sink takes it now. */
  releaseBody(sink: Sink): boolean {
    let takesMore = true;
    for (const chunk of this.#chunks) takesMore = sink.data(chunk);
    if (this.#error !== null) sink.fail(this.#error);
    else if (this.#hasEnded) sink.end(this.#trailers);
    else return takesMore;
    return false;
  }
}
