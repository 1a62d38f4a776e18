import type { GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { Chunk, ResponseHead, Sink, Tunnel } from './call.ts';

/** Stands before a sink and lets everything through: whoever watches or changes something overrides what it is about. */
export abstract class PassingSink implements Sink {
  protected readonly sink: Sink;

  constructor(sink: Sink) {
    this.sink = sink;
  }

  get takesFramed(): boolean {
    return this.sink.takesFramed;
  }

  informational(head: ResponseHead): void {
    this.sink.informational(head);
  }

  head(head: ResponseHead): void {
    this.sink.head(head);
  }

  data(chunk: Chunk): boolean {
    return this.sink.data(chunk);
  }

  end(trailers: HeaderBlock | null): void {
    this.sink.end(trailers);
  }

  upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.sink.upgrade(head, tunnel);
  }

  fail(error: GatewayError): void {
    this.sink.fail(error);
  }
}
