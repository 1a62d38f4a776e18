import type { CallRunner, ResponseHead, Sink, UpstreamCall } from '../../plan/call.ts';
import { PassingSink } from '../../plan/passing-sink.ts';
import { judge } from '../../semantics/caching/storability.ts';
import { storedFields } from '../../semantics/caching/stored-fields.ts';
import { headSays, mergedFields } from '../../semantics/caching/validation.ts';
import type { Asked, Workings } from './asked.ts';
import type { Before } from './fetch.ts';
import { encodeResponse } from './stored-head.ts';

/**
 * A HEAD whose response may say something about the stored response to a GET (RFC 9111, 4.3.5). So the service is asked
 * as it would be for that: nothing that is not in the key has a say in what others get.
 */
export class HeadOnly extends PassingSink implements CallRunner {
  readonly inner: UpstreamCall;
  readonly #workings: Workings;
  readonly #asked: Asked;
  readonly #before: Before;
  readonly #length: number;

  /** `length`: of the stored body. */
  constructor(workings: Workings, asked: Asked, sink: Sink, before: Before, length: number) {
    super(sink);
    this.#workings = workings;
    this.#asked = asked;
    this.#before = before;
    this.#length = length;
    const { call, target } = asked;
    this.inner = call.again();
    this.inner.target = target;
    this.inner.headers = workings.service.fields(call.headers);
    call.runner = this;
  }

  resumeCall(): void {
    this.inner.resume();
  }

  cancelCall(): void {
    this.inner.cancel();
  }

  override head(head: ResponseHead): void {
    this.#learn(head);
    super.head(head);
  }

  #learn({ status, headers }: ResponseHead): void {
    const { store } = this.#workings;
    const { rules, directives, mayStore, isTold: isAuthorized, since } = this.#asked;
    const { key, head, version } = this.#before;
    const { policy, fields, fetchTime } = head;
    const says = headSays(policy, status, headers, this.#length);
    if (says === 'nothing') return;
    if (says === 'freshens') {
      // RFC 9111, 5.2.1.5: nothing of this response is to be kept.
      if (!mayStore || directives?.noStore) return;
      const now = Date.now();
      const merged = mergedFields(fields, headers, now);
      const received = { status: policy.status, headers: merged, requestTime: since, responseTime: now };
      const judged = judge({ method: 'GET', directives: null, isAuthorized }, received, rules);
      // One that varies otherwise from now on has another key.
      const isSame = typeof judged !== 'string' && judged.vary === policy.vary;
      const meta = isSame ? encodeResponse(judged, storedFields(merged, rules, now), fetchTime) : null;
      if (meta !== null) {
        store.refresh(key, meta, version);
        return;
      }
    }
    store.remove(key);
  }
}
