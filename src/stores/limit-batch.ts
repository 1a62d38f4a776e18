import { RateVerdict } from '../semantics/rate.ts';
import { limitCommand, readAnswer } from './limit-script.ts';
import type { Deadlines, TimedQuestion } from './question-deadlines.ts';
import { RespError, type RespReply, respText } from './resp.ts';
import type { StoredLimit } from './stored-limit.ts';

/**
 * `take`: if it is there. `charge`: whether it is there or not. `debt`: the same, for what this machine has granted and
 * counted on its own.
 */
export type AttemptKind = 'take' | 'charge' | 'debt';

/** One wish to take from one bucket. */
export class Attempt {
  readonly kind: AttemptKind;
  readonly limit: StoredLimit;
  readonly key: string;
  readonly cost: number;
  readonly verdict: RateVerdict;
  /** This machine let it pass on its own: the store may have to be told. */
  grantedHere = false;

  constructor(kind: AttemptKind, limit: StoredLimit, key: string, cost: number, verdict: RateVerdict) {
    this.kind = kind;
    this.limit = limit;
    this.key = key;
    this.cost = cost;
    this.verdict = verdict;
  }
}

/** Who sends batches. */
export interface BatchOwner {
  /** By the store, in time. */
  decided(batch: LimitBatch): void;
  /** Its time is over: every attempt has to be decided without the store, now. */
  decideHere(batch: LimitBatch): void;
  /** The server refused the command, or sent us elsewhere. */
  refused(batch: LimitBatch, error: RespError): void;
  /** It was decided without the store; now this attempt's answer has come, and what it says is in `verdict`. */
  cameLate(attempt: Attempt, verdict: RateVerdict): void;
  /** The store has not counted these attempts, or nobody knows. */
  unheard(batch: LimitBatch): void;
  /** The answer is to something else. */
  violated(): void;
}

const lateVerdict = new RateVerdict();

/** Past this one script would keep the others waiting: some 150 µs of Redis. */
const MAX_ATTEMPTS = 100;

/**
 * The attempts of one turn of the event loop: one command, one answer, one promise. Its answer is a list of numbers;
 * verdicts are filled in the order in which attempts were added.
 */
export class LimitBatch implements TimedQuestion {
  readonly slot: number;
  readonly attempts: Attempt[] = [];
  readonly promise: Promise<void>;
  owner: BatchOwner;
  sentAt = 0;
  deadline = 0;
  isDone = false;
  watcher: Deadlines | null = null;
  /** Times that it was sent again: to another server, or with the script's text. */
  repeats = 0;
  readonly #resolve: () => void;
  #keys = '';
  #specs = '';
  #numbers = 0;

  constructor(owner: BatchOwner, slot: number) {
    this.owner = owner;
    this.slot = slot;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.promise = promise;
    this.#resolve = resolve;
  }

  get isFull(): boolean {
    return this.attempts.length >= MAX_ATTEMPTS;
  }

  add(attempt: Attempt, keyName: string): void {
    const { kind, limit, cost } = attempt;
    this.attempts.push(attempt);
    this.#keys += respText(keyName);
    this.#specs += limit.spec(cost, kind !== 'take');
    this.#numbers += limit.answerSize;
  }

  command(known: boolean): string {
    return limitCommand(this.attempts.length, this.#keys, this.#specs, known);
  }

  answered(reply: RespReply): void {
    if (reply instanceof RespError) {
      this.owner.refused(this, reply);
      return;
    }
    if (!isNumbers(reply, this.#numbers)) {
      this.owner.violated();
      // The connection is over, which was told to all but this one.
      this.lost();
      return;
    }
    const inTime = !this.isDone;
    let at = 0;
    for (const attempt of this.attempts) {
      const { limit, cost } = attempt;
      // The request has gone on, and its verdict may serve another one by now.
      const verdict = inTime ? attempt.verdict : lateVerdict;
      readAnswer(limit.use, cost, reply, at, verdict);
      at += limit.answerSize;
      if (!inTime) this.owner.cameLate(attempt, verdict);
    }
    if (inTime) {
      this.owner.decided(this);
      this.#finish();
    }
  }

  late(): void {
    this.owner.decideHere(this);
    this.#finish();
  }

  lost(): void {
    if (!this.isDone) this.late();
    this.owner.unheard(this);
  }

  #finish(): void {
    this.isDone = true;
    this.#resolve();
  }
}

function isNumbers(reply: RespReply, count: number): reply is number[] {
  if (!Array.isArray(reply) || reply.length !== count) return false;
  for (const item of reply) if (typeof item !== 'number' || item < 0) return false;
  return true;
}
