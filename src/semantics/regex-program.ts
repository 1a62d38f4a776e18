import type { CharacterSet } from './character-set.ts';
import { type Assertion, type RegexNode, regexNames } from './regex-tree.ts';

/**
 * A regular expression as steps (K. Thompson, "Regular Expression Search Algorithm", 1968): a step is gone on from to
 * the next one unless its kind says otherwise.
 */
export interface RegexProgram {
  /** By step: of `stepKind`. */
  readonly kinds: readonly number[];
  /** By step: where a jump leads, the other way of a fork, the slot in which a position is kept. */
  readonly targets: readonly number[];
  readonly sets: readonly (Membership | null)[];
  /** Named groups in the order in which they open; a group has two slots, for its begin and its end. */
  readonly names: readonly string[];
  /** It fits at the beginning of a text or nowhere. */
  readonly isAnchored: boolean;
}

export const stepKind = {
  /** A character of a set. */
  SET: 0,
  JUMP: 1,
  /** Two ways, the next step before the target. */
  FORK: 2,
  /** Two ways, the target before the next step. */
  LAZY_FORK: 3,
  /** Keeps the position. */
  SAVE: 4,
  END: 5,
  // Assertions.
  START: 6,
  STOP: 7,
  BOUNDARY: 8,
  INSIDE: 9,
} as const;

/** In the place of a character: there is none. */
export const NOTHING = -1;

const { SET, JUMP, FORK, LAZY_FORK, SAVE, END, START, STOP, BOUNDARY, INSIDE } = stepKind;
const ASSERTIONS: Readonly<Record<Assertion, number>> = { start: START, end: STOP, boundary: BOUNDARY, inside: INSIDE };

/** Bounds the work for each character of a text. */
export const MAX_STEPS = 1_024;

/** Null: too long. */
export function compileRegex(tree: RegexNode): RegexProgram | null {
  return new Compiler(tree).program;
}

/** Whether an assertion holds between two characters. */
export function holdsBetween(kind: number, before: number, after: number): boolean {
  if (kind === START) return before === NOTHING;
  if (kind === STOP) return after === NOTHING;
  return (isWord(before) !== isWord(after)) === (kind === BOUNDARY);
}

export function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
}

class Membership {
  readonly #ascii = new Uint8Array(128);
  readonly #ranges: readonly (readonly [number, number])[];

  constructor({ ranges }: CharacterSet) {
    for (const [from, to] of ranges) if (from < 128) this.#ascii.fill(1, from, Math.min(to, 127) + 1);
    this.#ranges = ranges.filter(([, to]) => to > 127);
  }

  has(code: number): boolean {
    if (code < 128) return this.#ascii[code] === 1;
    for (const [from, to] of this.#ranges) if (code >= from && code <= to) return true;
    return false;
  }
}

class Compiler {
  readonly program: RegexProgram | null;
  readonly #kinds: number[] = [];
  readonly #targets: number[] = [];
  readonly #sets: (Membership | null)[] = [];
  readonly #known = new Map<CharacterSet, Membership>();
  readonly #names: readonly string[];

  constructor(tree: RegexNode) {
    this.#names = regexNames(tree);
    this.#node(tree);
    this.#step(END);
    this.program = this.#isFull
      ? null
      : {
          kinds: this.#kinds,
          targets: this.#targets,
          sets: this.#sets,
          names: this.#names,
          isAnchored: beginsAtStart(tree),
        };
  }

  get #isFull(): boolean {
    return this.#kinds.length > MAX_STEPS;
  }

  #step(kind: number, target = 0, set: Membership | null = null): number {
    this.#targets.push(target);
    this.#sets.push(set);
    return this.#kinds.push(kind) - 1;
  }

  /** Makes a step lead to what comes next. */
  #aim(step: number): void {
    this.#targets[step] = this.#kinds.length;
  }

  #node(node: RegexNode): void {
    // Nested repetitions multiply: what is too long already is not made longer.
    if (this.#isFull) return;
    switch (node.kind) {
      case 'set': {
        const membership = this.#known.get(node.set) ?? new Membership(node.set);
        this.#known.set(node.set, membership);
        this.#step(SET, 0, membership);
        return;
      }
      case 'assert':
        this.#step(ASSERTIONS[node.what]);
        return;
      case 'group': {
        const slot = this.#names.indexOf(node.name) * 2;
        this.#step(SAVE, slot);
        this.#node(node.item);
        this.#step(SAVE, slot + 1);
        return;
      }
      case 'sequence':
        for (const item of node.items) this.#node(item);
        return;
      case 'choice':
        this.#choice(node.items);
        return;
      case 'repeat':
        this.#repeat(node.item, node.min, node.max, node.isLazy ? LAZY_FORK : FORK);
    }
  }

  #choice(items: readonly RegexNode[]): void {
    const ends: number[] = [];
    for (const [index, item] of items.entries()) {
      const isLast = index === items.length - 1;
      const fork = isLast ? -1 : this.#step(FORK);
      this.#node(item);
      if (isLast) continue;
      ends.push(this.#step(JUMP));
      this.#aim(fork);
    }
    for (const end of ends) this.#aim(end);
  }

  #repeat(item: RegexNode, min: number, max: number, kind: number): void {
    for (let i = 0; i < min && !this.#isFull; i++) this.#node(item);
    if (max === Number.POSITIVE_INFINITY) {
      const fork = this.#step(kind);
      this.#node(item);
      this.#step(JUMP, fork);
      this.#aim(fork);
      return;
    }
    const forks: number[] = [];
    for (let i = min; i < max && !this.#isFull; i++) {
      forks.push(this.#step(kind));
      this.#node(item);
    }
    for (const fork of forks) this.#aim(fork);
  }
}

function beginsAtStart(node: RegexNode): boolean {
  switch (node.kind) {
    case 'assert':
      return node.what === 'start';
    case 'sequence':
      return node.items[0] !== undefined && beginsAtStart(node.items[0]);
    case 'choice':
      return node.items.every(beginsAtStart);
    case 'group':
      return beginsAtStart(node.item);
    case 'repeat':
      return node.min > 0 && beginsAtStart(node.item);
    case 'set':
      return false;
  }
}

/** Steps in the order in which they were added, each once; cleared without touching its memory. */
export class StepList {
  readonly steps: Uint16Array;
  readonly #positions: Uint16Array;
  count = 0;

  constructor(size: number) {
    this.steps = new Uint16Array(size);
    this.#positions = new Uint16Array(size);
  }

  add(step: number): boolean {
    const position = this.#positions[step] as number;
    if (position < this.count && this.steps[position] === step) return false;
    this.#positions[step] = this.count;
    this.steps[this.count++] = step;
    return true;
  }

  clear(): void {
    this.count = 0;
  }
}
