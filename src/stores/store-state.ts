import type { RecordsState } from '../plan/records.ts';

/** Whether a store can be used, said once for each turn and not for each attempt. */
export class StoreState implements RecordsState {
  readonly kind: string;
  failure: string | null = null;
  since = Date.now();
  readonly #problem: (message: string) => void;
  readonly #meanwhile: string;

  /** `meanwhile`: what holds as long as it cannot be used. */
  constructor(
    kind: string,
    problem: (message: string) => void,
    meanwhile = 'the last known keys and revocations stay in force, changes are refused',
  ) {
    this.kind = kind;
    this.#problem = problem;
    this.#meanwhile = meanwhile;
  }

  fail(failure: string): void {
    const turn = this.failure === null;
    this.failure = failure;
    // Ten reasons in a row are one outage.
    if (!turn) return;
    this.since = Date.now();
    this.#problem(`${failure}; ${this.#meanwhile}`);
  }

  recover(what: string): void {
    if (this.failure === null) return;
    this.failure = null;
    this.since = Date.now();
    this.#problem(`${what} works again`);
  }
}
