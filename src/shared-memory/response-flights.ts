import { hash as digest } from 'node:crypto';
import type { Hash } from './response-index.ts';
import { ResponseLock } from './response-lock.ts';
import { FLIGHTS, type ResponseShares } from './response-shares.ts';

/** Nothing has come yet. */
export const WAITING = 1;
/** The head is there. */
export const OPEN = 2;
export const WHOLE = 3;
export const GONE = 4;

const SET = 16;
const SETS = FLIGHTS / SET;
/** First the heads of all sets: lock, hashes of the flights (0: nobody finds it), who leads them (0: the place is free). */
const HASHES = 16;
const OWNERS = HASHES + SET;
const HEAD_WORDS = OWNERS + SET;
const FLIGHTS_AT = SETS * HEAD_WORDS;
const FLIGHT_WORDS = 256;

/** Goes up with each use of the place. */
const GENERATION = 0;
const STATE = 1;
const HASH_HIGH = 2;
/** Where the response is being written. */
const SHARD = 3;
const REF = 4;
/** Bytes of the body that are there. */
const PROGRESS = 5;
/** Goes up whenever there is news. */
const NEWS = 6;
/** Somebody wants to hear them. */
const HEARD = 7;
/** The latest purge when the fetch began. */
const SINCE = 8;
const LENGTH = 9;
const KEY_CHARACTERS = 10;
const NAME_AT = 16;
/** A longer key is told by its digest. */
const NAME_CHARACTERS = (FLIGHT_WORDS - NAME_AT) * 2;

export function createResponseFlights(): SharedArrayBuffer {
  return new SharedArrayBuffer((FLIGHTS_AT + FLIGHTS * FLIGHT_WORDS) * 4);
}

/**
 * What is being fetched now, by the hash of its key, and how far it has come: one thread leads, others follow. A place is
 * its leader's until everybody who followed has taken notice of the end.
 */
export class ResponseFlights {
  /** Whether the flight that `begin` answered is to be led. */
  isNew = false;
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #shares: ResponseShares;
  readonly #locks: readonly ResponseLock[];

  constructor(flights: SharedArrayBuffer, shares: ResponseShares) {
    this.#words = new Int32Array(flights);
    this.#bytes = Buffer.from(flights);
    this.#shares = shares;
    this.#locks = Array.from({ length: SETS }, (_, set) => new ResponseLock(this.#words, set * HEAD_WORDS, shares.id));
  }

