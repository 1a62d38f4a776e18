import type { LinearRegex } from '../semantics/linear-regex.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './plan.ts';

/** What a route tree holds, and how it is packed: `RouteTreeBuilder` writes it, `RouteTree` reads it. */

/** One way to answer a pattern. */
export interface Alternative {
  readonly route: Route;
  /** Null: every method of the group. `GET` answers HEAD as well. */
  readonly methods: readonly string[] | null;
  /** Null: no further condition. */
  readonly when: ((exchange: Exchange) => boolean) | null;
}

/** One key of `routes`: its alternatives are asked in order. */
export interface RouteGroup {
  /** Null: every method. `GET` answers HEAD as well. */
  readonly methods: readonly string[] | null;
  readonly alternatives: readonly Alternative[];
}

/** The packed form, made by `RouteTreeBuilder`. A run is the literal text between two parameters. */
export interface PackedTree {
  /** Where look-ups begin: an index into `nodes`, or `~terminal`. */
  readonly root: number;
  /**
   * Branches, each: the position in its run of the byte to look at, its terminal or NONE, the first byte that has a
   * child, how many bytes follow, then a child for each: an index, `~terminal`, or NONE.
   */
  readonly nodes: Int32Array;
  /** Ends of patterns, each: length of its run, exact groups, wildcard groups, what follows a parameter (NONE: absent). */
  readonly terminals: Int32Array;
  /** By terminal: the text of its run. */
  readonly literals: readonly string[];
  /** By group: the methods that it takes as bits, and what kind of group it is. */
  readonly masks: Int32Array;
  readonly groups: readonly RouteGroup[];
  /** By group: its only route, where it has just one without conditions. */
  readonly routes: readonly (Route | null)[];
  readonly methodBits: ReadonlyMap<string, number>;
  readonly regexes: readonly PackedRegex[];
}

export interface PackedRegex {
  readonly regex: LinearRegex;
  readonly groups: number;
}

export const NONE = 0x7fffffff;
export const TERMINAL_SIZE = 4;
export const NODE_HEADER = 4;
/** Bits of `masks` beside those of methods. */
export const ANY_METHOD = 1 << 28;
/** Another group of the same pattern follows. */
export const MORE = 1 << 29;
/** It has alternatives or conditions, or methods without a bit. */
export const CONDITIONAL = 1 << 30;
export const METHOD_BITS = 28;
