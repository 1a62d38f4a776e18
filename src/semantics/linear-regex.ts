import type { Parsed } from '../base/units.ts';
import { RegexCaptures } from './regex-captures.ts';
import {
  compileRegex,
  holdsBetween,
  isWord,
  MAX_STEPS,
  NOTHING,
  type RegexProgram,
  StepList,
  stepKind,
} from './regex-program.ts';
import { parseRegexTree, type RegexNode } from './regex-tree.ts';

/**
 * A regular expression whose work grows with the text and never faster, whatever the expression and whoever wrote the
 * text: all ways through it are followed at once instead of one after the other. Where they lead from one set of ways
 * by one character of ASCII is remembered, so that most characters cost one look-up.
 */
export class LinearRegex {
  readonly source: string;
  /** Named groups in the order in which they open. */
  readonly groups: readonly string[];
  readonly #program: RegexProgram;
  #states = new Map<string, State>();
  #initial: State;
  /** Steps reached by the closure under way. Reused: a match never waits. */
  readonly #reached: StepList;
  readonly #stack: number[] = [];
  #captures: RegexCaptures | null = null;
  #isShort = true;

  private constructor(source: string, program: RegexProgram) {
    this.source = source;
    this.groups = program.names;
    this.#program = program;
    this.#reached = new StepList(program.kinds.length);
    this.#initial = this.#state([0], NOTHING);
  }

  /** An expression that fits anywhere in a text unless it says otherwise. */
  static parse(source: string): Parsed<LinearRegex> {
    const tree = parseRegexTree(source);
    return tree.ok ? LinearRegex.#compile(source, tree.value) : tree;
  }

  /** An expression that has to fit a whole text. */
  static parseWhole(source: string): Parsed<LinearRegex> {
    const tree = parseRegexTree(source);
    if (!tree.ok) return tree;
    const items: RegexNode[] = [{ kind: 'assert', what: 'start' }, tree.value, { kind: 'assert', what: 'end' }];
    return LinearRegex.#compile(source, { kind: 'sequence', items });
  }

  static #compile(source: string, tree: RegexNode): Parsed<LinearRegex> {
    const program = compileRegex(tree);
    if (program !== null) return { ok: true, value: new LinearRegex(source, program) };
    const remedy = 'Shorten it, and repeat less often: `{1,20}`.';
    return { ok: false, message: `this regular expression has more than ${MAX_STEPS} steps`, remedy };
  }

  test(text: string): boolean {
    const { length } = text;
    this.#isShort = length <= MAX_CAPTURED;
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
      if (state.isFinal) return state === UNKNOWN ? this.capture(text) !== null : state === FITS;
    }
    return (state.next[ASCII] ?? this.#advance(state, NOTHING)) === FITS;
  }

  /**
   * What the named groups take of the text, in their order; empty where one took no part, the last where it repeats.
   * Of several ways to fit, the leftmost is taken, and of those the one that quantifiers and the order of choices
   * prefer. Null: it does not fit.
   */
  capture(text: string): readonly string[] | null {
    this.#captures ??= new RegexCaptures(this.#program);
    return this.#captures.match(text);
  }

  /** Where a character leads, or the end of the text. */
  #advance(from: State, code: number): State {
    const state = this.#closure(from.steps, from.before, code) ? FITS : this.#take(code);
    if (code < ASCII && state !== UNKNOWN) from.next[code === NOTHING ? ASCII : code] = state;
    return state;
  }

  /** All that the steps lead to before the character `after`; true: the end of the expression is among it. */
  #closure(steps: ArrayLike<number>, before: number, after: number): boolean {
    const { kinds, targets } = this.#program;
    const reached = this.#reached;
    const stack = this.#stack;
    reached.clear();
    stack.length = 0;
    for (let i = 0; i < steps.length; i++) stack.push(steps[i] as number);
    while (stack.length > 0) {
      const step = stack.pop() as number;
      if (!reached.add(step)) continue;
      const kind = kinds[step] as number;
      if (kind === END) return true;
      if (kind === SET) continue;
      if (kind === JUMP) stack.push(targets[step] as number);
      else if (kind === FORK || kind === LAZY_FORK) stack.push(targets[step] as number, step + 1);
      else if (kind === SAVE || holdsBetween(kind, before, after)) stack.push(step + 1);
    }
    return false;
  }

  /** The state behind a character, from the steps that the closure has reached. It may begin there anew. */
  #take(code: number): State {
    if (code === NOTHING) return FAILS;
    const { kinds, sets, isAnchored } = this.#program;
    const steps = isAnchored ? [] : [0];
    for (let i = 0; i < this.#reached.count; i++) {
      const step = this.#reached.steps[i] as number;
      if (kinds[step] === SET && sets[step]?.has(code)) steps.push(step + 1);
    }
    return steps.length === 0 ? FAILS : this.#state(steps, isWord(code) ? WORD : OTHER);
  }

  #state(steps: readonly number[], before: number): State {
    const sorted = Uint16Array.from(steps).sort();
    const key = String.fromCharCode(before + 1, ...sorted);
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= MAX_STATES) {
      // Whoever finds a text that needs many of them pays with time, and not we with memory. As they will not come
      // again, making more of them would take longer than trying way after way.
      this.#states = new Map();
      this.#initial = this.#state([0], NOTHING);
      if (this.#isShort) return UNKNOWN;
    }
    const state = newState(sorted, before, false);
    this.#states.set(key, state);
    return state;
  }
}

/** Steps that wait for the next character, and what stands before it. */
interface State {
  readonly steps: ArrayLike<number>;
  /** `NOTHING` at the beginning, else some word character or some other. */
  readonly before: number;
  /** By code of the next character; the last entry is for the end of the text. */
  readonly next: (State | null)[];
  /** What follows changes nothing. */
  readonly isFinal: boolean;
}

function newState(steps: ArrayLike<number>, before: number, isFinal: boolean): State {
  return { steps, before, next: new Array<State | null>(ASCII + 1).fill(null), isFinal };
}

// Constants of its own: imported ones are read anew at each use.
const { SET, JUMP, FORK, LAZY_FORK, SAVE, END } = stepKind;
const ASCII = 128;
const MAX_STATES = 64;
/** Longest text that `RegexCaptures` is asked about: it takes a bit for each step and character. */
const MAX_CAPTURED = 65_536;
const WORD = 97;
const OTHER = 45;
const FITS = newState([], NOTHING, true);
const FAILS = newState([], NOTHING, true);
/** There are too many states. */
const UNKNOWN = newState([], NOTHING, true);
