import { Chunk } from '../../src/plan/call.ts';
import { ChunkedDecoder, chunkedEvent } from '../../src/runtime/http1/chunked.ts';
import { MessageHead } from '../../src/runtime/http1/message-head.ts';
import { parseRequestHead, parseResponseHead, parseTrailers } from '../../src/runtime/http1/parse-head.ts';
import { normalizeTarget, Target } from '../../src/semantics/url.ts';

/** Drives the codec's functions as its connections do, but without any: for tests that need many thousand messages. */

export const codecLimits = { maxHead: 32_768, maxTarget: 8_192, maxFields: 100 };

/** One message as the codec understood it. */
export interface CodecMessage {
  /** Where it begins. */
  readonly start: number;
  readonly line: string;
  readonly fields: readonly (readonly [string, string])[];
  /** The facts that frame the message and its connection, as text. */
  readonly facts: string;
  readonly keepAlive: boolean;
  readonly status: number;
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}
export interface Transcript {
  readonly messages: readonly CodecMessage[];
  /** Code of the refusal that ended it, `unusable_target` before routing, `incomplete`, or null. */
  readonly end: string | null;
  /** Where the message begins that is none of `messages`, or where the last of them ends. */
  readonly rest: number;
}
export interface ReadOptions {
  readonly kind: 'request' | 'response';
  /** Takes canonical chunks in their framing, and gives them back in it. */
  readonly verbatim?: boolean;
  /** What stands in memory behind the received bytes: a parser that looks there shows it. */
  readonly behind?: string;
  /** Method of the request that a response answers. */
  readonly method?: string;
}

/** What becomes of bytes (latin1) that arrive in these pieces. */
export function readPieces(pieces: readonly string[], options: ReadOptions): Transcript {
  const reader = new Reader(options);
  for (const piece of pieces) {
    reader.take(piece);
    if (reader.end !== null) break;
  }
  return reader.transcript();
}

class Reader {
  end: string | null = null;
  readonly #options: ReadOptions;
  readonly #messages: CodecMessage[] = [];
  readonly #head = new MessageHead();
  readonly #decoder = new ChunkedDecoder();
  readonly #chunk = new Chunk(Buffer.alloc(0));
  #stash = '';
  /** Bytes before those at hand. */
  #before = 0;
  #start = 0;
  #open: Omit<CodecMessage, 'body' | 'trailers'> | null = null;
  #chunked = false;
  #untilEnd = false;
  #remaining = 0;
  #body = '';
  #payload = 0;
  #final = false;

  constructor(options: ReadOptions) {
    this.#options = options;
  }

