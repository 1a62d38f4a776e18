import { KeyHash } from './key-hash.ts';

/**
 * Small records that all workers share by name: the state of an endpoint, of a breaker, of a retry budget. Whoever asks
 * for a name first makes its record, everybody later finds it. A record that nobody holds keeps its state, so that it
 * carries on over a reload, until its place is needed for another name.
 *
 * A slot: hash of the name (low half 0: never used), holders, length of the name's text, the text, the record.
 */
const SLOT_BYTES = 512;
const SLOT_WORDS = SLOT_BYTES / 4;
const KEY_HIGH = 0;
const KEY_LOW = 1;
const HOLDERS = 2;
const LENGTH = 3;
const NAME_AT = 16;
const RECORD_AT = 192;
const NAME_BYTES = RECORD_AT - NAME_AT;

/** Of a record. */
export const RECORD_WORDS = (SLOT_BYTES - RECORD_AT) / 4;

const SEED_HIGH = 0;
const SEED_LOW = 1;
/** Owner of the table's lock; 0: free. */
const LOCK = 2;
/** Names that found no place, and are not shared. */
const UNSHARED = 3;
const HEADER_BYTES = 64;

/** A worker's share of a slot: how often it holds it, and its part of each gauge. */
const SHARE_WORDS = 4;
export const GAUGES = SHARE_WORDS - 1;

/** The lock is held for microseconds; whoever held it longer was ended with it. */
const LOCK_WAIT_MS = 1;

export interface NamedSlotSegments {
  readonly shared: SharedArrayBuffer;
  /** What this worker holds, for `reclaimNamedSlots` after its end. */
  readonly shares: SharedArrayBuffer;
  /** Above 0 and different in every worker. */
  readonly owner: number;
}

/** `seed`: 64 random bits. */
export function createNamedSlots(slots: number, seed: readonly [number, number]): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(HEADER_BYTES + slots * SLOT_BYTES);
  const header = new Int32Array(shared, 0, HEADER_BYTES / 4);
  header[SEED_HIGH] = seed[0];
  header[SEED_LOW] = seed[1];
  return shared;
}

export function createNamedSlotShares(shared: SharedArrayBuffer): SharedArrayBuffer {
  return new SharedArrayBuffer(slotsOf(shared) * SHARE_WORDS * 4);
}

/** One record, held by this worker. Users lay out what is behind the first `GAUGES` words. */
export class NamedSlot {
  readonly name: string;
  /** The record, which starts with its gauges. */
  readonly words: Int32Array;
  /** The same memory. */
  readonly floats: Float64Array;
  readonly index: number;
  readonly #share: Int32Array;

  constructor(name: string, index: number, memory: ArrayBufferLike, at: number, share: Int32Array) {
    this.name = name;
    this.index = index;
    this.words = new Int32Array(memory, at, RECORD_WORDS);
    this.floats = new Float64Array(memory, at, RECORD_WORDS / 2);
    this.#share = share;
  }

  /** Changes a gauge: what this worker added is taken back when it ends, however it ends. */
  add(gauge: number, delta: number): number {
    // Before the total: a worker that is ended between the two leaves the gauge too low rather than for ever too high.
    this.#share[1 + gauge] = (this.#share[1 + gauge] as number) + delta;
    return Atomics.add(this.words, gauge, delta) + delta;
  }

  gauge(gauge: number): number {
    return Math.max(0, Atomics.load(this.words, gauge));
  }
}

export class NamedSlots {
  readonly #shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #shares: Int32Array;
  readonly #owner: number;
  readonly #slots: number;
  readonly #hash = new KeyHash();

  constructor({ shared, shares, owner }: NamedSlotSegments) {
    this.#shared = shared;
    this.#words = new Int32Array(shared);
    this.#bytes = new Uint8Array(shared);
    this.#shares = new Int32Array(shares);
    this.#owner = owner;
    this.#slots = slotsOf(shared);
  }

