import { crc32 } from 'node:zlib';
import type { Hash } from './response-index.ts';
import { UNIT, UNIT_WORDS } from './response-layout.ts';

/** Nothing that anybody reads. */
export const SKIP = 0;
/** Its owner writes to it. */
export const FILLING = 1;
export const LIVE = 2;
/** Removed; some may still read it. */
export const DEAD = 3;

const SIZE = 0;
const STATE = 1;
const OWNER = 2;
const FREQUENCY = 3;
const FLAGS = 4;
const HASH_HIGH = 5;
const HASH_LOW = 6;
const KEY_BYTES = 7;
const TAGS = 8;
const TAG_BYTES = 9;
const META_BYTES = 10;
const BODY_BYTES = 11;
/** A 64-bit float. */
const STORED_AT = 12;
const SUM = 14;
const SEAL = 15;
export const RECORD_HEAD = 16 * 4;

const STALE = 1;
/** The key has characters of more than one byte. */
const WIDE = 2;
/** The checksum was right when somebody first read it. */
const CHECKED = 4;

/** Between the texts of tags. */
const SEPARATOR = '\n';
export const MAX_FREQUENCY = 3;
const WIDE_CHARACTER = /[^\0-\xff]/;

/** Milliseconds after which versions may be the same for other responses, if their checksums are. */
const VERSION_SPAN = 2 ** 20;

/** What a record holds beside its body. */
export interface RecordHead {
  readonly key: string;
  readonly meta: Uint8Array;
  readonly tags: readonly string[];
}

/**
 * The records of a shard: 16 words, hashes of the tags, key, text of the tags, meta data, body. The first two words tile
 * the log; frequency and flags change while others read; the rest is fixed before a record becomes findable, and sealed.
 */
