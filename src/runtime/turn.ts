/**
 * Gathers writes. Whatever is written to a connection while one event is handled (a head, the first body bytes, several
 * pipelined answers) leaves in one system call at the end of that event's turn.
 */
export interface Flushable {
  flush(): void;
}

let depth = 0;
let scheduled = false;
/** Nearly every turn writes to one connection: that one needs no list. */
let first: Flushable | null = null;
const others: Flushable[] = [];

export function enterTurn(): void {
  depth++;
}

export function leaveTurn(): void {
  depth--;
  if (depth === 0 && first !== null) flushAll();
}

/** Called once per connection and turn, when its first bytes wait. */
export function flushLater(target: Flushable): void {
  if (first === null) first = target;
  else others.push(target);
  if (depth === 0 && !scheduled) {
    scheduled = true;
    queueMicrotask(flushAll);
  }
}

/** A flush may end a connection and so cause further writes: those leave in the same go. */
function flushAll(): void {
  scheduled = false;
  for (let target = first; target !== null; target = first) {
    first = null;
    target.flush();
    for (let i = 0; i < others.length; i++) (others[i] as Flushable).flush();
    if (others.length > 0) others.length = 0;
  }
}
