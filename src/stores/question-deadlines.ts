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

/** So many at the front that nobody waits for any more are taken out together. */
const SWEEP = 64;

/** The deadlines of one lane's questions: all get the same time, so the oldest is due first and one timer does. */
export class Deadlines {
  readonly #budget: number;
  readonly #onLate: () => void;
  #questions: TimedQuestion[] = [];
  /** What is before it is done. */
  #first = 0;
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
    this.#sweep();
    this.#questions.push(question);
    this.#timer ??= setTimeout(this.#due, this.#budget);
  }

  /** One that began elsewhere: its time goes on. */
  adopt(question: TimedQuestion, now: number): void {
    question.watcher = this;
    this.#sweep();
    const at = this.#questions.findIndex(({ deadline }, index) => index >= this.#first && deadline > question.deadline);
    this.#questions.splice(at < 0 ? this.#questions.length : at, 0, question);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#arm(now);
  }

  /** Nobody waits any longer. */
  expireAll(): void {
    const questions = this.#questions.slice(this.#first);
    this.#questions = [];
    this.#first = 0;
    for (const question of questions) if (this.#isOurs(question)) question.late();
  }

  #isOurs({ isDone, watcher }: TimedQuestion): boolean {
    return !isDone && watcher === this;
  }

  #look(): void {
    this.#timer = null;
    const now = performance.now();
    for (;;) {
      this.#sweep();
      const question = this.#questions[this.#first];
      // Timers are exact to a millisecond.
      if (question === undefined || question.deadline > now + 0.5) break;
      question.late();
      this.#onLate();
    }
    this.#arm(now);
  }

  #sweep(): void {
    for (let next = this.#questions[this.#first]; next !== undefined; next = this.#questions[this.#first]) {
      if (this.#isOurs(next)) break;
      this.#first++;
    }
    if (this.#first < SWEEP && this.#first < this.#questions.length) return;
    this.#questions.splice(0, this.#first);
    this.#first = 0;
  }

  #arm(now: number): void {
    const next = this.#questions[this.#first];
    this.#timer = next === undefined ? null : setTimeout(this.#due, Math.max(1, next.deadline - now));
  }
}
