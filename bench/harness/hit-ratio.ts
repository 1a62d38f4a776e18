import type { ResponseStore } from '../../src/plan/response-store.ts';
import { ResponseMemory } from '../../src/shared-memory/response-memory.ts';
import type { Dice } from '../../test/support/dice.ts';

/** What is asked for, one after the other: few things often, most of them hardly ever (Zipf). */
export class ZipfTrace {
  readonly #sums: Float64Array;
  readonly #dice: Dice;

  constructor(objects: number, exponent: number, dice: Dice) {
    this.#dice = dice;
    this.#sums = new Float64Array(objects);
    let sum = 0;
    for (let i = 0; i < objects; i++) {
      sum += (i + 1) ** -exponent;
      this.#sums[i] = sum;
    }
  }

  next(): number {
    const sums = this.#sums;
    const drawn = this.#dice.next() * (sums.at(-1) ?? 0);
    let low = 0;
    for (let high = sums.length - 1; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A cache without any overhead of its own that throws out what was not asked for the longest. */
class LeastRecentlyUsed {
  readonly #sizes = new Map<number, number>();
  /** One for all: a new one would go over all that was deleted before. */
  readonly #oldest = this.#sizes.entries();
  readonly #bound: number;
  #bytes = 0;

  constructor(bound: number) {
    this.#bound = bound;
  }

  ask(object: number, size: number): boolean {
    const isHit = this.#sizes.delete(object);
    this.#sizes.set(object, size);
    if (isHit) return true;
    this.#bytes += size;
    while (this.#bytes > this.#bound) {
      const [oldest, its] = this.#oldest.next().value as [number, number];
      this.#sizes.delete(oldest);
      this.#bytes -= its;
    }
    return false;
  }
}

export interface HitRatioCase {
  readonly label: string;
  readonly memory: number;
  readonly objects: number;
  readonly requests: number;
  readonly exponent: number;
  /** Body of each, in bytes. */
  size(object: number): number;
}

export interface HitRatios {
  readonly store: number;
  readonly leastRecentlyUsed: number;
  readonly entries: number;
  /** Part of the memory that responses take. */
  readonly used: number;
}

const META = Buffer.alloc(200);
/** Of a record beside body and meta data: see `shared-memory/response-record.ts`. */
const RECORD_HEAD = 64;
const KEY_BYTES = 32;
/** Counted only from here on, when both are full. */
const WARM_UP = 0.2;

/**
 * Sends the same trace through the store and through an LRU. Both have the same memory, of which the store takes its
 * index and all that it needs to decide; bodies take the same in both.
 */
export function compareHitRatios(given: HitRatioCase, dice: Dice): HitRatios {
  const memory = new ResponseMemory(given.memory, [21, 22]);
  const other = new LeastRecentlyUsed(given.memory);
  const trace = new ZipfTrace(given.objects, given.exponent, dice);
  const body = Buffer.alloc(256 * 1024);
  let asked = 0;
  let ours = 0;
  let theirs = 0;
  for (let i = 0; i < given.requests; i++) {
    const object = trace.next();
    const size = given.size(object);
    const isHit = ask(memory.store, object, body, size);
    const isTheirs = other.ask(object, RECORD_HEAD + KEY_BYTES + META.length + size);
    if (i < given.requests * WARM_UP) continue;
    asked++;
    if (isHit) ours++;
    if (isTheirs) theirs++;
  }
  const { entries, bytes } = memory.statistics;
  return { store: ours / asked, leastRecentlyUsed: theirs / asked, entries, used: bytes / given.memory };
}

function ask(store: ResponseStore, object: number, body: Buffer, size: number): boolean {
  const key = `https://host/${object}`.padEnd(KEY_BYTES, '.');
  const found = store.find(key);
  if (found !== null) {
    found.release();
    return true;
  }
  const fill = store.begin(key);
  if (!fill.leads || !fill.open(key, META, [], size)) return false;
  fill.append(body, 0, size);
  fill.commit();
  return false;
}
