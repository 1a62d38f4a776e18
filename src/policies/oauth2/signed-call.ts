import type { FieldName } from '../../base/headers.ts';
import type { CallRunner, ResponseHead, Sink, UpstreamCall } from '../../plan/call.ts';
import { PassingSink } from '../../plan/passing-sink.ts';

/**
 * A call with a credential, in the place of one without: the header section of a call may be the exchange's own, and the
 * call itself may go to another upstream afterwards, neither of which is to know the credential.
 */
export class SignedCall implements CallRunner {
  readonly inner: UpstreamCall;

  constructor(call: UpstreamCall, field: FieldName, value: string) {
    const inner = call.again();
    inner.headers = call.headers.clone();
    inner.headers.set(field, value);
    this.inner = inner;
    call.runner = this;
  }

  resumeCall(): void {
    this.inner.resume();
  }

  cancelCall(): void {
    this.inner.cancel();
  }
}

/** Tells when the service refuses the credential; everything goes on as it came. */
export class RefusalWatch extends PassingSink {
  readonly #refused: (generation: number) => void;
  readonly #generation: number;

  constructor(sink: Sink, refused: (generation: number) => void, generation: number) {
    super(sink);
    this.#refused = refused;
    this.#generation = generation;
  }

  override head(head: ResponseHead): void {
    if (head.status === 401) this.#refused(this.#generation);
    super.head(head);
  }
}
