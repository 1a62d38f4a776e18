import type { Exchange } from './exchange.ts';
import type { Route } from './plan.ts';
import {
  type Alternative,
  ANY_METHOD,
  CONDITIONAL,
  MORE,
  NODE_HEADER,
  NONE,
  type PackedRegex,
  type PackedTree,
  type RouteGroup,
  TERMINAL_SIZE,
} from './route-tree-layout.ts';

/**
 * Which route of one gateway answers a method and a path. The most specific pattern wins segment by segment (exact,
 * then parameter, then wildcard), and among equal patterns one with methods wins over one without. A candidate whose
 * methods or conditions do not fit is passed over for the next. Regular expressions are asked where the tree's best is
 * a wildcard or nothing, in the order in which they were written.
 *
 * The tree is a PATRICIA trie in integer arrays: a look-up reads only the bytes at which patterns differ and compares
 * the text once, at the end. With 10,000 routes the cost is cache misses, so what a look-up touches is packed: 2,400 ns
 * as a radix tree of objects, some 230 like this (`npm run bench micro routes`).
 */

/** A pattern that fits a path, whatever its methods and conditions say. */
export interface Candidate {
  readonly kind: 'exact' | 'wildcard' | 'regex';
  readonly groups: readonly RouteGroup[];
}

const SLASH = 47;
/** Longest path that is shown to a regular expression: bounds the work that a hostile path can cause. */
const MAX_REGEX_PATH = 1024;
const NO_PARAMETERS: readonly string[] = Object.freeze([]);

/** Where a look-up leaves the parameters, and its scratch memory; one object is reused for many look-ups. */
export class RouteMatch {
  /** Values in the order of `Route.parameters`, still percent-encoded; a fresh array whenever there are any. */
  parameters: readonly string[] = NO_PARAMETERS;
  /** Where the parameters of the branch being tried stand in the path. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** Branches to come back to, the most specific on top: terminal, start of its run, parameters so far. */
  readonly pending: number[] = [];
}

export class RouteTree {
  readonly #root: number;
  readonly #nodes: Int32Array;
  readonly #terminals: Int32Array;
  readonly #literals: readonly string[];
  readonly #masks: Int32Array;
  readonly #groups: readonly RouteGroup[];
  readonly #routes: readonly (Route | null)[];
  readonly #methodBits: ReadonlyMap<string, number>;
  readonly #regexes: readonly PackedRegex[];

  constructor(packed: PackedTree) {
    this.#root = packed.root;
    this.#nodes = packed.nodes;
    this.#terminals = packed.terminals;
    this.#literals = packed.literals;
    this.#masks = packed.masks;
    this.#groups = packed.groups;
    this.#routes = packed.routes;
    this.#methodBits = packed.methodBits;
    this.#regexes = packed.regexes;
  }