export class ResponseRecords {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly #floats: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.bytes = Buffer.from(memory);
    this.#floats = new Float64Array(memory, 0, Math.floor(memory.byteLength / 8));
  }

  /** In units. */
  size(ref: number): number {
    return this.words[ref * UNIT_WORDS + SIZE] as number;
  }

  state(ref: number): number {
    return Atomics.load(this.words, ref * UNIT_WORDS + STATE);
  }

  setState(ref: number, state: number): void {
    Atomics.store(this.words, ref * UNIT_WORDS + STATE, state);
  }

  setSize(ref: number, units: number): void {
    Atomics.store(this.words, ref * UNIT_WORDS + SIZE, units);
  }

  owner(ref: number): number {
    return this.words[ref * UNIT_WORDS + OWNER] as number;
  }

  setOwner(ref: number, owner: number): void {
    this.words[ref * UNIT_WORDS + OWNER] = owner;
  }

  frequency(ref: number): number {
    return this.words[ref * UNIT_WORDS + FREQUENCY] as number;
  }

  /** Asked for once more. Two at the same time may count as one. */
  touch(ref: number): void {
    const at = ref * UNIT_WORDS + FREQUENCY;
    const times = this.words[at] as number;
    if (times < MAX_FREQUENCY) this.words[at] = times + 1;
  }

  setFrequency(ref: number, frequency: number): void {
    this.words[ref * UNIT_WORDS + FREQUENCY] = frequency;
  }

  hashHigh(ref: number): number {
    return this.words[ref * UNIT_WORDS + HASH_HIGH] as number;
  }

  hashLow(ref: number): number {
    return this.words[ref * UNIT_WORDS + HASH_LOW] as number;
  }

  isStale(ref: number): boolean {
    return (Atomics.load(this.words, ref * UNIT_WORDS + FLAGS) & STALE) !== 0;
  }

  markStale(ref: number): void {
    Atomics.or(this.words, ref * UNIT_WORDS + FLAGS, STALE);
  }

  storedAt(ref: number): number {
    return this.#floats[(ref * UNIT_WORDS + STORED_AT) / 2] as number;
  }

  /** Equal bytes at the same time are the same response. */
  version(ref: number): number {
    const sum = (this.words[ref * UNIT_WORDS + SUM] as number) >>> 0;
    return (this.storedAt(ref) % VERSION_SPAN) * 2 ** 32 + sum;
  }

  bodyBytes(ref: number): number {
    return this.words[ref * UNIT_WORDS + BODY_BYTES] as number;
  }

  hasKey(ref: number, key: string): boolean {
    const { words, bytes } = this;
    const at = ref * UNIT_WORDS;
    const from = this.#keyAt(ref);
    const isWide = ((words[at + FLAGS] as number) & WIDE) !== 0;
    if (words[at + KEY_BYTES] !== (isWide ? key.length * 2 : key.length)) return false;
    if (isWide) return bytes.toString('utf16le', from, from + key.length * 2) === key;
    for (let i = 0; i < key.length; i++) if (bytes[from + i] !== key.charCodeAt(i)) return false;
    return true;
  }

  key(ref: number): string {
    const at = ref * UNIT_WORDS;
    const from = this.#keyAt(ref);
    const isWide = ((this.words[at + FLAGS] as number) & WIDE) !== 0;
    return this.bytes.toString(isWide ? 'utf16le' : 'latin1', from, from + (this.words[at + KEY_BYTES] as number));
  }

  hasTag(ref: number, { high, low }: Hash): boolean {
    const at = ref * UNIT_WORDS;
    const first = at + RECORD_HEAD / 4;
    const end = first + (this.words[at + TAGS] as number) * 2;
    for (let tag = first; tag < end; tag += 2) {
      if (this.words[tag + 1] === low && this.words[tag] === high) return true;
    }
    return false;
  }

  tags(ref: number): string[] {
    const at = ref * UNIT_WORDS;
    if (this.words[at + TAGS] === 0) return [];
    const from = this.#keyAt(ref) + (this.words[at + KEY_BYTES] as number);
    return this.bytes.toString('utf8', from, from + (this.words[at + TAG_BYTES] as number)).split(SEPARATOR);
  }

  meta(ref: number): Buffer {
    const from = this.#metaAt(ref);
    return this.bytes.subarray(from, from + (this.words[ref * UNIT_WORDS + META_BYTES] as number));
  }

  body(ref: number): Buffer {
    const from = this.bodyAt(ref);
    return this.bytes.subarray(from, from + this.bodyBytes(ref));
  }

  /** Where it begins in the shard's bytes. */
  bodyAt(ref: number): number {
    return this.#metaAt(ref) + (this.words[ref * UNIT_WORDS + META_BYTES] as number);
  }

  /** Bytes that a record needs beside its body. */
  static headBytes({ key, meta, tags }: RecordHead): number {
    const keyBytes = WIDE_CHARACTER.test(key) ? key.length * 2 : key.length;
    const tagBytes = tags.length === 0 ? 0 : Buffer.byteLength(tags.join(SEPARATOR));
    return RECORD_HEAD + tags.length * 8 + keyBytes + tagBytes + meta.length;
  }

  /** Into a record that this thread fills. */
  writeHead(ref: number, { key, meta, tags }: RecordHead, hash: Hash, tagHash: (tag: string) => Hash): void {
    const { words, bytes } = this;
    const at = ref * UNIT_WORDS;
    const isWide = WIDE_CHARACTER.test(key);
    words[at + HASH_HIGH] = hash.high;
    words[at + HASH_LOW] = hash.low;
    words[at + FREQUENCY] = 0;
    words[at + FLAGS] = isWide ? WIDE : 0;
    words[at + TAGS] = tags.length;
    let tag = at + RECORD_HEAD / 4;
    for (const each of tags) {
      const { high, low } = tagHash(each);
      words[tag++] = high;
      words[tag++] = low;
    }
    let to = tag * 4;
    words[at + KEY_BYTES] = isWide ? bytes.write(key, to, 'utf16le') : bytes.latin1Write(key, to);
    to += words[at + KEY_BYTES] as number;
    words[at + TAG_BYTES] = tags.length === 0 ? 0 : bytes.write(tags.join(SEPARATOR), to, 'utf8');
    to += words[at + TAG_BYTES] as number;
    bytes.set(meta, to);
    words[at + META_BYTES] = meta.length;
    words[at + BODY_BYTES] = 0;
  }

  /** It is whole. `sum`: over meta data and body. */
  seal(ref: number, body: number, storedAt: number, sum: number): void {
    const at = ref * UNIT_WORDS;
    this.words[at + BODY_BYTES] = body;
    this.#floats[(at + STORED_AT) / 2] = storedAt;
    this.words[at + SUM] = sum;
    this.words[at + SEAL] = this.#sealOf(ref);
  }

  /** Whether it is what was stored. The first time somebody asks, all its bytes are looked at. */
  isSound(ref: number): boolean {
    const at = ref * UNIT_WORDS;
    if (this.words[at + SEAL] !== this.#sealOf(ref)) return false;
    if (((this.words[at + FLAGS] as number) & CHECKED) !== 0) return true;
    if (!this.isWhole(ref)) return false;
    Atomics.or(this.words, at + FLAGS, CHECKED);
    return true;
  }

  /** Whether its checksum is right. */
  isWhole(ref: number): boolean {
    const sum = crc32(this.bytes.subarray(this.#metaAt(ref), this.bodyAt(ref) + this.bodyBytes(ref)));
    return (sum | 0) === this.words[ref * UNIT_WORDS + SUM];
  }

  /** Copies all but what tiles the log and says who fills it; as many units as the target has at most. */
  copy(from: number, to: number, units: number): void {
    this.bytes.copyWithin(to * UNIT + FREQUENCY * 4, from * UNIT + FREQUENCY * 4, (from + units) * UNIT);
    // What was moved is looked at anew.
    Atomics.and(this.words, to * UNIT_WORDS + FLAGS, ~CHECKED);
  }

  #keyAt(ref: number): number {
    return ref * UNIT + RECORD_HEAD + (this.words[ref * UNIT_WORDS + TAGS] as number) * 8;
  }

  #metaAt(ref: number): number {
    const at = ref * UNIT_WORDS;
    return this.#keyAt(ref) + (this.words[at + KEY_BYTES] as number) + (this.words[at + TAG_BYTES] as number);
  }

  #sealOf(ref: number): number {
    const { words } = this;
    const from = ref * UNIT_WORDS;
    let seal = 0x5ea1;
    for (let at = from + HASH_HIGH; at < from + SEAL; at++) {
      seal = Math.imul(seal ^ (words[at] as number), 0x85ebca6b);
      seal ^= seal >>> 15;
    }
    return seal;
  }
}
