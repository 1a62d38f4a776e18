import { holdsBetween, NOTHING, type RegexProgram, stepKind } from './regex-program.ts';

// Constants of its own: imported ones are read anew at each use.
const { SET, JUMP, FORK, LAZY_FORK, SAVE, END } = stepKind;

/** Which steps were tried at which position, as bits. Shared by all expressions, as a match never waits. */
let tried = new Uint32Array(1_024);
/** Words that are kept for the next text: 256 KiB. */
const MAX_KEPT = 65_536;

/**
 * Where the named groups of an expression fit. Ways are tried one after the other, the preferred ones first, and each
 * step at most once at each position: where it led to nothing, it would again. So the work is bounded by the number of
 * steps times that of characters, while the usual text takes one way and no more.
 */
export class RegexCaptures {
  readonly #program: RegexProgram;
  /** Begins and ends of groups on the way being tried; -1: it has not come by. */
  readonly #slots: Int32Array;
  /** Ways to come back to: a position and a step. On top of them `value`, `~slot` puts back what a way has changed. */
  readonly #stack: number[] = [];

  constructor(program: RegexProgram) {
    this.#program = program;
    this.#slots = new Int32Array(program.names.length * 2);
  }

  /** What the groups took, in the order of their names; empty for one that took no part. Null: it fits nowhere. */
  match(text: string): readonly string[] | null {
    const { kinds, names, isAnchored } = this.#program;
    const words = ((kinds.length * (text.length + 1)) >>> 5) + 1;
    if (words > tried.length || tried.length > MAX_KEPT) tried = new Uint32Array(words);
    else tried.fill(0, 0, words);
    const slots = this.#slots;
    slots.fill(-1);
    let begin = 0;
    while (!this.#tryFrom(text, begin)) {
      if (isAnchored || begin === text.length) return null;
      begin += widthOf(codeAt(text, begin));
    }
    const values: string[] = [];
    for (let i = 0; i < names.length; i++) {
      const end = slots[i * 2 + 1] as number;
      values.push(end < 0 ? '' : text.slice(slots[i * 2] as number, end));
    }
    return values;
  }

  #tryFrom(text: string, begin: number): boolean {
    const stack = this.#stack;
    stack.length = 0;
    stack.push(begin, 0);
    while (stack.length > 0) {
      const step = stack.pop() as number;
      if (step < 0) this.#slots[~step] = stack.pop() as number;
      else if (this.#follow(text, stack.pop() as number, step)) return true;
    }
    return false;
  }

  /** One way as far as it goes; others that fork from it wait on the stack. */
  #follow(text: string, from: number, first: number): boolean {
    const { kinds, targets, sets } = this.#program;
    const stack = this.#stack;
    const row = text.length + 1;
    let at = from;
    let step = first;
    for (;;) {
      const bit = step * row + at;
      const word = tried[bit >>> 5] as number;
      if (((word >>> (bit & 31)) & 1) === 1) return false;
      tried[bit >>> 5] = word | (1 << (bit & 31));
      const kind = kinds[step] as number;
      if (kind === SET) {
        const code = codeAt(text, at);
        if (code === NOTHING || !sets[step]?.has(code)) return false;
        at += widthOf(code);
        step++;
      } else if (kind === FORK) {
        stack.push(at, targets[step] as number);
        step++;
      } else if (kind === JUMP) {
        step = targets[step] as number;
      } else if (kind === LAZY_FORK) {
        stack.push(at, step + 1);
        step = targets[step] as number;
      } else if (kind === SAVE) {
        const slot = targets[step] as number;
        stack.push(this.#slots[slot] as number, ~slot);
        this.#slots[slot] = at;
        step++;
      } else if (kind === END) {
        return true;
      } else if (holdsBetween(kind, at === 0 ? NOTHING : text.charCodeAt(at - 1), codeAt(text, at))) {
        step++;
      } else {
        return false;
      }
    }
  }
}

function codeAt(text: string, at: number): number {
  return at < text.length ? (text.codePointAt(at) as number) : NOTHING;
}

function widthOf(code: number): number {
  return code > 0xffff ? 2 : 1;
}
