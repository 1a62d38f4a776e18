import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { Encoding } from '../../plan/body-coder.ts';
import type { ResponseHead } from '../../plan/call.ts';
import {
  type ContentCoding,
  codingOf,
  forbidsTransform,
  type Negotiator,
  type Wanted,
} from '../../semantics/content-coding.ts';
import type { MediaTypes } from '../../semantics/media-types.ts';
import { contentEncoding, contentLength, varyByEncoding, weakenAsAsked } from './coded-fields.ts';

const cacheControl = fieldName('cache-control');
const contentType = fieldName('content-type');
const signatureInput = fieldName('signature-input');

/** What becomes of a body: it gets a coding, or loses one. */
export interface Change {
  readonly from: ContentCoding | null;
  readonly to: ContentCoding | null;
  /** How it is encoded; null: it is decoded. */
  readonly encoding: Encoding | null;
  /** Bodies up to this are done as a whole and at once. */
  readonly inlineBytes: number;
}

export type Changes = Readonly<Record<ContentCoding, Change>>;

/** Bodies under way through an encoder, in this worker. */
let encoding = 0;

/** What a use of the policy says, compiled. */
export class Compression {
  readonly negotiator: Negotiator;
  readonly minSize: number;
  /** The service is asked for what has no coding. */
  readonly asksIdentity: boolean;
  readonly #types: MediaTypes;
  readonly #encode: Changes;
  /** Null: what has a coding keeps it. */
  readonly #decode: Changes | null;
  readonly #maxStreams: number;

  constructor(given: {
    negotiator: Negotiator;
    minSize: number;
    asksIdentity: boolean;
    types: MediaTypes;
    encode: Changes;
    decode: Changes | null;
    maxStreams: number;
  }) {
    this.negotiator = given.negotiator;
    this.minSize = given.minSize;
    this.asksIdentity = given.asksIdentity;
    this.#types = given.types;
    this.#encode = given.encode;
    this.#decode = given.decode;
    this.#maxStreams = given.maxStreams;
  }

  /** What is done with the body of a response; null: nothing. Says in `Vary` that other requests may get it otherwise. */
  changeOf(head: ResponseHead, method: string, request: HeaderBlock, wanted: Wanted): Change | null {
    const { status, headers } = head;
    if (status === 204 || status === 205) return null;
    // RFC 9111, 5.2.1.6 and 5.2.2.6. A signature (RFC 9421) may cover what would change.
    if (forbidsTransform(headers.getAll(cacheControl)) || headers.has(signatureInput)) return null;
    if (forbidsTransform(request.getAll(cacheControl))) return null;
    const coding = codingOf(headers.getAll(contentEncoding));
    const type = headers.get(contentType);
    if (status === 304) {
      // It mostly does not say what it is about.
      if (coding !== null || type === undefined || this.#types.has(type)) {
        varyByEncoding(headers);
        weakenAsAsked(headers, request);
      }
      return null;
    }
    if (coding === null && !this.#types.has(type)) return null;
    varyByEncoding(headers);
    // A part is one of the representation that the service has chosen.
    if (status === 206) return null;
    if (coding !== null) return this.#decoding(coding, wanted);
    if (wanted.coding === null) return null;
    const length = head.framing === 'none' ? declaredLength(method, headers) : head.contentLength;
    if (length === 0 || (length > 0 && length < this.minSize && wanted.takesIdentity)) return null;
    return this.#encode[wanted.coding];
  }

  #decoding(coding: ContentCoding | 'other', wanted: Wanted): Change | null {
    if (this.#decode === null || coding === 'other') return null;
    const isAccepted = coding === wanted.coding || (coding === 'gzip' && wanted.takesGzip);
    return isAccepted ? null : this.#decode[coding];
  }

  /** False: so many are under way that further bodies stay as they are. */
  beginStream(): boolean {
    if (encoding >= this.#maxStreams) return false;
    encoding++;
    return true;
  }

  endStream(): void {
    encoding--;
  }
}

/** Of the body that a GET would get; -1: unknown, and 0: there is none. */
function declaredLength(method: string, headers: HeaderBlock): number {
  if (method !== 'HEAD') return 0;
  const text = headers.get(contentLength);
  return text === undefined ? -1 : Number(text);
}
