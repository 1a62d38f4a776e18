/**
 * One header (or trailer) section. Fields that came over the wire stay where they stood in the received text and are
 * known by their offsets; changes are a flag on a field or an added line. So forwarding an untouched section costs a
 * few substrings of the received text instead of a copy of every field (measured: `npm run bench micro headers`).
 */

import type { LookAlikes } from './look-alikes.ts';

const CR_LF = '\r\n';
/** Field flags. `HOP` fields are readable, but belong to one connection and are never forwarded (RFC 9110, 7.6.1). */
const LIVE = 0;
const REMOVED = 1;
const HOP = 2;

/** A field name, prepared once: the hash makes a comparison one integer, the prefix makes a new line one concatenation. */
export interface FieldName {
  readonly lower: string;
  readonly hash: number;
  /** `name: `, ready to be followed by a value. */
  readonly prefix: string;
}

/** Hash of one more byte of a name; letters fold to lower case, and equality is always verified afterwards. */
export function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + (byte | 0x20)) | 0;
}

const MAX_INTERNED = 4096;
const interned = new Map<string, FieldName>();

/** The prepared form of a field name, case-insensitive. Hot paths prepare theirs at load time: this looks in a map. */
export function fieldName(name: string): FieldName {
  const lower = name.toLowerCase();
  let field = interned.get(lower);
  if (field === undefined) {
    field = prepareName(lower);
    // Handlers bring names from outside: those must not be kept for ever.
    if (interned.size < MAX_INTERNED) interned.set(lower, field);
  }
  return field;
}

/** The same without keeping it, for a name in lower case that a peer made up. */
export function prepareName(lower: string): FieldName {
  let hash = 0;
  for (let i = 0; i < lower.length; i++) hash = hashByte(hash, lower.charCodeAt(i));
  return { lower, hash, prefix: `${lower}: ` };
}

/** Lines made once and added to many sections, such as what every request of a connection says about its client. */
export class FieldLines {
  readonly names: readonly FieldName[];
  readonly values: readonly string[];
  readonly text: string;

  /** The same duty on the values as for `HeaderBlock.set`. */
  constructor(fields: readonly (readonly [FieldName, string])[]) {
    this.names = fields.map(([name]) => name);
    this.values = fields.map(([, value]) => value);
    this.text = fields.map(([name, value]) => name.prefix + value + CR_LF).join('');
  }

  has(name: FieldName): boolean {
    for (let i = 0; i < this.names.length; i++) {
      const own = this.names[i] as FieldName;
      if (own.hash === name.hash && own.lower === name.lower) return true;
    }
    return false;
  }
}

export class HeaderBlock {
  /** The received text (latin1), to which the offsets refer. */
  text = '';
  count = 0;
  /** Four offsets a field: name start, name end, value start, value end (trimmed). */
  #spans: number[] = [];
  #hashes: number[] = [];
  #flags: number[] = [];
  /** One bit for each received name's hash: most questions are about names that are not there. */
  #present = 0;
  /** Prepared lines, for as long as nobody asks for one of them by name. */
  #lines: FieldLines | null = null;
  /** Added lines. A count of our own, since setting an array's length is a call into the engine. */
  #added = 0;
  #addedNames: FieldName[] = [];
  #addedValues: string[] = [];

  /** Makes it an empty section, keeping its memory. */
  reset(text: string): void {
    this.text = text;
    this.count = 0;
    this.#present = 0;
    this.#lines = null;
    this.#added = 0;
  }

  /** For parsers: one received field. A field's line ends with CRLF right after its value and optional white space. */
  receive(hash: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, hop: boolean): void {
    const i = this.count++;
    const at = i * 4;
    const spans = this.#spans;
    spans[at] = nameStart;
    spans[at + 1] = nameEnd;
    spans[at + 2] = valueStart;
    spans[at + 3] = valueEnd;
    this.#hashes[i] = hash;
    this.#present |= 1 << hash;
    this.#flags[i] = hop ? HOP : LIVE;
  }

  /** Value of the first field of that name, hop-by-hop ones included. */
  get(name: FieldName): string | undefined {
    const i = this.#indexOf(name, 0);
    if (i >= 0) return this.#value(i);
    const j = this.#addedIndexOf(name, 0);
    return j < 0 ? undefined : this.#addedValues[j];
  }

  /** All values of that name joined as one list value (RFC 9110, 5.3), or undefined. */
  getAll(name: FieldName): string | undefined {
    let all: string | undefined;
    for (let i = this.#indexOf(name, 0); i >= 0; i = this.#indexOf(name, i + 1)) {
      all = all === undefined ? this.#value(i) : `${all}, ${this.#value(i)}`;
    }
    for (let j = this.#addedIndexOf(name, 0); j >= 0; j = this.#addedIndexOf(name, j + 1)) {
      const value = this.#addedValues[j] as string;
      all = all === undefined ? value : `${all}, ${value}`;
    }
    return all;
  }

  has(name: FieldName): boolean {
    return this.#indexOf(name, 0) >= 0 || this.#addedIndexOf(name, 0) >= 0;
  }