  /** Takes microseconds, for when something is opened. Give it back with `release`. */
  acquire(name: string): NamedSlot {
    const words = this.#words;
    this.#hash.of(words[SEED_HIGH] as number, words[SEED_LOW] as number, name);
    this.#lock();
    try {
      let free = -1;
      for (let index = 0; index < this.#slots; index++) {
        const at = wordOf(index);
        const low = words[at + KEY_LOW] as number;
        if (low === this.#hash.low && words[at + KEY_HIGH] === this.#hash.high) return this.#hold(index, name);
        // One that was never used first: a name at rest may come back.
        if (low === 0) {
          free = index;
          break;
        }
        if (free < 0 && words[at + HOLDERS] === 0) free = index;
      }
      if (free < 0) {
        Atomics.add(words, UNSHARED, 1);
        return new NamedSlot(name, -1, new ArrayBuffer(RECORD_WORDS * 4), 0, new Int32Array(SHARE_WORDS));
      }
      this.#make(free, name);
      return this.#hold(free, name);
    } finally {
      this.#unlock();
    }
  }

  /** Like `acquire` for a name that somebody holds; null: nobody does, and nothing is made. */
  find(name: string): NamedSlot | null {
    const words = this.#words;
    this.#hash.of(words[SEED_HIGH] as number, words[SEED_LOW] as number, name);
    this.#lock();
    try {
      for (let index = 0; index < this.#slots; index++) {
        const at = wordOf(index);
        const low = words[at + KEY_LOW] as number;
        if (low === 0) return null;
        if (low !== this.#hash.low || words[at + KEY_HIGH] !== this.#hash.high) continue;
        return words[at + HOLDERS] === 0 ? null : this.#hold(index, name);
      }
      return null;
    } finally {
      this.#unlock();
    }
  }

  release({ index }: NamedSlot): void {
    if (index < 0) return;
    const share = index * SHARE_WORDS;
    this.#shares[share] = (this.#shares[share] as number) - 1;
    Atomics.sub(this.#words, wordOf(index) + HOLDERS, 1);
  }

  /** Names that somebody holds; long ones are cut. */
  names(): string[] {
    const found: string[] = [];
    for (let index = 0; index < this.#slots; index++) {
      const at = wordOf(index);
      if (this.#words[at + KEY_LOW] === 0) break;
      if (Atomics.load(this.#words, at + HOLDERS) > 0) found.push(this.#nameAt(index));
    }
    return found;
  }

  /** How many names were opened that found no place, and count in one worker only. */
  get unshared(): number {
    return Atomics.load(this.#words, UNSHARED);
  }

  #hold(index: number, name: string): NamedSlot {
    const share = index * SHARE_WORDS;
    this.#shares[share] = (this.#shares[share] as number) + 1;
    Atomics.add(this.#words, wordOf(index) + HOLDERS, 1);
    const at = HEADER_BYTES + index * SLOT_BYTES + RECORD_AT;
    return new NamedSlot(name, index, this.#shared, at, this.#shares.subarray(share, share + SHARE_WORDS));
  }

  #make(index: number, name: string): void {
    const words = this.#words;
    const at = wordOf(index);
    words.fill(0, at + RECORD_AT / 4, at + SLOT_WORDS);
    const text = Buffer.from(name).subarray(0, NAME_BYTES);
    this.#bytes.set(text, HEADER_BYTES + index * SLOT_BYTES + NAME_AT);
    words[at + LENGTH] = text.length;
    words[at + KEY_HIGH] = this.#hash.high;
    Atomics.store(words, at + KEY_LOW, this.#hash.low);
  }

  #nameAt(index: number): string {
    const at = HEADER_BYTES + index * SLOT_BYTES + NAME_AT;
    return Buffer.from(this.#bytes.slice(at, at + (this.#words[wordOf(index) + LENGTH] as number))).toString();
  }

  #lock(): void {
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, LOCK, 0, this.#owner);
      if (holder === 0) return;
      Atomics.wait(this.#words, LOCK, holder, LOCK_WAIT_MS);
    }
  }

  #unlock(): void {
    Atomics.store(this.#words, LOCK, 0);
    Atomics.notify(this.#words, LOCK);
  }
}

/** For the main thread, after the end of a worker: what it held is given back. */
export function reclaimNamedSlots({ shared, shares, owner }: NamedSlotSegments): void {
  const words = new Int32Array(shared);
  if (Atomics.compareExchange(words, LOCK, owner, 0) === owner) Atomics.notify(words, LOCK);
  const held = new Int32Array(shares);
  for (let index = 0; index < slotsOf(shared); index++) {
    const share = index * SHARE_WORDS;
    const at = wordOf(index);
    for (let gauge = 0; gauge < GAUGES; gauge++) {
      const part = held[share + 1 + gauge] as number;
      if (part !== 0) Atomics.sub(words, at + RECORD_AT / 4 + gauge, part);
    }
    const holds = held[share] as number;
    if (holds > 0) Atomics.sub(words, at + HOLDERS, holds);
  }
  held.fill(0);
}

function slotsOf(shared: SharedArrayBuffer): number {
  return (shared.byteLength - HEADER_BYTES) / SLOT_BYTES;
}

function wordOf(index: number): number {
  return (HEADER_BYTES + index * SLOT_BYTES) / 4;
}
