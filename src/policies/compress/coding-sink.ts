import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import { BodyCoder, type CoderOwner, decodeWhole, encodeWhole } from '../../plan/body-coder.ts';
import {
  type CallRunner,
  Chunk,
  type ResponseHead,
  type Sink,
  type Tunnel,
  type UpstreamCall,
} from '../../plan/call.ts';
import type { ContentCoding, Wanted } from '../../semantics/content-coding.ts';
import { acceptEncoding, contentLength, recode, recodedTrailers } from './coded-fields.ts';
import type { Change, Compression } from './compression.ts';

/** What is done with a response. */
const stage = {
  /** It passes as it is. */
  passing: 0,
  /** Its head and beginning are here, and perhaps soon all of it. */
  gathering: 1,
  /** It goes through a coder. */
  coding: 2,
  over: 3,
} as const;
type Stage = (typeof stage)[keyof typeof stage];

/** Decoded at once, up to this: what comes out of a short body can be long. */
const MAX_DECODED = 262_144;

/**
 * A call whose response may get a coding, or lose one. A short response is coded as a whole and keeps a length; a long
 * one on its way. One of unknown length waits for what comes together with its head, and no longer.
 */
export class CodingSink implements Sink, CallRunner, CoderOwner {
  readonly inner: UpstreamCall;
  readonly #compression: Compression;
  readonly #wanted: Wanted;
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  #stage: Stage = stage.passing;
  #head: ResponseHead | null = null;
  #change: Change | null = null;
  /** Null: nothing was gathered. */
  #gathered: Buffer[] | null = null;
  #gatheredBytes = 0;
  #immediate: NodeJS.Immediate | null = null;
  #coder: BodyCoder | null = null;
  #trailers: HeaderBlock | null = null;

  constructor(compression: Compression, wanted: Wanted, call: UpstreamCall, sink: Sink) {
    this.#compression = compression;
    this.#wanted = wanted;
    this.#call = call;
    this.#sink = sink;
    this.inner = call.again();
    if (compression.asksIdentity) {
      // The cache around this goes on to see what the client wants.
      this.inner.headers = call.headers.clone();
      this.inner.headers.set(acceptEncoding, 'identity');
    }
    call.runner = this;
  }

  get takesFramed(): boolean {
    return this.#stage === stage.passing && this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    const { method, headers } = this.#call;
    const change = this.#compression.changeOf(head, method, headers, this.#wanted);
    if (change === null) {
      this.#sink.head(head);
      return;
    }
    if (head.framing === 'none') {
      recode(head.headers, change.to);
      this.#sink.head(head);
      return;
    }
    this.#head = head;
    this.#change = change;
    if (head.contentLength > change.inlineBytes) {
      this.#code(head, change);
      return;
    }
    this.#stage = stage.gathering;
    this.#gathered = [];
    if (head.contentLength < 0) this.#immediate = setImmediate(goOn, this);
  }