  take(piece: string): void {
    const text = this.#stash + piece;
    this.#stash = '';
    const bytes = Buffer.from(text + (this.#options.behind ?? ''), 'latin1');
    let at = 0;
    while (at < text.length && this.end === null && !this.#final) {
      const next =
        this.#open === null ? this.#readHead(bytes, at, text.length) : this.#readBody(bytes, at, text.length);
      if (next < 0) break;
      at = next;
    }
    // Trailers wait there from their beginning.
    this.#before += this.#stash === '' ? at : text.length - this.#stash.length;
    if (this.#stash === '') this.#stash = text.slice(at);
  }

  transcript(): Transcript {
    if (this.#open !== null && this.#untilEnd) this.#complete([], 0);
    const open = this.#open !== null || this.#stash.replace(/^\r\n?/, '') !== '';
    const end = this.end ?? (open && !this.#final ? 'incomplete' : null);
    return { messages: this.#messages, end, rest: this.#start };
  }

  /** The offset to go on from; -1: wait for more. */
  #readHead(bytes: Buffer, at: number, end: number): number {
    const head = this.#head;
    const isRequest = this.#options.kind === 'request';
    const next = (isRequest ? parseRequestHead : parseResponseHead)(bytes, at, end, head, codecLimits);
    if (next === 0) return -1;
    if (next < 0) {
      this.end = head.error.code;
      return end;
    }
    if (isRequest && !isUsableTarget(head.target)) {
      this.end = 'unusable_target';
      return end;
    }
    const { method, target, status, version, host, contentLength, chunked } = head;
    const { keepAlive, upgrade, expectContinue, takesTrailers } = head;
    this.#open = {
      start: this.#start,
      line: isRequest ? `${method} ${target}` : '',
      fields: fieldsOf(head),
      facts: JSON.stringify({ version, host, contentLength, chunked, upgrade, expectContinue, takesTrailers }),
      keepAlive,
      status: isRequest ? 0 : status,
    };
    const empty = !isRequest && (status < 200 || status === 204 || status === 304 || this.#options.method === 'HEAD');
    this.#chunked = chunked && !empty;
    this.#remaining = empty ? 0 : Math.max(contentLength, 0);
    this.#untilEnd = !isRequest && !empty && !chunked && contentLength < 0;
    this.#body = '';
    this.#payload = 0;
    this.#decoder.reset();
    if (!this.#chunked && !this.#untilEnd && this.#remaining === 0) this.#complete([], next);
    return next;
  }

  #readBody(bytes: Buffer, at: number, end: number): number {
    if (!this.#chunked) {
      const take = this.#untilEnd ? end - at : Math.min(this.#remaining, end - at);
      this.#body += bytes.latin1Slice(at, at + take);
      this.#remaining -= take;
      if (!this.#untilEnd && this.#remaining === 0) this.#complete([], at + take);
      return at + take;
    }
    const decoder = this.#decoder;
    if (decoder.finished) return this.#readTrailers(bytes, at, end);
    const chunk = this.#chunk;
    const verbatim = this.#options.verbatim ?? false;
    switch (decoder.next(bytes, at, end, verbatim, chunk)) {
      case chunkedEvent.data: {
        const text = chunk.bytes.latin1Slice(chunk.start, chunk.end);
        if (chunk.framed && !verbatim) throw new Error('framing that nobody asked for');
        this.#payload += chunk.payload;
        this.#body += chunk.framed || !verbatim ? text : `${text.length.toString(16)}\r\n${text}\r\n`;
        return decoder.position;
      }
      case chunkedEvent.error:
        this.end = this.#options.kind === 'request' ? 'malformed_request' : 'upstream_malformed';
        return end;
      case chunkedEvent.last:
        return decoder.position === end ? end : this.#readTrailers(bytes, decoder.position, end);
      default:
        return decoder.position;
    }
  }

  #readTrailers(bytes: Buffer, at: number, end: number): number {
    const head = new MessageHead();
    const next = parseTrailers(bytes, at, end, head, codecLimits);
    if (next < 0) {
      this.end = this.#options.kind === 'request' ? head.error.code : 'upstream_malformed';
      return end;
    }
    if (next === 0) {
      // The decoder knows that it is behind the last chunk, so the trailers may be read again from their beginning.
      this.#stash = bytes.latin1Slice(at, end);
      return end;
    }
    this.#complete(fieldsOf(head), next);
    return next;
  }

  #complete(trailers: readonly (readonly [string, string])[], end: number): void {
    const open = this.#open;
    if (open === null) return;
    this.#start = this.#before + end;
    const body = this.#chunked && this.#options.verbatim ? decodeStrictly(this.#body) : this.#body;
    if (this.#chunked && this.#payload !== body.length) throw new Error('the payload is not what it says');
    this.#messages.push({ ...open, body, trailers });
    this.#open = null;
    // What comes behind the last message is nobody's.
    this.#final = this.#options.kind === 'request' ? !open.keepAlive : open.status >= 200;
  }
}

function fieldsOf(head: MessageHead): readonly (readonly [string, string])[] {
  const fields: [string, string][] = [];
  head.headers.forEach((name, value) => {
    fields.push([name, value]);
  });
  return fields;
}

const target = new Target();

/** What the gateway's front asks of a target before it looks for a route. */
function isUsableTarget(text: string): boolean {
  const origin = /^https?:\/\/[0-9a-z\-._~:[\]]+((?:\/|\?).*|)$/i.exec(text);
  if (origin === null) return normalizeTarget(text, target);
  return normalizeTarget(origin[1]?.startsWith('/') ? origin[1] : `/${origin[1] ?? ''}`, target);
}

/** Chunks as the gateway forwards them, back to their data; only sizes without zeros in front and exact line ends. */
function decodeStrictly(text: string): string {
  let data = '';
  for (let at = 0; at < text.length; ) {
    const line = /^([1-9a-fA-F][0-9a-fA-F]*)\r\n/.exec(text.slice(at, at + 20));
    if (line === null) throw new Error(`not canonical: ${JSON.stringify(text.slice(at, at + 20))}`);
    const size = Number.parseInt(line[1] as string, 16);
    const from = at + line[0].length;
    data += text.slice(from, from + size);
    at = from + size + 2;
    if (text.slice(at - 2, at) !== '\r\n') throw new Error('no CRLF behind a chunk');
  }
  return data;
}
