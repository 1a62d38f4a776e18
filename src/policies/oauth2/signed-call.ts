import type { GatewayError } from '../../base/gateway-error.ts';
import type { FieldName, HeaderBlock } from '../../base/headers.ts';
import type { CallRunner, Chunk, ResponseHead, Sink, Tunnel, UpstreamCall } from '../../plan/call.ts';

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
export class RefusalWatch implements Sink {
  readonly #sink: Sink;
  readonly #refused: (generation: number) => void;
  readonly #generation: number;

  constructor(sink: Sink, refused: (generation: number) => void, generation: number) {
    this.#sink = sink;
    this.#refused = refused;
    this.#generation = generation;
  }

  get takesFramed(): boolean {
    return this.#sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.#sink.informational(head);
  }

  head(head: ResponseHead): void {
    if (head.status === 401) this.#refused(this.#generation);
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
}
