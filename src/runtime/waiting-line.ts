import { Deadline } from '../base/timers.ts';
import type { Priority } from '../plan/priority.ts';

/** Somebody in a line. */
export abstract class Waiting extends Deadline {
  priority: Priority = 1;
  line: WaitingLine | null = null;
  before: Waiting | null = null;
  behind: Waiting | null = null;
}

/** First come, first served within a class; the classes strictly one after the other. Every step takes the same time. */
export class WaitingLine {
  length = 0;
  /** By class. */
  readonly #first: (Waiting | null)[] = [null, null, null];
  readonly #last: (Waiting | null)[] = [null, null, null];

  push(waiting: Waiting): void {
    const { priority } = waiting;
    const last = this.#last[priority] ?? null;
    waiting.line = this;
    waiting.before = last;
    if (last === null) this.#first[priority] = waiting;
    else last.behind = waiting;
    this.#last[priority] = waiting;
    this.length++;
  }

  /** Whose turn it is. */
  get first(): Waiting | null {
    return this.#first[0] ?? this.#first[1] ?? this.#first[2] ?? null;
  }

  /** Who goes for somebody of this class to come in: the latest of the lowest class below it. */
  lastBelow(priority: Priority): Waiting | null {
    if (priority < 2 && this.#last[2] !== null) return this.#last[2] ?? null;
    return priority < 1 ? (this.#last[1] ?? null) : null;
  }

  remove(waiting: Waiting): void {
    const { priority, before, behind } = waiting;
    if (before === null) this.#first[priority] = behind;
    else before.behind = behind;
    if (behind === null) this.#last[priority] = before;
    else behind.before = before;
    waiting.line = null;
    waiting.before = null;
    waiting.behind = null;
    this.length--;
  }
}
