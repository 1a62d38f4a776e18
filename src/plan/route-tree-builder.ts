import type { LinearRegex } from '../semantics/linear-regex.ts';
import type { PathPattern } from '../semantics/path-pattern.ts';
import type { Route } from './plan.ts';
import { accepts, RouteTree } from './route-tree.ts';
import {
  ANY_METHOD,
  CONDITIONAL,
  METHOD_BITS,
  MORE,
  NODE_HEADER,
  NONE,
  type PackedRegex,
  type RouteGroup,
  TERMINAL_SIZE,
} from './route-tree-layout.ts';

/** Nodes packed between two yields: far below the 5 ms that a worker may spend at a time on a new plan. */
const NODES_A_SLICE = 500;

/** A place in the tree while it grows: plain objects, thrown away once packed. */
class Node {
  /** Literal text between the parent and here. */
  text: string;
  /** None begins with the same byte as another. */
  children: Node[] | null = null;
  exact: RouteGroup[] | null = null;
  /** Groups of `/*` right behind here. */
  wildcard: RouteGroup[] | null = null;
  /** What follows a parameter that fills the segment beginning here. */
  parameter: Node | null = null;

  constructor(text: string) {
    this.text = text;
  }
}

/** A node that waits to be packed, and where the reference to it goes. */
interface Waiting {
  readonly node: Node;
  /** The literal text before it since the last parameter. */
  readonly run: string;
  /** Null: it is the root. */
  readonly into: number[] | null;
  readonly slot: number;
}

/** Takes patterns in any order and packs them into a `RouteTree`. */
export class RouteTreeBuilder {
  readonly #root = new Node('');
  readonly #patterns = new Map<string, { regex: LinearRegex; groups: RouteGroup[] }>();
  readonly #methodBits = new Map<string, number>();
  readonly #nodes: number[] = [];
  readonly #terminals: number[] = [];
  readonly #literals: string[] = [];
  readonly #masks: number[] = [];
  readonly #groups: RouteGroup[] = [];
  readonly #routes: (Route | null)[] = [];

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
    if (pattern.wildcard) node.wildcard = node.wildcard === null ? [group] : [...node.wildcard, group];
    else node.exact = node.exact === null ? [group] : [...node.exact, group];
  }

  /** Yields often, so that a worker can serve requests meanwhile. Call it once. */
  *build(): Generator<void, RouteTree> {
    const root = yield* this.#pack();
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

  /** Packs all nodes, each before those below it; the reference to the first. */
  *#pack(): Generator<void, number> {
    const waiting: Waiting[] = [{ node: this.#root, run: '', into: null, slot: 0 }];
    let root = NONE;
    for (let packed = 1; waiting.length > 0; packed++) {
      const { node, run, into, slot } = waiting.pop() as Waiting;
      const reference = this.#packNode(node, run + node.text, waiting);
      if (into === null) root = reference;
      else into[slot] = reference;
      if (packed % NODES_A_SLICE === 0) yield;
    }
    return root;
  }

  #packNode(node: Node, text: string, waiting: Waiting[]): number {
    const isTerminal = node.exact !== null || node.wildcard !== null || node.parameter !== null;
    const terminal = isTerminal ? this.#packTerminal(node, text, waiting) : NONE;
    const { children } = node;
    if (children === null) return isTerminal ? ~terminal : NONE;
    let first = 255;
    let last = 0;
    for (const child of children) {
      const byte = child.text.charCodeAt(0);
      first = Math.min(first, byte);
      last = Math.max(last, byte);
    }
    const nodes = this.#nodes;
    const at = nodes.length;
    nodes.push(text.length, terminal, first, last - first + 1);
    for (let byte = first; byte <= last; byte++) nodes.push(NONE);
    for (const child of children) {
      const slot = at + NODE_HEADER + child.text.charCodeAt(0) - first;
      waiting.push({ node: child, run: text, into: nodes, slot });
    }
    return at;
  }

  #packTerminal(node: Node, text: string, waiting: Waiting[]): number {
    const terminal = this.#literals.length;
    // A sequential string of its own: comparing with slices and concatenations takes one more cache miss.
    this.#literals.push(Buffer.from(text, 'latin1').toString('latin1'));
    const terminals = this.#terminals;
    terminals.push(text.length, this.#packGroups(node.exact), this.#packGroups(node.wildcard), NONE);
    if (node.parameter !== null) {
      waiting.push({ node: node.parameter, run: '', into: terminals, slot: terminal * TERMINAL_SIZE + 3 });
    }
    return terminal;
  }

  /** Groups with methods before those without, and an explicit HEAD before the GET that would answer it. */
  #packGroups(groups: readonly RouteGroup[] | null): number {
    if (groups === null) return NONE;
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
    const byte = rest.charCodeAt(0);
    const index = node.children?.findIndex(({ text }) => text.charCodeAt(0) === byte) ?? -1;
    const child = node.children?.[index];
    if (node.children === null || child === undefined) {
      const added = new Node(rest);
      if (node.children === null) node.children = [added];
      else node.children.push(added);
      return added;
    }
    const { text } = child;
    let shared = 1;
    while (shared < text.length && text.charCodeAt(shared) === rest.charCodeAt(shared)) shared++;
    if (shared < text.length) {
      const upper = new Node(text.slice(0, shared));
      child.text = text.slice(shared);
      upper.children = [child];
      node.children[index] = upper;
      node = upper;
    } else {
      node = child;
    }
    rest = rest.slice(shared);
  }
  return node;
}
