/** How many further attempts an upstream is given, so that those who try again do not bring down what is struggling. */
export interface RetryBudgetOptions {
  readonly upstream: string;
  /** Index of the upstream's series in the metrics segment. */
  readonly series: number;
  /** Further attempts for each call, from 0. */
  readonly share: number;
  /** A second, whatever the share says: with few calls a share of them is nothing. */
  readonly minimum: number;
}

export type Further = 'retry' | 'hedge';

/** One budget an upstream, over all workers, whatever routes its calls come from. */
export interface RetryBudget {
  /** A call begins, with its first attempt. */
  called(): void;
  /** False: there is nothing left, and the attempt is not made. */
  take(kind: Further): boolean;
  close(): void;
  readonly isClosed: boolean;
}

/** For checks and explanations, where nothing is tried. */
export const idleBudget: RetryBudget = {
  called: () => undefined,
  take: () => false,
  close: () => undefined,
  isClosed: false,
};
