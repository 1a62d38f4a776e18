import type { PathPattern } from '../semantics/path-pattern.ts';
import type { Route } from './plan.ts';
import {
  ANY_METHOD,
  accepts,
  CONDITIONAL,
  METHOD_BITS,
  MORE,
  NODE_HEADER,
  NONE,
  type PackedRegex,
  type RouteGroup,
  RouteTree,
  TERMINAL_SIZE,
} from './route-tree.ts';

/** Nodes packed between two yields: far below the 5 ms that a worker may spend at a time on a new plan. */
const NODES_A_SLICE = 500;

/** A place in the tree while it grows: plain objects, thrown away once packed. */
class Node {
  /** Literal text between the parent and here. */
  text: string;
  readonly children = new Map<string, Node>();
  exact: RouteGroup[] = [];
  /** Groups of `/*` right behind here. */
  wildcard: RouteGroup[] = [];
  /** What follows a parameter that fills the segment beginning here. */
  parameter: Node | null = null;

  constructor(text: string) {
    this.text = text;
  }
}

/** Takes patterns in any order and packs them into a `RouteTree`. */
export class RouteTreeBuilder {
  readonly #root = new Node('');
  readonly #patterns = new Map<string, { regex: RegExp; groups: RouteGroup[] }>();
  readonly #methodBits = new Map<string, number>();
  readonly #nodes: number[] = [];
  readonly #terminals: number[] = [];
  readonly #literals: string[] = [];
  readonly #masks: number[] = [];
  readonly #groups: RouteGroup[] = [];
  readonly #routes: (Route | null)[] = [];
  #packed = 0;

  add(pattern: PathPattern, group: RouteGroup): void {
    if (pattern.kind === 'regex') {
      const known = this.#patterns.get(pattern.shape);
      if (known === undefined) this.#patterns.set(pattern.shape, { regex: pattern.regex, groups: [group] });
      else known.groups.push(group);
      return;
    }
    let node = this.#root;
    for (let i = 0; i < pattern.literals.length; i++) {
      if (i > 0) {
        node.parameter ??= new Node('');
        node = node.parameter;
      }
      node = insert(node, pattern.literals[i] as string);
    }
    (pattern.wildcard ? node.wildcard : node.exact).push(group);
  }

  /** Yields often, so that a worker can serve requests meanwhile. Call it once. */
  *build(): Generator<void, RouteTree> {
    const root = yield* this.#pack(this.#root, '');
    const regexes: PackedRegex[] = [];
    for (const { regex, groups } of this.#patterns.values()) regexes.push({ regex, groups: this.#packGroups(groups) });
    return new RouteTree({
      root,
      nodes: Int32Array.from(this.#nodes),
      terminals: Int32Array.from(this.#terminals),
      literals: this.#literals,
      masks: Int32Array.from(this.#masks),
      groups: this.#groups,
      routes: this.#routes,
      methodBits: this.#methodBits,
      regexes,
    });
  }

  /** Packs a node and what is below it; `run` is the literal text before it since the last parameter. */
  *#pack(node: Node, run: string): Generator<void, number> {
    if (++this.#packed % NODES_A_SLICE === 0) yield;
    const text = run + node.text;
    const isTerminal = node.exact.length > 0 || node.wildcard.length > 0 || node.parameter !== null;
    const terminal = isTerminal ? yield* this.#packTerminal(node, text) : NONE;
    if (node.children.size === 0) return isTerminal ? ~terminal : NONE;
    const codes = [...node.children.keys()].map((byte) => byte.charCodeAt(0));
    const first = Math.min(...codes);
    const span = Math.max(...codes) - first + 1;
    const at = this.#nodes.length;
    this.#nodes.push(text.length, terminal, first, span);
    for (let i = 0; i < span; i++) this.#nodes.push(NONE);
    for (const child of node.children.values()) {
      const packed = yield* this.#pack(child, text);
      this.#nodes[at + NODE_HEADER + child.text.charCodeAt(0) - first] = packed;
    }
    return at;
  }

  *#packTerminal(node: Node, text: string): Generator<void, number> {
    const terminal = this.#literals.length;
    // A sequential string of its own: comparing with slices and concatenations takes one more cache miss.
    this.#literals.push(Buffer.from(text, 'latin1').toString('latin1'));
    this.#terminals.push(text.length, this.#packGroups(node.exact), this.#packGroups(node.wildcard), NONE);
    if (node.parameter !== null) {
      this.#terminals[terminal * TERMINAL_SIZE + 3] = yield* this.#pack(node.parameter, '');
    }
    return terminal;
  }

  /** Groups with methods before those without, and an explicit HEAD before the GET that would answer it. */
  #packGroups(groups: readonly RouteGroup[]): number {
    if (groups.length === 0) return NONE;
    const namesHead = (group: RouteGroup): boolean => group.methods?.includes('HEAD') ?? false;
    const rank = (group: RouteGroup): number => (group.methods === null ? 2 : namesHead(group) ? 0 : 1);
    const ordered = [...groups].sort((one, other) => rank(one) - rank(other));
    const first = this.#groups.length;
    for (const [index, group] of ordered.entries()) {
      const more = index < ordered.length - 1 ? MORE : 0;
      const [alternative] = group.alternatives;
      const mask = this.#maskOf(group.methods);
      const isPlain = group.alternatives.length === 1 && alternative?.when === null && alternative.methods === null;
      this.#groups.push(group);
      this.#routes.push(isPlain && mask !== null ? alternative.route : null);
      this.#masks.push((isPlain && mask !== null ? mask : CONDITIONAL) | more);
    }
    return first;
  }

  /** Null: more methods than there are bits. */
  #maskOf(methods: readonly string[] | null): number | null {
    if (methods === null) return ANY_METHOD;
    let mask = 0;
    for (const method of ['HEAD', ...methods]) {
      if (!this.#methodBits.has(method)) {
        if (this.#methodBits.size === METHOD_BITS) return null;
        this.#methodBits.set(method, 1 << this.#methodBits.size);
      }
      if (accepts(methods, method)) mask |= this.#methodBits.get(method) as number;
    }
    return mask;
  }
}

/** The node at the end of a literal below `from`, made where it is missing. */
function insert(from: Node, literal: string): Node {
  let node = from;
  let rest = literal;
  while (rest !== '') {
    const byte = rest[0] as string;
    const child = node.children.get(byte);
    if (child === undefined) {
      const added = new Node(rest);
      node.children.set(byte, added);
      return added;
    }
    const { text } = child;
    let shared = 1;
    while (shared < text.length && shared < rest.length && text[shared] === rest[shared]) shared++;
    if (shared < text.length) {
      const upper = new Node(text.slice(0, shared));
      child.text = text.slice(shared);
      upper.children.set(child.text[0] as string, child);
      node.children.set(byte, upper);
      node = upper;
    } else {
      node = child;
    }
    rest = rest.slice(shared);
  }
  return node;
}
