import type { Parsed } from '../base/units.ts';
import { ANY, type CharacterSet, CLASSES, LAST, NOT_NEWLINE, negate, single } from './character-set.ts';

/**
 * Regular expressions in the syntax of RE2, as far as they can be matched in linear time: no back-references and no
 * look-around. Characters are code points.
 */
export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'assert'; readonly what: Assertion }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  /** The first that fits goes first. */
  | { readonly kind: 'choice'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'group'; readonly name: string; readonly item: RegexNode }
  /** `isLazy`: as seldom as can be goes first, otherwise as often. */
  | {
      readonly kind: 'repeat';
      readonly item: RegexNode;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    };

export type Assertion = 'start' | 'end' | 'boundary' | 'inside';

const MAX_DEPTH = 32;
/** Each is carried along every way through the expression. */
const MAX_NAMES = 16;
/** Of a group, with what stands around it. */
const MAX_NAME = 64;
/** As in RE2: a repetition stands for its copies. */
const MAX_REPEAT = 1000;

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const ASSERTIONS: Readonly<Record<string, Assertion>> = { A: 'start', z: 'end', b: 'boundary', B: 'inside' };

class Trouble extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

export function parseRegexTree(source: string): Parsed<RegexNode> {
  try {
    return { ok: true, value: new RegexParser(source).parse() };
  } catch (error) {
    if (error instanceof Trouble) return { ok: false, message: error.message, remedy: error.remedy };
    throw error;
  }
}

/** Names of groups in the order in which they open. */
export function regexNames(node: RegexNode): readonly string[] {
  switch (node.kind) {
    case 'group':
      return [node.name, ...regexNames(node.item)];
    case 'sequence':
    case 'choice':
      return node.items.flatMap(regexNames);
    case 'repeat':
      return regexNames(node.item);
    default:
      return [];
  }
}

class RegexParser {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;
  #ignoreCase = false;
  #dotTakesLines = false;
  readonly #names = new Set<string>();

  constructor(source: string) {
    this.#characters = [...source];
  }

  parse(): RegexNode {
    const flags = /^\(\?([is]+)\)/.exec(this.#characters.slice(0, 6).join(''))?.[1];
    if (flags !== undefined) {
      this.#ignoreCase = flags.includes('i');
      this.#dotTakesLines = flags.includes('s');
      this.#at = flags.length + 3;
    }
    const node = this.#choice();
    if (this.#at < this.#characters.length) throw new Trouble('this `)` closes nothing', 'Write `\\)` for the sign.');
    return node;
  }

  #choice(): RegexNode {
    if (++this.#depth > MAX_DEPTH) throw new Trouble('the groups are nested too deeply', 'Use fewer groups.');
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'choice', items };
  }

  #sequence(): RegexNode {
    const items: RegexNode[] = [];
    while (this.#at < this.#characters.length && this.#next !== '|' && this.#next !== ')') {
      items.push(this.#repeated(this.#atom()));
    }
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'sequence', items };
  }

  #repeated(item: RegexNode): RegexNode {
    const bounds = this.#quantifier();
    if (bounds === null) return item;
    const isLazy = this.#take('?');
    if (this.#quantifier() !== null) throw new Trouble('two quantifiers follow each other', 'Put a group around one.');
    const [min, max] = bounds;
    return { kind: 'repeat', item, min, max, isLazy };
  }

