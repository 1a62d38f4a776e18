import { errors } from '../../base/gateway-error.ts';
import { Deadline } from '../../base/timers.ts';
import { type CallRunner, Chunk, type Sink, type UpstreamCall } from '../../plan/call.ts';
import type { Flight, FlightFollower } from '../../plan/response-store.ts';
import type { Asked, Workings } from './asked.ts';
import { goesOn } from './outcomes.ts';
import { ResumedRequest, TakenBytes } from './resumed-request.ts';
import { answerFor, answerHead } from './stored-answer.ts';
import { decodeHead, type StoredHead } from './stored-head.ts';

const piece = new Chunk(Buffer.alloc(0));

/** A request that waits for a response which somebody else has asked for, and gets it while it arrives. */
export class WaitingRequest extends Deadline implements FlightFollower, CallRunner {
  readonly #workings: Workings;
  readonly #asked: Asked;
  readonly #sink: Sink;
  readonly #flight: Flight;
  /** Under which it is fetched. */
  readonly #key: string;
  #head: StoredHead | null = null;
  /** Null: the client wants a part, which is not gone on with elsewhere. */
  #taken: TakenBytes | null = null;
  #isOver = false;
  /** Of the body, the part that the client wants. */
  #at = 0;
  #start = 0;
  #end = Number.POSITIVE_INFINITY;

  constructor(workings: Workings, asked: Asked, sink: Sink, flight: Flight, key: string) {
    super();
    this.#workings = workings;
    this.#asked = asked;
    this.#sink = sink;
    this.#flight = flight;
    this.#key = key;
  }

  wait(milliseconds: number): void {
    this.#asked.call.runner = this;
    this.start(milliseconds);
    this.#flight.follow(this);
  }

  head(key: string, meta: Buffer, length: number): boolean {
    const { outcomes, variants } = this.#workings;
    const { call } = this.#asked;
    this.clear();
    const head = variants.keyOf(this.#asked) === key ? decodeHead(meta, length) : null;
    if (head?.kind !== 'response') {
      // Not from inside of whoever tells this.
      queueMicrotask(() => this.#again());
      return false;
    }
    this.#head = head;
    outcomes.count(call, 'coalesced');
    outcomes.went(call, { ...goesOn, isCollapsed: true });
    const now = Date.now();
    const answer = answerFor(call, head, length, now);
    this.#sink.head(answerHead(answer, head, length, now));
    if (answer.kind === 'whole') {
      this.#taken = new TakenBytes();
      return true;
    }
    if (answer.kind === 'part') {
      this.#start = answer.start;
      this.#end = answer.end;
      return true;
    }
    this.#finish();
    return false;
  }

  data(bytes: Buffer): boolean {
    if (this.#isOver) return true;
    const start = Math.max(0, this.#start - this.#at);
    const end = Math.min(bytes.length, this.#end - this.#at);
    this.#at += bytes.length;
    if (start >= end) return true;
    this.#taken?.add(bytes);
    piece.bytes = bytes;
    piece.start = start;
    piece.end = end;
    piece.payload = end - start;
    return this.#sink.data(piece);
  }

  end(): void {
    if (!this.#isOver) this.#finish();
  }

  gone(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.clear();
    this.#asked.call.runner = null;
    const head = this.#head;
    if (head === null) this.#workings.letGo(this.#asked, this.#key);
    else if (this.#taken === null || this.#workings.failures.since(this.#key, this.#asked.since) !== null) {
      // The client has to learn that this is not all.
      this.#sink.fail(errors.upstreamReset);
    } else {
      new ResumedRequest(this.#workings, this.#asked, this.#sink, head, this.#taken).run();
    }
  }

  outdated(): void {
    this.clear();
    this.#again();
  }

  expired(): void {
    if (this.#isOver) return;
    this.#leave();
    this.#workings.alone(this.#asked);
  }

  resumeCall(_call: UpstreamCall): void {
    this.#flight.resume();
  }

  cancelCall(_call: UpstreamCall): void {
    if (!this.#isOver) this.#leave();
  }

  #again(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#asked.call.runner = null;
    this.#workings.again(this.#asked);
  }

  #leave(): void {
    this.#isOver = true;
    this.clear();
    this.#asked.call.runner = null;
    this.#flight.leave();
  }

  #finish(): void {
    this.#isOver = true;
    this.#asked.call.runner = null;
    this.#sink.end(null);
  }
}
