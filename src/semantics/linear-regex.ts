import type { Parsed } from '../base/units.ts';
import { type Assertion, type CharacterSet, parseRegexTree, type RegexNode } from './regex-tree.ts';

/**
 * A regular expression whose work grows with the text and never faster, whatever the expression and whoever wrote the
 * text: all ways through it are followed at once (K. Thompson, "Regular Expression Search Algorithm", 1968) instead of
 * one after the other. Where they lead from one set of ways by one character of ASCII is remembered, so that most
 * characters cost one look-up.
 */
export class LinearRegex {
  readonly source: string;
  readonly #program: Program;
  #states = new Map<string, State>();
  #initial: State;
  /** Steps reached by the closure under way. Reused: a match never waits. */
  readonly #reached: StepList;
  readonly #stack: number[] = [];

  private constructor(source: string, program: Program) {
    this.source = source;
    this.#program = program;
    this.#reached = new StepList(program.kinds.length);
    this.#initial = this.#state([0], NOTHING);
  }

  static parse(source: string): Parsed<LinearRegex> {
    const tree = parseRegexTree(source);
    if (!tree.ok) return tree;
    const program = new Compiler().compile(tree.value);
    if (program === null) {
      const remedy = 'Shorten it, and repeat less often: `{1,20}`.';
      return { ok: false, message: `this regular expression has more than ${MAX_STEPS} steps`, remedy };
    }
    return { ok: true, value: new LinearRegex(source, program) };
  }

  /** Whether it fits anywhere in the text. */
  test(text: string): boolean {
    const { length } = text;
    let state = this.#initial;
    let at = 0;
    while (at < length) {
      const code = text.charCodeAt(at);
      if (code < ASCII) {
        state = state.next[code] ?? this.#advance(state, code);
        at++;
      } else {
        const point = text.codePointAt(at) as number;
        state = this.#advance(state, point);
        at += point > 0xffff ? 2 : 1;
      }
      if (state === FITS) return true;
    }
    return (state.next[ASCII] ?? this.#advance(state, NOTHING)) === FITS;
  }

  /** Where a character leads, or the end of the text. */
  #advance(from: State, code: number): State {
    const state = this.#closure(from.steps, from.before, code) ? FITS : this.#take(code);
    if (code < ASCII) from.next[code === NOTHING ? ASCII : code] = state;
    return state;
  }

  /** All that the steps lead to before the character `after`; true: the end of the expression is among it. */
  #closure(steps: readonly number[], before: number, after: number): boolean {
    const { kinds, targets } = this.#program;
    const reached = this.#reached;
    const stack = this.#stack;
    reached.clear();
    stack.length = 0;
    for (let i = 0; i < steps.length; i++) stack.push(steps[i] as number);
    while (stack.length > 0) {
      const step = stack.pop() as number;
      if (!reached.add(step)) continue;
      const kind = kinds[step];
      if (kind === END) return true;
      if (kind === JUMP) stack.push(targets[step] as number);
      else if (kind === FORK) stack.push(targets[step] as number, step + 1);
      else if (kind !== SET && holds(kind as number, before, after)) stack.push(step + 1);
    }
    return false;
  }

  /** The state behind a character, from the steps that the closure has reached. It may begin there anew. */
  #take(code: number): State {
    if (code === NOTHING) return FAILS;
    const { kinds, sets } = this.#program;
    const steps = [0];
    for (let i = 0; i < this.#reached.count; i++) {
      const step = this.#reached.steps[i] as number;
      if (kinds[step] === SET && (sets[step] as Membership).has(code)) steps.push(step + 1);
    }
    return this.#state(steps, isWord(code) ? WORD : OTHER);
  }

  #state(steps: readonly number[], before: number): State {
    const sorted = [...steps].sort((one, other) => one - other);
    const key = `${before} ${sorted.join(' ')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= MAX_STATES) {
      // Whoever finds a text that needs many of them pays with time, and not we with memory.
      this.#states = new Map();
      this.#initial = this.#state([0], NOTHING);
    }
    const state = newState(sorted, before);
    this.#states.set(key, state);
    return state;
  }
}

/** Steps that wait for the next character, and what stands before it. */
interface State {
  readonly steps: readonly number[];
  /** `NOTHING` at the beginning, else some word character or some other. */
  readonly before: number;
  /** By code of the next character; the last entry is for the end of the text. */
  readonly next: (State | null)[];
}

function newState(steps: readonly number[], before: number): State {
  return { steps, before, next: new Array<State | null>(ASCII + 1).fill(null) };
}

const ASCII = 128;
const MAX_STATES = 64;
/** In the place of a character: there is none. */
const NOTHING = -1;
const WORD = 97;
const OTHER = 45;
const FITS = newState([], NOTHING);
const FAILS = newState([], NOTHING);

function holds(kind: number, before: number, after: number): boolean {
  if (kind === START) return before === NOTHING;
  if (kind === STOP) return after === NOTHING;
  return (isWord(before) !== isWord(after)) === (kind === BOUNDARY);
}

/** Bounds the work for each character of a text. */
const MAX_STEPS = 512;

const SET = 0;
const JUMP = 1;
const FORK = 2;
const START = 3;
const STOP = 4;
const BOUNDARY = 5;
const INSIDE = 6;
const END = 7;
const ASSERTIONS: Readonly<Record<Assertion, number>> = { start: START, end: STOP, boundary: BOUNDARY, inside: INSIDE };

interface Program {
  readonly kinds: readonly number[];
  readonly targets: readonly number[];
  readonly sets: readonly (Membership | null)[];
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
  readonly #kinds: number[] = [];
  readonly #targets: number[] = [];
  readonly #sets: (Membership | null)[] = [];
  readonly #known = new Map<CharacterSet, Membership>();

  /** Null: too long. */
  compile(tree: RegexNode): Program | null {
    this.#node(tree);
    this.#step(END);
    if (this.#isFull) return null;
    return { kinds: this.#kinds, targets: this.#targets, sets: this.#sets };
  }

  get #isFull(): boolean {
    return this.#kinds.length > MAX_STEPS;
  }

  #step(kind: number, set: Membership | null = null): number {
    this.#targets.push(0);
    this.#sets.push(set);
    return this.#kinds.push(kind) - 1;
  }

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
        this.#step(SET, membership);
        return;
      }
      case 'assert':
        this.#step(ASSERTIONS[node.what]);
        return;
      case 'sequence':
        for (const item of node.items) this.#node(item);
        return;
      case 'choice':
        this.#choice(node.items);
        return;
      case 'repeat':
        this.#repeat(node.item, node.min, node.max);
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

  #repeat(item: RegexNode, min: number, max: number): void {
    for (let i = 0; i < min && !this.#isFull; i++) this.#node(item);
    if (max === Number.POSITIVE_INFINITY) {
      const fork = this.#step(FORK);
      this.#node(item);
      this.#targets[this.#step(JUMP)] = fork;
      this.#aim(fork);
      return;
    }
    const forks: number[] = [];
    for (let i = min; i < max && !this.#isFull; i++) {
      forks.push(this.#step(FORK));
      this.#node(item);
    }
    for (const fork of forks) this.#aim(fork);
  }
}

/** Steps in the order in which they were added, each once; cleared without touching its memory. */
class StepList {
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

function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;
}
