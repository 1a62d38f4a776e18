import { crc32 } from 'node:zlib';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { CallRunner, Chunk, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { Asked, Workings } from './asked.ts';
import type { StoredHead } from './stored-head.ts';

const contentEncoding = fieldName('content-encoding');
const etag = fieldName('etag');
const contentLengthField = fieldName('content-length');
const lastModified = fieldName('last-modified');

/** What a client has of a body. */
export class TakenBytes {
  count = 0;
  /** Against a response that is another one by now, not against somebody who wants it to look the same. */
  #checksum = 0;

  add(bytes: Uint8Array): void {
    this.count += bytes.length;
    this.#checksum = crc32(bytes, this.#checksum);
  }

  isSame(other: TakenBytes): boolean {
    return this.count === other.count && this.#checksum === other.#checksum;
  }
}

/**
 * The rest of a response whose beginning came from somebody else's fetch, which was given up: it became too large to be
 * stored, or its thread ended. The service is asked for the whole; what the client has already is compared and left out.
 */
export class ResumedRequest implements Sink, CallRunner {
  readonly #workings: Workings;
  readonly #asked: Asked;
  readonly #sink: Sink;
  readonly #head: StoredHead;
  readonly #taken: TakenBytes;
  readonly #call: UpstreamCall;
  readonly #again = new TakenBytes();
  /** Bytes of the body that may still come; -1: the client was told no length. */
  #rest = -1;
  #isOver = false;

  constructor(workings: Workings, asked: Asked, sink: Sink, head: StoredHead, taken: TakenBytes) {
    this.#workings = workings;
    this.#asked = asked;
    this.#sink = sink;
    this.#head = head;
    this.#taken = taken;
    this.#call = workings.service.of(asked.call, asked.target, true, null);
  }

  run(): void {
    this.#asked.call.runner = this;
    this.#workings.next(this.#call, this);
  }

  readonly takesFramed = false;

  informational(): void {}

  head({ status, headers, contentLength }: ResponseHead): void {
    const { policy, fields, framing } = this.#head;
    // What the client was told holds: bytes behind it would be taken for the next response.
    if (framing === 'length') this.#rest = Number(fields.get(contentLengthField));
    const isSame =
      status === policy.status &&
      sameIn(etag, headers, fields) &&
      sameIn(lastModified, headers, fields) &&
      sameIn(contentEncoding, headers, fields) &&
      (this.#rest < 0 || contentLength < 0 || contentLength === this.#rest);
    if (!isSame) this.#giveUp();
  }

  data(chunk: Chunk): boolean {
    if (this.#isOver) return true;
    if (this.#rest >= 0) {
      this.#rest -= chunk.end - chunk.start;
      if (this.#rest < 0) {
        this.#giveUp();
        return true;
      }
    }
    const known = Math.min(this.#taken.count - this.#again.count, chunk.end - chunk.start);
    if (known > 0) {
      this.#again.add(chunk.bytes.subarray(chunk.start, chunk.start + known));
      if (this.#again.count === this.#taken.count && !this.#again.isSame(this.#taken)) {
        this.#giveUp();
        return true;
      }
      if (chunk.start + known === chunk.end) return true;
      chunk.start += known;
      chunk.payload -= known;
    }
    return this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    if (this.#isOver) return;
    this.#finish();
    if (this.#again.count < this.#taken.count || this.#rest > 0) this.#sink.fail(errors.upstreamReset);
    else this.#sink.end(trailers);
  }

  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.destroy();
    this.#giveUp();
  }

  fail(error: GatewayError): void {
    if (this.#isOver) return;
    this.#finish();
    this.#sink.fail(error);
  }

  resumeCall(): void {
    this.#call.resume();
  }

  cancelCall(): void {
    this.#finish();
    this.#call.cancel();
  }

  /** It is another response by now. */
  #giveUp(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#call.cancel();
    this.#sink.fail(errors.upstreamReset);
  }

  #finish(): void {
    this.#isOver = true;
    this.#asked.call.runner = null;
  }
}

function sameIn(name: typeof etag, one: HeaderBlock, other: HeaderBlock): boolean {
  return one.get(name) === other.get(name);
}
