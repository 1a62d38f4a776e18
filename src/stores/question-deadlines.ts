import type { Question } from './redis-wire.ts';
import type { RespReply } from './resp.ts';

/** A question whose answer is of use until a moment only. */
export interface TimedQuestion extends Question {
  /** Milliseconds of `performance.now()`. */
  deadline: number;
  /** Nobody waits for the answer any more. */
  isDone: boolean;
  /** Who looks after the deadline. */
  watcher: Deadlines | null;
  /** It is over: whoever waits goes on without the answer. */
  late(): void;
}

/** Asked in the background, of whoever wants to know. */
export class Inquiry implements TimedQuestion {
  deadline = 0;
  isDone = false;
  watcher: Deadlines | null = null;
  readonly #ended: (reply: RespReply | 'late' | 'lost') => void;

  constructor(ended: (reply: RespReply | 'late' | 'lost') => void) {
    this.#ended = ended;
  }

  answered(reply: RespReply): void {
    this.#end(reply);
  }

  late(): void {
    this.#end('late');
  }

  lost(): void {
    this.#end('lost');
  }

  #end(outcome: RespReply | 'late' | 'lost'): void {
    if (this.isDone) return;
    this.isDone = true;
    this.#ended(outcome);
  }
}

/** The deadlines of one lane's questions: all get the same time, so the oldest is due first and one timer does. */
export class Deadlines {
  readonly #budget: number;
  readonly #onLate: () => void;
  #questions: TimedQuestion[] = [];
  #timer: NodeJS.Timeout | null = null;
  // A worker that was busy for longer than the budget has answers waiting in its sockets: they are read first.
  readonly #due = (): void => void setImmediate(this.#check);
  readonly #check = (): void => this.#look();

  constructor(budget: number, onLate: () => void) {
    this.#budget = budget;
    this.#onLate = onLate;
  }

  start(question: TimedQuestion, now: number): void {
    question.deadline = now + this.#budget;
    question.watcher = this;
    this.#questions.push(question);
    this.#timer ??= setTimeout(this.#due, this.#budget);
  }

  /** One that began elsewhere: its time goes on. */
  adopt(question: TimedQuestion, now: number): void {
    question.watcher = this;
    const at = this.#questions.findIndex(({ deadline }) => deadline > question.deadline);
    this.#questions.splice(at < 0 ? this.#questions.length : at, 0, question);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#arm(now);
  }

  /** Nobody waits any longer. */
  expireAll(): void {
    const questions = this.#questions;
    this.#questions = [];
    for (const question of questions) if (this.#isOurs(question)) question.late();
  }

  #isOurs({ isDone, watcher }: TimedQuestion): boolean {
    return !isDone && watcher === this;
  }

  #look(): void {
    this.#timer = null;
    const now = performance.now();
    let first = 0;
    for (; first < this.#questions.length; first++) {
      const question = this.#questions[first] as TimedQuestion;
      if (!this.#isOurs(question)) continue;
      // Timers are exact to a millisecond.
      if (question.deadline > now + 0.5) break;
      question.late();
      this.#onLate();
    }
    this.#questions.splice(0, first);
    this.#arm(now);
  }

  #arm(now: number): void {
    const next = this.#questions[0];
    this.#timer = next === undefined ? null : setTimeout(this.#due, Math.max(1, next.deadline - now));
  }
}
