import type { Problem } from '../base/problem.ts';

export type ReloadReason = 'file' | 'signal' | 'api';

export type ReloadOutcome =
  | { readonly ok: true; readonly changed: boolean; readonly version: number; readonly warnings: string }
  | { readonly ok: false; readonly version: number; readonly error: string; readonly problems: readonly Problem[] };

/**
 * One reload at a time. Whoever asks while one runs gets the outcome of the next, which reads the files after the
 * request was made; ten requests meanwhile are one reload.
 */
export class Reloader {
  readonly #perform: (reasons: ReadonlySet<ReloadReason>) => Promise<ReloadOutcome>;
  #running: Promise<ReloadOutcome> | null = null;
  #next: { reasons: Set<ReloadReason>; outcome: Promise<ReloadOutcome> } | null = null;

  constructor(perform: (reasons: ReadonlySet<ReloadReason>) => Promise<ReloadOutcome>) {
    this.#perform = perform;
  }

  request(reason: ReloadReason): Promise<ReloadOutcome> {
    if (this.#next !== null) {
      this.#next.reasons.add(reason);
      return this.#next.outcome;
    }
    const reasons = new Set([reason]);
    const before = this.#running;
    if (before === null) return this.#run(reasons);
    const outcome = before.then(
      () => this.#run(reasons),
      () => this.#run(reasons),
    );
    this.#next = { reasons, outcome };
    return outcome;
  }

  #run(reasons: Set<ReloadReason>): Promise<ReloadOutcome> {
    this.#next = null;
    const running = this.#perform(reasons);
    this.#running = running;
    const done = (): void => {
      if (this.#running === running) this.#running = null;
    };
    running.then(done, done);
    return running;
  }
}
