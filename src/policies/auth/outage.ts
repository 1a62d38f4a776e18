const EVERY_MS = 60_000;

/** Says in the log that a service is of no use, not once for every request, and when it is again. */
export class Outage {
  readonly #say: (message: string) => void;
  readonly #now: () => number;
  #saidAt = Number.NEGATIVE_INFINITY;
  #unsaid = 0;
  /** The last line was one of failure. */
  #saidSo = false;
  #closed = false;

  /** `now`: monotonic milliseconds; tests have their own. */
  constructor(say: (message: string) => void, now: () => number = monotonic) {
    this.#say = say;
    this.#now = now;
  }

  failed(reason: string): void {
    if (this.#closed) return;
    const now = this.#now();
    if (now - this.#saidAt < EVERY_MS) {
      this.#unsaid++;
      return;
    }
    const more = this.#unsaid === 0 ? '' : ` (failures since this was last said: ${this.#unsaid})`;
    this.#say(reason + more);
    this.#saidAt = now;
    this.#saidSo = true;
    this.#unsaid = 0;
  }

  works(): void {
    if (!this.#saidSo || this.#closed) return;
    this.#saidSo = false;
    this.#say('works again');
  }

  /** What ends now is the gateway's own doing. */
  close(): void {
    this.#closed = true;
  }
}

function monotonic(): number {
  return performance.now();
}