  /** The route for a normalised path, its parameters in `match`; null: see `allow`. */
  find(method: string, path: string, exchange: Exchange, match: RouteMatch): Route | null {
    const end = path.length;
    const nodes = this.#nodes;
    const terminals = this.#terminals;
    const { pending, starts, ends } = match;
    const bit = this.#methodBits.get(method) ?? 0;
    let top = 0;
    let at = this.#root;
    let start = 0;
    let depth = 0;
    for (;;) {
      // Down the branches of one run, without comparing its text yet.
      let terminal = NONE;
      for (;;) {
        if (at < 0) {
          terminal = ~at;
          break;
        }
        if (at === NONE) break;
        const position = start + (nodes[at] as number);
        const here = nodes[at + 1] as number;
        if (position >= end) {
          if (position === end) terminal = here;
          break;
        }
        if (here !== NONE) {
          pending[top] = here;
          pending[top + 1] = start;
          pending[top + 2] = depth;
          top += 3;
        }
        const index = path.charCodeAt(position) - (nodes[at + 2] as number);
        if (index < 0 || index >= (nodes[at + 3] as number)) break;
        at = nodes[at + NODE_HEADER + index] as number;
      }
      // What is found there, or else the most specific branch left aside.
      for (;;) {
        if (terminal === NONE) {
          if (top === 0) return this.#regexes.length === 0 ? null : this.#regex(method, bit, path, exchange, match);
          top -= 3;
          terminal = pending[top] as number;
          start = pending[top + 1] as number;
          depth = pending[top + 2] as number;
        }
        const record = terminal * TERMINAL_SIZE;
        const position = start + (terminals[record] as number);
        // What follows a parameter is often nothing at all.
        const isEmpty = position === start;
        if (isEmpty || (position <= end && holds(path, start, position, this.#literals[terminal] as string))) {
          const isEnd = position === end;
          if (isEnd && terminals[record + 1] !== NONE) {
            const route = this.#pick(terminals[record + 1] as number, bit, method, exchange);
            if (route !== null) {
              match.parameters = depth === 0 ? NO_PARAMETERS : cut(path, starts, ends, depth);
              return route;
            }
          }
          if (isEnd || path.charCodeAt(position) === SLASH) {
            if (terminals[record + 2] !== NONE) {
              const route = this.#pick(terminals[record + 2] as number, bit, method, exchange);
              if (route !== null) {
                if (this.#regexes.length > 0) {
                  const other = this.#regex(method, bit, path, exchange, match);
                  if (other !== null) return other;
                }
                starts[depth] = isEnd ? end : position + 1;
                ends[depth] = end;
                match.parameters = cut(path, starts, ends, depth + 1);
                return route;
              }
            }
          } else if (terminals[record + 3] !== NONE) {
            let next = position + 1;
            while (next < end && path.charCodeAt(next) !== SLASH) next++;
            starts[depth] = position;
            ends[depth] = next;
            depth++;
            start = next;
            at = terminals[record + 3] as number;
            break;
          }
        }
        terminal = NONE;
      }
    }
  }

  /** `Allow` of a 405: the methods that this path would take; null where nothing knows the path (404). */
  allow(path: string, exchange: Exchange): string | null {
    const methods = new Set<string>();
    for (const candidate of this.candidates(path)) {
      for (const group of candidate.groups) {
        for (const { when, methods: own } of group.alternatives) {
          if (when !== null && !when(exchange)) continue;
          for (const method of own ?? group.methods ?? []) {
            if (group.methods === null || accepts(group.methods, method)) methods.add(method);
          }
        }
      }
    }
    if (methods.has('GET')) methods.add('HEAD');
    return methods.size === 0 ? null : [...methods].sort().join(', ');
  }

  /** Every pattern that fits a path, the most specific first, regular expressions last. For refusals and `explain`. */
  candidates(path: string): Candidate[] {
    const found: Candidate[] = [];
    this.#collect(this.#root, 0, path, found);
    if (path.length <= MAX_REGEX_PATH) {
      for (const { regex, groups } of this.#regexes) {
        if (regex.test(path)) found.push({ kind: 'regex', groups: this.#groupsAt(groups) });
      }
    }
    return found;
  }

  /** Every key, in no order that means something. */
  groups(): readonly RouteGroup[] {
    return this.#groups;
  }

  /** The first group of a pattern that takes the method. */
  #pick(first: number, bit: number, method: string, exchange: Exchange): Route | null {
    for (let i = first; ; i++) {
      const mask = this.#masks[i] as number;
      if ((mask & CONDITIONAL) !== 0) {
        const route = firstOf(this.#groups[i] as RouteGroup, method, exchange);
        if (route !== null) return route;
      } else if ((mask & (bit | ANY_METHOD)) !== 0) {
        return this.#routes[i] as Route;
      }
      if ((mask & MORE) === 0) return null;
    }
  }

  #regex(method: string, bit: number, path: string, exchange: Exchange, match: RouteMatch): Route | null {
    if (path.length > MAX_REGEX_PATH) return null;
    for (const { regex, groups } of this.#regexes) {
      if (!regex.test(path)) continue;
      const route = this.#pick(groups, bit, method, exchange);
      if (route === null) continue;
      match.parameters = regex.groups.length === 0 ? NO_PARAMETERS : (regex.capture(path) ?? NO_PARAMETERS);
      return route;
    }
    return null;
  }

  #collect(from: number, start: number, path: string, found: Candidate[]): void {
    let at = from;
    const passed: number[] = [];
    while (at >= 0 && at !== NONE) {
      const position = start + (this.#nodes[at] as number);
      if (this.#nodes[at + 1] !== NONE) passed.push(this.#nodes[at + 1] as number);
      const index = path.charCodeAt(position) - (this.#nodes[at + 2] as number);
      at =
        index >= 0 && index < (this.#nodes[at + 3] as number)
          ? (this.#nodes[at + NODE_HEADER + index] as number)
          : NONE;
    }
    if (at < 0) passed.push(~at);
    for (const terminal of passed.reverse()) {
      const [length = 0, exact = NONE, wildcard = NONE, parameter = NONE] = this.#terminals.subarray(
        terminal * TERMINAL_SIZE,
        (terminal + 1) * TERMINAL_SIZE,
      );
      const position = start + length;
      if (position > path.length || !holds(path, start, position, this.#literals[terminal] as string)) continue;
      const isEnd = position === path.length;
      if (isEnd && exact !== NONE) found.push({ kind: 'exact', groups: this.#groupsAt(exact) });
      if (isEnd || path[position] === '/') {
        if (wildcard !== NONE) found.push({ kind: 'wildcard', groups: this.#groupsAt(wildcard) });
      } else if (parameter !== NONE) {
        const next = path.indexOf('/', position);
        this.#collect(parameter, next < 0 ? path.length : next, path, found);
      }
    }
  }

  #groupsAt(first: number): RouteGroup[] {
    const groups: RouteGroup[] = [];
    for (let i = first; ; i++) {
      groups.push(this.#groups[i] as RouteGroup);
      if (((this.#masks[i] as number) & MORE) === 0) return groups;
    }
  }
}

/** Measured: comparing a slice takes 30 ns, `startsWith` 140, a loop 95. */
function holds(path: string, start: number, position: number, literal: string): boolean {
  return start === 0 && position === path.length ? path === literal : path.slice(start, position) === literal;
}

/** A group asked in full. An explicit HEAD elsewhere is the builder's concern: it orders such groups first. */
function firstOf(group: RouteGroup, method: string, exchange: Exchange): Route | null {
  if (group.methods !== null && !accepts(group.methods, method)) return null;
  const { alternatives } = group;
  for (let i = 0; i < alternatives.length; i++) {
    const alternative = alternatives[i] as Alternative;
    if (alternative.methods !== null && !accepts(alternative.methods, method)) continue;
    if (alternative.when === null || alternative.when(exchange)) return alternative.route;
  }
  return null;
}

/** What answers GET answers HEAD (RFC 9110, 9.3.2). */
export function accepts(methods: readonly string[], method: string): boolean {
  return methods.includes(method) || (method === 'HEAD' && methods.includes('GET'));
}

function cut(path: string, starts: readonly number[], ends: readonly number[], depth: number): readonly string[] {
  const first = path.slice(starts[0], ends[0]);
  if (depth === 1) return [first];
  const parameters = [first];
  for (let i = 1; i < depth; i++) parameters.push(path.slice(starts[i], ends[i]));
  return parameters;
}
