import type { GatewayError } from '../../base/gateway-error.ts';
import type { HeaderBlock } from '../../base/headers.ts';
import type { BodySink, BodySource, Chunk, UpstreamCall } from '../../plan/call.ts';
import type { Mirror, MirrorCopy } from './mirror-copy.ts';

/** A request body on its way to its service, of which a copy is kept for a mirror. */
export class MirroredBody implements BodySource, BodySink {
  readonly #source: BodySource;
  readonly #mirror: Mirror;
  readonly #call: UpstreamCall;
  readonly #series: number;
  #sink: BodySink | null = null;
  #copy: MirrorCopy | null = null;
  #isCopied = false;
  takesFramed = false;

  /** `call`: the one that has this body. */
  constructor(source: BodySource, mirror: Mirror, call: UpstreamCall, series: number) {
    this.#source = source;
    this.#mirror = mirror;
    this.#call = call;
    this.#series = series;
  }

  get size(): number {
    return this.#source.size;
  }

  get replayable(): boolean {
    return this.#source.replayable;
  }

  get started(): boolean {
    return this.#source.started;
  }

  get passesContinue(): boolean {
    return this.#sink?.passesContinue ?? false;
  }

  /** One copy, of the first time that the body goes out as a whole. */
  start(sink: BodySink): void {
    this.#sink = sink;
    this.#copy?.drop();
    this.#copy = this.#isCopied ? null : this.#mirror.begin(this.#call, this.#series);
    this.takesFramed = this.#copy === null && sink.takesFramed;
    this.#source.start(this);
  }

  resume(): void {
    this.#source.resume();
  }

  cancel(): void {
    this.#copy?.drop();
    this.#source.cancel();
  }

  data(chunk: Chunk): boolean {
    this.#copy?.add(chunk);
    return this.#sink?.data(chunk) ?? true;
  }

  end(trailers: HeaderBlock | null): void {
    const copy = this.#copy;
    this.#copy = null;
    this.#isCopied ||= copy !== null;
    this.#sink?.end(trailers);
    copy?.send();
  }

  abort(error: GatewayError): void {
    this.#copy?.drop();
    this.#sink?.abort(error);
  }
}
