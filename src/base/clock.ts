/** Time and chance, so that tests can have their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** From 0 up to 1. */
  random(): number;
  after(milliseconds: number, run: () => void): Timer;
}

export interface Timer {
  close(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(milliseconds, run) {
    // What is waited for here is no reason to keep a process that is about to end.
    const timer = setTimeout(run, milliseconds).unref();
    return { close: () => clearTimeout(timer) };
  },
};
