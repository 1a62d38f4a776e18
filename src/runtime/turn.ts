/**
 * Gathers writes. Whatever is written to a connection while one event is handled (a head, the first body bytes, several
 * pipelined answers) leaves in one system call at the end of that event's turn.
 */
export interface Flushable {
  flush(): void;
}

let depth = 0;
let scheduled = false;
let waiting: Flushable[] = [];

export function enterTurn(): void {
  depth++;
}

export function leaveTurn(): void {
  depth--;
  if (depth === 0 && waiting.length > 0) flushWaiting();
}

/** Called once per connection and turn, when its first bytes wait. */
export function flushLater(target: Flushable): void {
  waiting.push(target);
  if (depth === 0 && !scheduled) {
    scheduled = true;
    queueMicrotask(flushWaiting);
  }
}

function flushWaiting(): void {
  scheduled = false;
  while (waiting.length > 0) {
    const now = waiting;
    waiting = [];
    for (const target of now) target.flush();
  }
}
