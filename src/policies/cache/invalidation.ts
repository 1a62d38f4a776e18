import type { ResponseHead, Sink, UpstreamCall } from '../../plan/call.ts';
import { PassingSink } from '../../plan/passing-sink.ts';
import type { ResponseStore } from '../../plan/response-store.ts';
import type { SharedResponses } from '../../plan/shared-responses.ts';
import { invalidatedTargets } from '../../semantics/caching/invalidation.ts';
import type { CacheKey } from './cache-key.ts';

/** The response to a method that changes something: what is stored of its URL is gone (RFC 9111, 4.4). */
export class Invalidation extends PassingSink {
  readonly #call: UpstreamCall;
  readonly #key: CacheKey;
  readonly #store: ResponseStore;
  readonly #shared: SharedResponses;

  constructor(call: UpstreamCall, sink: Sink, key: CacheKey, store: ResponseStore, shared: SharedResponses) {
    super(sink);
    this.#call = call;
    this.#key = key;
    this.#store = store;
    this.#shared = shared;
  }

  override head(head: ResponseHead): void {
    // Before the client can know that it is done.
    this.#remove(head);
    super.head(head);
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