  data(chunk: Chunk): boolean {
    if (this.#stage === stage.passing) return this.#sink.data(chunk);
    if (this.#stage === stage.gathering) return this.#gather(chunk);
    return this.#coder === null || this.#coder.write(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#stage === stage.gathering) {
      this.#endWhole(this.#head as ResponseHead, this.#change as Change, trailers);
    } else if (this.#coder !== null) {
      this.#trailers = trailers === null ? null : recodedTrailers(trailers);
      this.#coder.end();
    } else if (this.#stage === stage.passing) {
      this.#over();
      this.#sink.end(trailers);
    }
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#over();
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.#over();
    this.#sink.fail(error);
  }

  resumeCall(): void {
    if (this.#coder !== null) this.#coder.resume();
    else this.inner.resume();
  }

  cancelCall(): void {
    this.#over();
    this.inner.cancel();
  }

  coded(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  drained(): void {
    this.inner.resume();
  }

  ended(): void {
    this.#over();
    this.#sink.end(this.#trailers);
  }

  failed(): void {
    const isOurs = this.#change?.encoding !== null;
    this.cancelCall();
    this.#sink.fail(isOurs ? errors.internal : errors.upstreamMalformed);
  }

  /** Whatever came together with the head is here, and it is not everything. */
  gathered(): void {
    this.#immediate = null;
    if (this.#stage === stage.gathering) this.#code(this.#head as ResponseHead, this.#change as Change);
  }

  #gather(chunk: Chunk): boolean {
    this.#gathered?.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    this.#gatheredBytes += chunk.end - chunk.start;
    const change = this.#change as Change;
    if (this.#gatheredBytes <= change.inlineBytes) return true;
    return this.#code(this.#head as ResponseHead, change);
  }

  /** From here on the response goes through a coder. False: it takes no more at the moment. */
  #code(head: ResponseHead, change: Change): boolean {
    const { encoding } = change;
    if (encoding !== null && !this.#compression.beginStream()) return this.#pass(head);
    const length = head.contentLength;
    const coder =
      encoding === null
        ? BodyCoder.decoder(change.from as ContentCoding, this)
        : BodyCoder.encoder(encoding, length, length < 0, this);
    this.#coder = coder;
    this.#enter(stage.coding);
    // The connection it came from may serve the next response before this one is over.
    head.headers = head.headers.clone();
    recode(head.headers, change.to);
    head.framing = 'chunked';
    head.contentLength = -1;
    this.#sink.head(head);
    return this.#release((piece) => coder.write(piece));
  }

  /** As it is, after all. */
  #pass(head: ResponseHead): boolean {
    this.#enter(stage.passing);
    this.#sink.head(head);
    return this.#release((piece) => this.#sink.data(piece));
  }

  #release(take: (piece: Chunk) => boolean): boolean {
    const gathered = this.#gathered;
    this.#gathered = null;
    let more = true;
    for (const bytes of gathered ?? []) {
      if (this.#isOver) return true;
      if (bytes.length === 0) continue;
      more = take(Chunk.whole(bytes, true));
    }
    return more;
  }

  /** All of it is here. */
  #endWhole(head: ResponseHead, change: Change, trailers: HeaderBlock | null): void {
    const gathered = this.#gathered ?? [];
    const bytes = gathered.length === 1 ? (gathered[0] as Buffer) : Buffer.concat(gathered);
    const { encoding } = change;
    if (encoding === null) {
      const decoded = decodeWhole(change.from as ContentCoding, bytes, MAX_DECODED);
      if (decoded === 'malformed') {
        this.fail(errors.upstreamMalformed);
      } else if (decoded === 'too long') {
        this.#code(head, change);
        this.end(trailers);
      } else {
        this.#sendWhole(head, decoded, change, trailers);
      }
      return;
    }
    const { takesIdentity } = this.#wanted;
    const isShort = bytes.length === 0 || (bytes.length < this.#compression.minSize && takesIdentity);
    const encoded = isShort ? bytes : encodeWhole(encoding, bytes);
    if (isShort || (encoded.length >= bytes.length && takesIdentity)) this.#sendWhole(head, bytes, null, trailers);
    else this.#sendWhole(head, encoded, change, trailers);
  }

  #sendWhole(head: ResponseHead, bytes: Buffer, change: Change | null, trailers: HeaderBlock | null): void {
    if (change !== null) recode(head.headers, change.to);
    // Trailers go behind chunks only (RFC 9112, 7.1.2).
    const hasLength = trailers === null;
    if (hasLength) head.headers.set(contentLength, String(bytes.length));
    head.framing = hasLength ? 'length' : 'chunked';
    head.contentLength = hasLength ? bytes.length : -1;
    this.#gathered = [bytes];
    this.#pass(head);
    this.end(trailers === null || change === null ? trailers : recodedTrailers(trailers));
  }

  get #isOver(): boolean {
    return this.#stage === stage.over;
  }

  #enter(next: Stage): void {
    this.#stage = next;
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#immediate = null;
  }

  #over(): void {
    this.#enter(stage.over);
    this.#gathered = null;
    this.#call.runner = null;
    const coder = this.#coder;
    if (coder === null) return;
    this.#coder = null;
    coder.destroy();
    if (this.#change?.encoding !== null) this.#compression.endStream();
  }
}

function goOn(response: CodingSink): void {
  response.gathered();
}