  #quantifier(): readonly [number, number] | null {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    const rest = this.#next === '{' ? this.#characters.slice(this.#at, this.#at + 12).join('') : '';
    const [all, min = '', comma, max = ''] = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(rest) ?? [];
    if (all === undefined) return null;
    this.#at += all.length;
    const low = Number(min);
    const high = comma === '' ? low : max === '' ? Number.POSITIVE_INFINITY : Number(max);
    if (low > high) throw new Trouble(`\`${all}\` ends before it begins`, `Write \`{${high},${low}}\`.`);
    if (Math.max(low, high === Number.POSITIVE_INFINITY ? 0 : high) > MAX_REPEAT) {
      throw new Trouble(`\`${all}\` repeats too often`, `Repeat at most ${MAX_REPEAT} times.`);
    }
    return [low, high];
  }

  #atom(): RegexNode {
    const character = this.#read();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return set(this.#folded(this.#class()));
      case '.':
        return set(this.#dotTakesLines ? ANY : NOT_NEWLINE);
      case '^':
        return { kind: 'assert', what: 'start' };
      case '$':
        return { kind: 'assert', what: 'end' };
      case '*':
      case '+':
      case '?':
        throw new Trouble(`\`${character}\` repeats nothing`, `Write \`\\${character}\` for the sign.`);
      case '\\':
        return this.#escape();
      default:
        return set(this.#folded(single(character)));
    }
  }

  #group(): RegexNode {
    let name: string | undefined;
    if (this.#take('?')) {
      const rest = this.#characters.slice(this.#at, this.#at + MAX_NAME).join('');
      const opening = /^(?::|P?<([A-Za-z_]\w*)>)/.exec(rest);
      if (opening === null) {
        throw new Trouble('look-around and flags inside are not accepted', 'Use plain groups, and `(?i)` in front.');
      }
      this.#at += opening[0].length;
      name = this.#named(opening[1]);
    }
    const item = this.#choice();
    if (!this.#take(')')) throw new Trouble('a group is not closed', 'Write `)` behind it.');
    return name === undefined ? item : { kind: 'group', name, item };
  }

  #named(name: string | undefined): string | undefined {
    if (name === undefined) return undefined;
    if (this.#names.has(name)) {
      throw new Trouble(`two groups are named \`${name}\``, 'Give each a name of its own.');
    }
    this.#names.add(name);
    if (this.#names.size > MAX_NAMES) {
      throw new Trouble(`more than ${MAX_NAMES} groups have names`, 'Name those alone that are asked for.');
    }
    return name;
  }

  #escape(): RegexNode {
    const character = this.#read();
    const what = ASSERTIONS[character];
    if (what !== undefined) return { kind: 'assert', what };
    return set(this.#folded(CLASSES[character] ?? this.#escaped(character)));
  }

  /** The one character that an escape stands for. */
  #escaped(character: string): CharacterSet {
    const control = CONTROLS[character];
    if (control !== undefined) return { ranges: [[control, control]] };
    if (character === 'x') {
      const rest = this.#characters.slice(this.#at, this.#at + 8).join('');
      const [all, braced, plain] = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest) ?? [];
      const code = Number.parseInt(braced ?? plain ?? '', 16);
      if (all === undefined || code > LAST)
        throw new Trouble('`\\x` names no character', 'Write `\\x7e` or `\\x{1f600}`.');
      this.#at += all.length;
      return { ranges: [[code, code]] };
    }
    if (/[1-9kgpPQ]/.test(character)) {
      throw new Trouble(`\`\\${character}\` is not accepted here`, 'Use classes such as `[A-Za-z]`, and plain groups.');
    }
    if (character === 'u') throw new Trouble('`\\u` is not accepted here', 'Write `\\x{e9}` or the character itself.');
    if (/\w/.test(character)) throw new Trouble(`\`\\${character}\` means nothing`, 'Leave out the backslash.');
    return single(character);
  }

  #class(): CharacterSet {
    const isNegated = this.#take('^');
    const ranges: (readonly [number, number])[] = [];
    let isFirst = true;
    while (isFirst || this.#next !== ']') {
      isFirst = false;
      const from = this.#member();
      if (this.#next === '-' && this.#characters[this.#at + 1] !== ']' && this.#at + 1 < this.#characters.length) {
        this.#at++;
        const to = this.#member();
        const [low, high] = [codeOf(from), codeOf(to)];
        if (low > high) throw new Trouble('a range ends before it begins', 'Swap its ends.');
        ranges.push([low, high]);
      } else {
        ranges.push(...from.ranges);
      }
    }
    this.#at++;
    const found = { ranges };
    return isNegated ? negate(this.#folded(found)) : found;
  }

  #member(): CharacterSet {
    const character = this.#read();
    if (character === '[' && this.#next === ':') {
      throw new Trouble('named classes are not accepted here', 'Write for instance `[A-Za-z]` or `\\d`.');
    }
    if (character !== '\\') return single(character);
    const escaped = this.#read();
    return CLASSES[escaped] ?? this.#escaped(escaped);
  }

  /** With `(?i)`, what stands for a letter of ASCII stands for both of its forms. */
  #folded(given: CharacterSet): CharacterSet {
    if (!this.#ignoreCase) return given;
    const ranges = [...given.ranges];
    for (const [from, to] of given.ranges) {
      for (const [first, shift] of [
        [65, 32],
        [97, -32],
      ] as const) {
        const low = Math.max(from, first);
        const high = Math.min(to, first + 25);
        if (low <= high) ranges.push([low + shift, high + shift]);
      }
    }
    return { ranges };
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }

  #read(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new Trouble('the expression ends in the middle', 'Complete it.');
    return character;
  }
}

function set(found: CharacterSet): RegexNode {
  return { kind: 'set', set: found };
}

function codeOf({ ranges }: CharacterSet): number {
  const [only] = ranges;
  if (ranges.length !== 1 || only === undefined || only[0] !== only[1]) {
    throw new Trouble('a range lies between two characters', 'Write `\\-` for the sign.');
  }
  return only[0];
}
