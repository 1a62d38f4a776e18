import type { CallRunner, Sink } from '../../plan/call.ts';
import type { Fill, StoredResponse } from '../../plan/response-store.ts';
import type { SharedResponse } from '../../plan/shared-responses.ts';
import { verdict } from '../../semantics/caching/freshness.ts';
import type { Asked, Workings } from './asked.ts';
import type { Fetch } from './fetch.ts';
import { sendStored } from './stored-answer.ts';
import { decodeHead, type StoredHead } from './stored-head.ts';

/** Before the service is asked: another machine may have the response. It is then stored here too. */
export class SharedLookup implements CallRunner {
  readonly #workings: Workings;
  readonly #asked: Asked;
  readonly #sink: Sink;
  readonly #variants: StoredHead | null;
  readonly #fill: Fill;
  readonly #fetch: Fetch;
  #isWanted = true;

  constructor(workings: Workings, asked: Asked, sink: Sink, variants: StoredHead | null, fill: Fill, fetch: Fetch) {
    this.#workings = workings;
    this.#asked = asked;
    this.#sink = sink;
    this.#variants = variants;
    this.#fill = fill;
    this.#fetch = fetch;
  }

  run(): void {
    const { call } = this.#asked;
    call.runner = this;
    // The client may be gone before the answer.
    if (call.exchange !== null) call.exchange.retained = true;
    this.#find(this.#variants?.policy.vary ?? '');
  }

  resumeCall(): void {}

  /** Others may wait for it. */
  cancelCall(): void {
    this.#isWanted = false;
    this.#asked.call.runner = null;
  }

  #find(vary: string): void {
    const { shared, variants } = this.#workings;
    shared.find(variants.sharedKey(this.#asked, vary), (response) => this.#found(response, vary));
  }

  #found(response: SharedResponse | null, vary: string): void {
    const head = response === null ? null : decodeHead(response.meta, response.body.length);
    if (response !== null && head !== null) {
      if (head.kind === 'variants' && vary === '' && head.policy.vary !== '') {
        this.#find(head.policy.vary);
        return;
      }
      if (head.kind === 'response' && verdict(head.policy, this.#asked.directives, Date.now(), false) === 'fresh') {
        this.#adopt(response, head);
        return;
      }
    }
    this.#asked.call.runner = null;
    if (!this.#isWanted) this.#fetch.cancelCall();
    this.#fetch.run();
  }

  #adopt(response: SharedResponse, head: StoredHead): void {
    const { variants, outcomes, maxEntry } = this.#workings;
    const { call } = this.#asked;
    const { meta, body, tags } = response;
    const key = variants.place(this.#asked, this.#variants, head.policy.vary);
    const fits = key !== null && meta.length + body.length <= maxEntry;
    if (fits && this.#fill.open(key, meta, tags, body.length)) {
      if (body.length === 0 || this.#fill.append(body, 0, body.length)) this.#fill.commit();
    } else {
      this.#fill.abandon();
    }
    call.runner = null;
    this.#fetch.release();
    if (!this.#isWanted) return;
    const now = Date.now();
    const found: StoredResponse = { meta, body, storedAt: now, version: 0, isStale: false, release: () => undefined };
    outcomes.hit(call, 'hit', head, now);
    sendStored(call, this.#sink, found, head, now);
  }
}
