/**
 * One coarse timer wheel per worker for every time limit of the data plane. Setting, moving and clearing a limit is one
 * assignment: an entry stays in its slot and looks again when the slot comes round (most limits never fire). A limit
 * fires less than three ticks late (the clock's, the slot's and the wheel's own), never early.
 */

const TICK = 50;
const SLOTS = 512;

export abstract class Deadline {
  /** Milliseconds of `wheel.now`; Infinity while unset. */
  at = Number.POSITIVE_INFINITY;
  /** For the wheel: the tick at whose slot this entry waits, -1 when it waits nowhere. */
  tick = -1;

  abstract expired(): void;

  /** Sets or moves the limit, in milliseconds from now. */
  start(milliseconds: number): void {
    this.at = wheel.now + milliseconds + TICK;
    if (this.tick < 0 || (this.tick - 1) * TICK >= this.at) wheel.insert(this);
  }

  clear(): void {
    this.at = Number.POSITIVE_INFINITY;
  }
}

class Wheel {
  /** Monotonic milliseconds, exact to one tick. */
  now = performance.now();
  #slots: Deadline[][] = Array.from({ length: SLOTS }, () => []);
  #current = Math.floor(this.now / TICK);

  constructor() {
    setInterval(() => this.#advance(), TICK).unref();
  }

  insert(entry: Deadline): void {
    const due = Math.ceil(entry.at / TICK);
    const tick = Math.min(Math.max(due, this.#current + 1), this.#current + SLOTS - 1);
    entry.tick = tick;
    (this.#slots[tick % SLOTS] as Deadline[]).push(entry);
  }

  #advance(): void {
    this.now = performance.now();
    const target = Math.floor(this.now / TICK);
    // After a long pause every slot is due once; going round more often would find them empty.
    if (target - this.#current > SLOTS) this.#current = target - SLOTS;
    while (this.#current < target) {
      this.#current++;
      const index = this.#current % SLOTS;
      const due = this.#slots[index] as Deadline[];
      if (due.length === 0) continue;
      this.#slots[index] = [];
      for (const entry of due) this.#look(entry);
    }
  }

  #look(entry: Deadline): void {
    if (entry.tick % SLOTS !== this.#current % SLOTS) return; // moved to an earlier slot meanwhile
    entry.tick = -1;
    if (entry.at === Number.POSITIVE_INFINITY) return;
    if (entry.at > this.now) {
      this.insert(entry);
      return;
    }
    entry.at = Number.POSITIVE_INFINITY;
    entry.expired();
  }
}

export const wheel = new Wheel();
