import type { Problem } from '../base/problem.ts';
import type { Origins } from './origins.ts';

/** The texts that places point into, by the file name that a `Place` carries. */
export type Sources = ReadonlyMap<string, string>;

export interface LoadOptions {
  env: Record<string, string | undefined>;
  /** A demo may carry defaults for secrets; nothing else should. */
  allowSecretDefaults?: boolean;
  /** How long a `sluice.config.ts` may take to evaluate; 10 s unless told. */
  evaluationTimeout?: number;
}

/** The effective data of all files, before any schema has seen it. */
export interface LoadedConfig {
  /** Plain maps, lists and scalars after overlays, includes and references. */
  value: unknown;
  origins: Origins;
  /** What went wrong so far. `checkDocument` hands these on with its own. */
  problems: Problem[];
  /** False when a file could not be read at all, so that a check against a schema would only mislead. */
  complete: boolean;
  /** Absolute paths of all files that took part, those that were missing too. */
  watched: string[];
  /** Absolute glob patterns of `include`: a new match is a change as well. */
  watchedPatterns: string[];
  sources: Sources;
  allowSecretDefaults: boolean;
}

/** A value that came, whole or in part, from outside the configuration files. */
export interface Reference {
  /** As written: `${env:NAME}` or text around it. */
  shown: string;
  /** What it came from, in words: `env NAME`, `file keys/acme`. */
  from: string;
  /** The resolved text; null where the reference could not be resolved. Never print it. */
  text: string | null;
  /** The parts of `text` that came from outside, each with the reference it came from. Never print them either. */
  hidden: { text: string; shown: string }[];
  /** The reference is the whole scalar, so the value was typed by its text. */
  whole: boolean;
  /** A default was written in the reference. */
  hasDefault: boolean;
}
