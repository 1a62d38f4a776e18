/** Where something stands in a configuration: 1-based line and column, and the dotted key path. */
export interface Place {
  file: string;
  line: number;
  column: number;
  path: string;
}

/** One thing wrong (or doubtful) in a configuration, said so that the reader can mend it. */
export interface Problem {
  severity: 'error' | 'warning';
  /** Stable, kebab-case: tests and tools match on it, never on the message. */
  code: string;
  message: string;
  /** What to do about it, as an imperative sentence; shown after the caret. */
  remedy?: string | undefined;
  place: Place | null;
  /** Other places that take part, e.g. the second of two tied routes. */
  related?: Place[] | undefined;
}
