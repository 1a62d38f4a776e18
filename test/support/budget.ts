import type { Further, RetryBudget } from '../../src/plan/retry-budget.ts';

/** A budget that a test fills and looks into. */
export class TestBudget implements RetryBudget {
  isClosed = false;
  calls = 0;
  left: number;
  readonly taken: Further[] = [];

  constructor(left = Number.POSITIVE_INFINITY) {
    this.left = left;
  }

  called(): void {
    this.calls++;
  }

  take(kind: Further): boolean {
    if (this.left <= 0) return false;
    this.left--;
    this.taken.push(kind);
    return true;
  }

  close(): void {
    this.isClosed = true;
  }
}
