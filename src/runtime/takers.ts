import type { GatewayError } from '../base/gateway-error.ts';
import type { HeaderBlock } from '../base/headers.ts';
import type { Chunk } from '../plan/call.ts';
import type { BodyNeed, BodyTaker } from '../plan/policy.ts';
import type { Reply } from '../plan/reply.ts';

export type WholeBodyNeed = Extract<BodyNeed, { buffer: number }>;

export function wantsAll(need: BodyNeed): need is WholeBodyNeed {
  return 'buffer' in need;
}

/** Whose exchange it is that bodies are taken for. */
export interface TakersOwner {
  /** Response bytes behind the last taker. False: wait. */
  sendTaken(chunk: Chunk): boolean;
  endTaken(trailers: HeaderBlock | null): void;
  /** A taker gives the body up. */
  fail(error: GatewayError): void;
  /** A taker that had the whole response body puts something else in its place. */
  replaceTaken(reply: Reply): void;
  /** A taker threw: a defect, reported and answered like any other. */
  reportThrown(error: unknown): void;
}

/** Whatever a taker throws ends its exchange and nothing else. */
export class GuardedTaker implements BodyTaker {
  readonly #owner: TakersOwner;
  #taker: BodyTaker | null;

  constructor(taker: BodyTaker, owner: TakersOwner) {
    this.#taker = taker;
    this.#owner = owner;
  }

  data(chunk: Chunk): boolean {
    try {
      return this.#taker?.data(chunk) ?? true;
    } catch (error) {
      this.#drop(error);
      return true;
    }
  }

  end(trailers: HeaderBlock | null): void {
    try {
      this.#taker?.end(trailers);
    } catch (error) {
      this.#drop(error);
    }
  }

  abort(reason: GatewayError): void {
    try {
      this.#taker?.abort(reason);
    } catch (error) {
      this.#drop(error);
    }
  }

  #drop(error: unknown): void {
    this.#taker = null;
    this.#owner.reportThrown(error);
  }
}

/** Collects bytes up to a bound; past it `done` gets null once. */
export class Collector {
  readonly #limit: number;
  readonly #pieces: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: past the bound. */
  add(chunk: Chunk): boolean {
    this.#length += chunk.end - chunk.start;
    if (this.#length > this.#limit) return false;
    this.#pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
    return true;
  }

  bytes(): Buffer {
    return this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#length);
  }
}