  /** How many fields have that name. */
  occurrences(name: FieldName): number {
    let n = 0;
    for (let i = this.#indexOf(name, 0); i >= 0; i = this.#indexOf(name, i + 1)) n++;
    for (let j = this.#addedIndexOf(name, 0); j >= 0; j = this.#addedIndexOf(name, j + 1)) n++;
    return n;
  }

  /** Replaces every field of that name. The value must be free of CR, LF and NUL: templates and parsers see to it. */
  set(name: FieldName, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  /** Adds a line, whatever is there already. The same duty on the value as for `set`. */
  add(name: FieldName, value: string): void {
    const j = this.#added++;
    this.#addedNames[j] = name;
    this.#addedValues[j] = value;
  }

  /** Adds prepared lines, whatever is there already. */
  addLines(lines: FieldLines): void {
    this.#dissolveLines();
    this.#lines = lines;
  }

  remove(name: FieldName): void {
    for (let i = this.#indexOf(name, 0); i >= 0; i = this.#indexOf(name, i + 1)) this.#flags[i] = REMOVED;
    for (let j = this.#addedIndexOf(name, 0); j >= 0; j = this.#addedIndexOf(name, j)) this.#removeAdded(j);
  }

  /** Removes every field whose name is covered. Prepared lines are our own word and stay. */
  removeCovered(names: LookAlikes): void {
    const spans = this.#spans;
    for (let i = 0; i < this.count; i++) {
      const at = i * 4;
      if (names.covers(this.text, spans[at] as number, spans[at + 1] as number)) this.#flags[i] = REMOVED;
    }
    for (let j = this.#added - 1; j >= 0; j--) {
      const { lower } = this.#addedNames[j] as FieldName;
      if (names.covers(lower, 0, lower.length)) this.#removeAdded(j);
    }
  }

  /** Keeps the field readable and stops it at this hop: for names listed in `Connection` (RFC 9110, 7.6.1). */
  keepFromForwarding(name: FieldName): void {
    for (let i = this.#indexOf(name, 0); i >= 0; i = this.#indexOf(name, i + 1)) this.#flags[i] = HOP;
  }

  /** Every field that would be forwarded, names in lower case. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.count; i++) {
      if (this.#flags[i] !== LIVE) continue;
      const at = i * 4;
      visit(this.text.slice(this.#spans[at], this.#spans[at + 1]).toLowerCase(), this.#value(i));
    }
    this.#dissolveLines();
    for (let i = 0; i < this.#added; i++) {
      visit((this.#addedNames[i] as FieldName).lower, this.#addedValues[i] as string);
    }
  }

  /** The forwarded lines, each with its CRLF, without the empty line. Runs of untouched fields are one slice. */
  serialize(): string {
    const spans = this.#spans;
    const flags = this.#flags;
    const count = this.count;
    let out = '';
    let i = 0;
    while (i < count) {
      if (flags[i] !== LIVE) {
        i++;
        continue;
      }
      const start = spans[i * 4] as number;
      let end: number;
      do {
        end = this.#lineEnd(i);
        i++;
      } while (i < count && flags[i] === LIVE && spans[i * 4] === end);
      out += this.text.slice(start, end);
    }
    if (this.#lines !== null) out += this.#lines.text;
    for (let j = 0; j < this.#added; j++) {
      out += (this.#addedNames[j] as FieldName).prefix + (this.#addedValues[j] as string) + CR_LF;
    }
    return out;
  }

  /** A copy that outlives this section's owner. */
  clone(): HeaderBlock {
    const copy = new HeaderBlock();
    copy.text = this.text;
    copy.count = this.count;
    copy.#spans = this.#spans.slice(0, this.count * 4);
    copy.#hashes = this.#hashes.slice(0, this.count);
    copy.#flags = this.#flags.slice(0, this.count);
    copy.#present = this.#present;
    copy.#lines = this.#lines;
    copy.#added = this.#added;
    copy.#addedNames = this.#addedNames.slice(0, this.#added);
    copy.#addedValues = this.#addedValues.slice(0, this.#added);
    return copy;
  }

  /** A section made here rather than received. */
  static of(fields: Iterable<readonly [string, string]>): HeaderBlock {
    const block = new HeaderBlock();
    for (const [name, value] of fields) block.add(fieldName(name), value);
    return block;
  }

  /** The next received field of that name that was not removed, or -1. */
  #indexOf(name: FieldName, from: number): number {
    const { hash } = name;
    if ((this.#present & (1 << hash)) === 0) return -1;
    for (let i = from; i < this.count; i++) {
      if (this.#hashes[i] === hash && this.#flags[i] !== REMOVED && this.#isNamed(i, name)) return i;
    }
    return -1;
  }

  #dissolveLines(): void {
    const lines = this.#lines;
    if (lines === null) return;
    this.#lines = null;
    for (let i = 0; i < lines.names.length; i++) this.add(lines.names[i] as FieldName, lines.values[i] as string);
  }

  #addedIndexOf(name: FieldName, from: number): number {
    if (this.#lines?.has(name)) this.#dissolveLines();
    const { lower } = name;
    for (let j = from; j < this.#added; j++) if ((this.#addedNames[j] as FieldName).lower === lower) return j;
    return -1;
  }

  #removeAdded(j: number): void {
    this.#added--;
    for (let k = j; k < this.#added; k++) {
      this.#addedNames[k] = this.#addedNames[k + 1] as FieldName;
      this.#addedValues[k] = this.#addedValues[k + 1] as string;
    }
  }

  #value(i: number): string {
    return this.text.slice(this.#spans[i * 4 + 2], this.#spans[i * 4 + 3]);
  }

  /** Past the CRLF of a received line: trailing white space is part of the line but not of the value. */
  #lineEnd(i: number): number {
    let end = this.#spans[i * 4 + 3] as number;
    while (this.text.charCodeAt(end) !== 13) end++;
    return end + 2;
  }

  #isNamed(i: number, name: FieldName): boolean {
    const start = this.#spans[i * 4] as number;
    const { lower } = name;
    if ((this.#spans[i * 4 + 1] as number) - start !== lower.length) return false;
    for (let j = 0; j < lower.length; j++) {
      let byte = this.text.charCodeAt(start + j);
      if (byte >= 65 && byte <= 90) byte |= 0x20;
      if (byte !== lower.charCodeAt(j)) return false;
    }
    return true;
  }
}