  /**
   * A flight of this key: one that can be followed, or a new one to lead; -1: there is no room, and nothing can be shared.
   * `isOutdated`: whether nobody may follow it any more.
   */
  begin(hash: Hash, key: string, since: number, isOutdated: (flight: number, key: string) => boolean): number {
    this.isNew = false;
    const set = (hash.low & (SETS - 1)) >>> 0;
    const name = key.length <= NAME_CHARACTERS ? key : `\0${digest('sha256', key)}`;
    const lock = this.#locks[set] as ResponseLock;
    if (!lock.take()) return -1;
    try {
      const found = this.#find(set, hash, name, key.length);
      if (found >= 0) {
        if (!isOutdated(found, key)) {
          this.#shares.follow(found, true);
          Atomics.store(this.#words, wordOf(found) + HEARD, 1);
          return found;
        }
        this.#hide(found);
      }
      return this.#lead(set, hash, name, key.length, since);
    } finally {
      lock.release();
    }
  }

  /** The leader: the head is there, or the response has moved. */
  place(flight: number, shard: number, ref: number): void {
    const at = wordOf(flight);
    this.#words[at + SHARD] = shard;
    Atomics.store(this.#words, at + REF, ref);
  }

  open(flight: number, length: number): void {
    const at = wordOf(flight);
    this.#words[at + LENGTH] = length;
    Atomics.store(this.#words, at + STATE, OPEN);
    this.#tell(at);
  }

  progress(flight: number, bytes: number): void {
    const at = wordOf(flight);
    Atomics.store(this.#words, at + PROGRESS, bytes);
    this.#tell(at);
  }

  /** The leader: it is over. True: somebody who follows has not noticed yet, the place is to be freed later. */
  end(flight: number, state: typeof WHOLE | typeof GONE): boolean {
    const at = wordOf(flight);
    // Who finds the place under the lock follows it before we have the lock: it is counted below.
    const lock = this.#locks[Math.floor(flight / SET)] as ResponseLock;
    const isOurs = lock.take();
    this.#hide(flight);
    if (isOurs) lock.release();
    if (state === GONE) Atomics.store(this.#words, at + REF, 0);
    Atomics.store(this.#words, at + STATE, state);
    this.#tell(at);
    if (isOurs && !this.#shares.isFollowed(flight)) {
      this.free(flight);
      return false;
    }
    return true;
  }

  isFollowed(flight: number): boolean {
    return this.#shares.isFollowed(flight);
  }

  free(flight: number): void {
    Atomics.store(this.#words, wordOf(flight) + REF, 0);
    Atomics.store(this.#words, ownerOf(flight), 0);
  }

  generation(flight: number): number {
    return Atomics.load(this.#words, wordOf(flight) + GENERATION);
  }

  state(flight: number): number {
    return Atomics.load(this.#words, wordOf(flight) + STATE);
  }

  shard(flight: number): number {
    return this.#words[wordOf(flight) + SHARD] as number;
  }

  ref(flight: number): number {
    return Atomics.load(this.#words, wordOf(flight) + REF);
  }

  bytes(flight: number): number {
    return Atomics.load(this.#words, wordOf(flight) + PROGRESS);
  }

  length(flight: number): number {
    return this.#words[wordOf(flight) + LENGTH] as number;
  }

  since(flight: number): number {
    return this.#words[wordOf(flight) + SINCE] as number;
  }

  /** To be read before what the news are about. */
  news(flight: number): number {
    return Atomics.load(this.#words, wordOf(flight) + NEWS);
  }

  /** Resolves when there are more news than so many, or after the time; null: there are already. */
  wait(flight: number, news: number, milliseconds: number): Promise<unknown> | null {
    const waiting = Atomics.waitAsync(this.#words, wordOf(flight) + NEWS, news, milliseconds);
    return waiting.async ? waiting.value : null;
  }

  /** For the main thread, after the end of a thread: nobody waits for it any more. */
  reclaim(dead: number): void {
    for (const lock of this.#locks) if (lock.inherit(dead)) lock.release();
    for (let flight = 0; flight < FLIGHTS; flight++) {
      if (Atomics.load(this.#words, ownerOf(flight)) !== dead) continue;
      const at = wordOf(flight);
      this.#hide(flight);
      // Before its pins are taken back: who follows and has not pinned the response yet does not find it any more.
      Atomics.store(this.#words, at + REF, 0);
      if (this.state(flight) !== WHOLE) Atomics.store(this.#words, at + STATE, GONE);
      Atomics.store(this.#words, at + HEARD, 1);
      this.#tell(at);
      Atomics.store(this.#words, ownerOf(flight), 0);
    }
  }

  /** Flights under way. */
  get count(): number {
    let count = 0;
    for (let flight = 0; flight < FLIGHTS; flight++) {
      if (Atomics.load(this.#words, ownerOf(flight)) !== 0) count++;
    }
    return count;
  }

  #find(set: number, hash: Hash, name: string, characters: number): number {
    const words = this.#words;
    for (let i = 0; i < SET; i++) {
      if (words[set * HEAD_WORDS + HASHES + i] !== hash.low) continue;
      const flight = set * SET + i;
      const at = wordOf(flight);
      if (words[at + HASH_HIGH] !== hash.high || words[at + KEY_CHARACTERS] !== characters) continue;
      if (this.#hasName(at, name)) return flight;
    }
    return -1;
  }

  #lead(set: number, hash: Hash, name: string, characters: number, since: number): number {
    const words = this.#words;
    for (let i = 0; i < SET; i++) {
      const flight = set * SET + i;
      if (Atomics.load(words, ownerOf(flight)) !== 0) continue;
      const at = wordOf(flight);
      // Names its owner first: whatever else is half written when it is ended is taken back with it.
      Atomics.store(words, ownerOf(flight), this.#shares.id);
      Atomics.store(words, at + GENERATION, ((words[at + GENERATION] as number) + 1) | 0);
      Atomics.store(words, at + STATE, WAITING);
      words[at + PROGRESS] = 0;
      words[at + HEARD] = 0;
      words[at + SINCE] = since;
      words[at + HASH_HIGH] = hash.high;
      words[at + KEY_CHARACTERS] = characters;
      this.#bytes.write(name, (at + NAME_AT) * 4, 'utf16le');
      Atomics.store(words, hashOf(flight), hash.low);
      this.isNew = true;
      return flight;
    }
    return -1;
  }

  #hasName(at: number, name: string): boolean {
    const from = (at + NAME_AT) * 4;
    return this.#bytes.toString('utf16le', from, from + name.length * 2) === name;
  }

  #hide(flight: number): void {
    Atomics.store(this.#words, hashOf(flight), 0);
  }

  #tell(at: number): void {
    if (Atomics.load(this.#words, at + HEARD) === 0) return;
    Atomics.add(this.#words, at + NEWS, 1);
    Atomics.notify(this.#words, at + NEWS);
  }
}

function hashOf(flight: number): number {
  return Math.floor(flight / SET) * HEAD_WORDS + HASHES + (flight % SET);
}

function ownerOf(flight: number): number {
  return Math.floor(flight / SET) * HEAD_WORDS + OWNERS + (flight % SET);
}

function wordOf(flight: number): number {
  return FLIGHTS_AT + flight * FLIGHT_WORDS;
}
