import type { Plan } from '../plan/plan.ts';

/** A plan with a count of the exchanges that follow it: the old one ends with its last exchange. */
export class LivePlan {
  readonly plan: Plan;
  #exchanges = 0;
  #superseded = false;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  enter(): void {
    this.#exchanges++;
  }

  leave(): void {
    this.#exchanges--;
    if (this.#superseded && this.#exchanges === 0) this.plan.release();
  }

  /** No new exchange follows it from here on. */
  supersede(): void {
    this.#superseded = true;
    if (this.#exchanges === 0) this.plan.release();
  }
}
