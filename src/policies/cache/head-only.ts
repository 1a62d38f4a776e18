import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import type { Chunk, ResponseHead, Sink, Tunnel } from '../../plan/call.ts';
import { judge } from '../../semantics/caching/storability.ts';
import { storedFields } from '../../semantics/caching/stored-fields.ts';
import { headSays, mergedFields } from '../../semantics/caching/validation.ts';
import type { Asked, Workings } from './asked.ts';
import type { Before } from './fetch.ts';
import { encodeResponse } from './stored-head.ts';

/** The response to a HEAD, which may say something about the stored response to a GET (RFC 9111, 4.3.5). */
export class HeadOnly implements Sink {
  readonly #workings: Workings;
  readonly #asked: Asked;
  readonly #sink: Sink;
  readonly #before: Before;
  readonly #length: number;

  /** `length`: of the stored body. */
  constructor(workings: Workings, asked: Asked, sink: Sink, before: Before, length: number) {
    this.#workings = workings;
    this.#asked = asked;
    this.#sink = sink;
    this.#before = before;
    this.#length = length;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    this.#learn(head);
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

  #learn({ status, headers }: ResponseHead): void {
    const { store } = this.#workings;
    const { rules, isTold: isAuthorized, since } = this.#asked;
    const { key, head, version } = this.#before;
    const { policy, fields, fetchTime } = head;
    const says = headSays(policy, status, headers, this.#length);
    if (says === 'nothing') return;
    if (says === 'freshens') {
      const now = Date.now();
      const merged = mergedFields(fields, headers, now);
      const received = { status: policy.status, headers: merged, requestTime: since, responseTime: now };
      const judged = judge({ method: 'GET', directives: null, isAuthorized }, received, rules);
      const meta =
        typeof judged === 'string' ? null : encodeResponse(judged, storedFields(merged, rules, now), fetchTime);
      if (meta !== null) {
        store.refresh(key, meta, version);
        return;
      }
    }
    store.remove(key);
  }
}
