/** Failures in a row after which a store is left alone. */
const THRESHOLD = 3;
/** Between looks at a store that is left alone: from the first, doubled each time, to the last; a quarter more or less. */
const PAUSE_MS = { first: 100, last: 1000 } as const;
/** Having worked for so long, a store gets the short pauses again. */
const STABLE_MS = 10_000;

/** When to stop asking, when to look again. Holds no timer: whoever owns it looks after time. */
export class Breaker {
  isOpen = true;
  #failures = 0;
  #pause: number = PAUSE_MS.first;
  #closedAt = Number.POSITIVE_INFINITY;

  /** True: that was one too many. */
  failed(): boolean {
    this.#failures++;
    return this.#failures >= THRESHOLD;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  open(now: number): void {
    this.isOpen = true;
    if (now - this.#closedAt >= STABLE_MS) this.#pause = PAUSE_MS.first;
    this.#closedAt = Number.POSITIVE_INFINITY;
  }

  /** On trial: a single failure opens it again, until something has gone well. */
  close(now: number): void {
    this.isOpen = false;
    this.#failures = THRESHOLD - 1;
    this.#closedAt = now;
  }

  /** Milliseconds until the next look. */
  nextPause(): number {
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, PAUSE_MS.last);
    return pause;
  }
}
