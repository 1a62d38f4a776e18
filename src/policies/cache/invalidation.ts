import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import type { Chunk, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';
import type { ResponseStore } from '../../plan/response-store.ts';
import type { SharedResponses } from '../../plan/shared-responses.ts';
import { invalidatedTargets } from '../../semantics/caching/invalidation.ts';
import type { CacheKey } from './cache-key.ts';

/** The response to a method that changes something: what is stored of its URL is gone (RFC 9111, 4.4). */
export class Invalidation implements Sink {
  readonly #call: UpstreamCall;
  readonly #sink: Sink;
  readonly #key: CacheKey;
  readonly #store: ResponseStore;
  readonly #shared: SharedResponses;

  constructor(call: UpstreamCall, sink: Sink, key: CacheKey, store: ResponseStore, shared: SharedResponses) {
    this.#call = call;
    this.#sink = sink;
    this.#key = key;
    this.#store = store;
    this.#shared = shared;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    // Before the client can know that it is done.
    this.#remove(head);
    this.#sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.#sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.#sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.#sink.fail(error);
  }

  #remove({ status, headers }: ResponseHead): void {
    const { target, authority, exchange } = this.#call;
    const scheme = exchange === null ? 'http' : exchange.scheme;
    const targets = invalidatedTargets(status, scheme, authority, target, headers);
    for (const each of targets ?? []) {
      const key = this.#key.primary(this.#call, this.#key.target(each));
      if (key === '') continue;
      this.#store.remove(key);
      this.#shared.announce({ by: 'key', value: key, soft: false });
    }
  }
}
