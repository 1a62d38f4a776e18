import { ResponseGhosts } from './response-ghosts.ts';
import { type Hash, ResponseIndex } from './response-index.ts';
import { BUCKET, ENTRIES, LOCK, layoutOf, MAIN_ENDS, SMALL_ENDS, TAKEN } from './response-layout.ts';
import { ResponseLock } from './response-lock.ts';
import { ResponseLog } from './response-log.ts';
import { DEAD, LIVE, MAX_FREQUENCY, ResponseRecords, SKIP } from './response-record.ts';
import { BROKEN, EVICTIONS, ResponseShares } from './response-shares.ts';

/** Work while the lock is held once: records looked at, and units of 64 bytes moved. */
const LOOKS = 64;
const MOVES = 4_096;
/** How often the lock is taken for one record before it is given up. */
const TURNS = 64;
/** Part of the main log that records may take which are not whole yet. */
const FILLING_SHARE = 1 / 2;
/** Part of the main log, and part of the small log, that one record may take. */
const LARGEST_SHARE = 1 / 4;
const LARGEST_IN_SMALL = 1 / 4;

/** What becomes of the oldest record when room is needed: there is no time for it now, it stays where it is, or it is gone. */
const LATER = 0;
const STAYS = 1;
const GOES = 2;

/** Who has filled a record and wants it to be found. */
export interface Candidate {
  readonly key: string;
  /** The record that it takes the place of, and no other one; 0: whatever is there. */
  readonly replaces: number;
  /** Asked under the lock, after which purges find the record. */
  isOutdated(): boolean;
}

/**
 * A part of the stored responses. What comes in goes to the small log; what is asked for before it arrives at the tail
 * goes on to the main log, and in that once more round for each time it was asked for (S3-FIFO). Who finds a response
 * writes only its frequency and its own pins.
 */
export class ResponseShard {
  readonly number: number;
  readonly words: Int32Array;
  readonly records: ResponseRecords;
  readonly index: ResponseIndex;
  readonly small: ResponseLog;
  readonly main: ResponseLog;
  readonly lock: ResponseLock;
  readonly #ghosts: ResponseGhosts;
  readonly #shares: ResponseShares;
  readonly #mostFilling: number;
  #looks = 0;
  #moves = 0;

  constructor(memory: SharedArrayBuffer, number: number, shares: ResponseShares) {
    const layout = layoutOf(memory.byteLength);
    this.number = number;
    this.records = new ResponseRecords(memory);
    this.words = this.records.words;
    this.index = new ResponseIndex(this.words, layout.indexAt, layout.buckets);
    this.#ghosts = new ResponseGhosts(this.words, layout.ghostsAt, layout.ghostSets);
    this.small = new ResponseLog(this.records, SMALL_ENDS, layout.smallAt, layout.mainAt);
    this.main = new ResponseLog(this.records, MAIN_ENDS, layout.mainAt, layout.end);
    this.lock = new ResponseLock(this.words, LOCK, shares.id);
    this.#shares = shares;
    this.#mostFilling = Math.floor(this.main.size * FILLING_SHARE);
  }

  /** For memory that nobody has used yet. */
  clear(): void {
    this.small.clear();
    this.main.clear();
  }

  /** Units that one record may take. */
  get largest(): number {
    return Math.floor(this.main.size * LARGEST_SHARE);
  }

  pinOf(ref: number): number {
    return ResponseShares.pinOf(this.number, ref);
  }

  /** The place of the response under this key, pinned; 0: there is none. Needs no lock. */
  find(hash: Hash, key: string): number {
    for (let turn = 0; turn < 2; turn++) {
      const from = this.index.wordOf((turn === 0 ? this.index.first(hash) : this.index.second(hash)) * BUCKET);
      for (let word = from; word < from + BUCKET; word++) {
        if (this.words[word] !== hash.high) continue;
        const ref = this.pinned(word);
        if (ref === 0) continue;
        if (this.records.hasKey(ref, key)) {
          if (this.records.isSound(ref)) return ref;
          this.#discard(hash, ref);
        }
        this.#shares.unpin(this.pinOf(ref));
      }
    }
    return 0;
  }

  /** Pins what an entry of the index leads to; 0: it is free. */
  pinned(word: number): number {
    for (;;) {
      const ref = this.index.place(word);
      if (ref === 0) return 0;
      const pin = this.pinOf(ref);
      this.#shares.pin(pin);
      if (this.index.place(word) === ref) return ref;
      // It was moved, replaced or removed in between.
      this.#shares.unpin(pin);
    }
  }

  /** A record of that size to be filled; 0: there is no room. It is not found before `commit`. */
  reserve(hash: Hash, key: string, units: number): number {
    if (units > this.largest || this.#shares.reserved(this.number) + units > this.#mostFilling) return 0;
    // Before there is one: a thread that is ended in between is looked through in vain.
    this.#shares.reserve(this.number, units);
    let log: ResponseLog | null = null;
    for (let turn = 0; turn < TURNS && this.lock.take(); turn++) {
      this.#looks = LOOKS;
      this.#moves = MOVES;
      let ref = 0;
      try {
        log ??= this.#logFor(hash, key, units);
        if (this.#gather(log, units, true)) ref = log.cut(units, this.#shares.id);
      } finally {
        this.lock.release();
      }
      if (ref !== 0) return ref;
      // Everything is held by somebody.
      if (!this.#isSpent) break;
    }
    this.#shares.reserve(this.number, -units);
    return 0;
  }

  /** Makes a whole and sealed record findable. False: it is not stored, and gone. */
  commit(hash: Hash, candidate: Candidate, ref: number, units: number): boolean {
    const { records } = this;
    const reserved = records.size(ref);
    if (!this.lock.take()) {
      this.abandon(ref);
      return false;
    }
    let isStored = false;
    try {
      const word = this.entryOf(hash, candidate.key);
      const before = word < 0 ? 0 : this.index.place(word);
      if (!candidate.isOutdated() && (candidate.replaces === 0 || candidate.replaces === before)) {
        (this.small.has(ref) ? this.small : this.main).trim(ref, units);
        if (before === 0) this.#enter(hash, ref);
        else this.#replace(word, before, ref);
        this.words[ENTRIES] = (this.words[ENTRIES] as number) + 1;
        this.words[TAKEN] = (this.words[TAKEN] as number) + units;
        isStored = true;
      } else {
        records.setState(ref, DEAD);
      }
    } finally {
      this.lock.release();
    }
    this.#shares.reserve(this.number, -reserved);
    return isStored;
  }

  /** A record that this thread fills will not be. */
  abandon(ref: number): void {
    const units = this.records.size(ref);
    this.records.setState(ref, DEAD);
    this.#shares.reserve(this.number, -units);
  }

  /** Removes the response under this key, or marks it: how many there were; -1: the lock was not to be had. */
  purge(hash: Hash, key: string, soft: boolean): number {
    if (!this.lock.take()) return -1;
    try {
      const word = this.entryOf(hash, key);
      if (word < 0) return 0;
      if (soft) this.records.markStale(this.index.place(word));
      else this.drop(word, this.index.place(word));
      return 1;
    } finally {
      this.lock.release();
    }
  }

  /** What is there is not what was stored. */
  #discard(hash: Hash, ref: number): void {
    this.#shares.count(BROKEN);
    if (!this.lock.take()) return;
    try {
      const word = this.index.leadingTo(hash, ref);
      if (word >= 0) this.drop(word, ref);
    } finally {
      this.lock.release();
    }
  }

  /** Under the lock. */
  drop(word: number, ref: number): void {
    // First, so that a repair does not bring it back.
    this.records.setState(ref, DEAD);
    this.index.setPlace(word, 0);
    this.#forget(ref);
  }

  /** The same size with the same key again is likely in the log where the one before had come to. */
  #logFor(hash: Hash, key: string, units: number): ResponseLog {
    const { small, main } = this;
    if (units > small.size * LARGEST_IN_SMALL) return main;
    const word = this.entryOf(hash, key);
    if (word >= 0 && main.has(this.index.place(word))) return main;
    if (this.#ghosts.take(hash.high, hash.low, this.words[ENTRIES] as number)) return main;
    return this.#gather(main, units, false) ? main : small;
  }

  /** Free space of that size. `evicts` false: only where nothing is lost by it. */
  #gather(log: ResponseLog, units: number, evicts: boolean): boolean {
    // Twice round, everything has been met that can be.
    let left = log.size * 2;
    while (log.free < units) {
      if (left <= 0 || this.#isSpent) return false;
      if (log.isAtEnd) {
        log.wrap();
        continue;
      }
      const ref = log.tail;
      const state = this.records.state(ref);
      const isLoose = state === SKIP || (state === DEAD && !this.#shares.isPinned(this.pinOf(ref)));
      if (!isLoose && !evicts) return false;
      this.#looks--;
      left -= this.records.size(ref);
      const fate = isLoose ? GOES : state === LIVE ? this.#evict(log, ref) : STAYS;
      if (fate === LATER) return false;
      if (fate === GOES) log.absorb();
      else log.pass();
    }
    return true;
  }

  /** The bound on work under the lock is reached. */
  get #isSpent(): boolean {
    return this.#looks <= 0 || this.#moves <= 0;
  }

  #evict(log: ResponseLog, ref: number): number {
    const { records } = this;
    if (this.#shares.isPinned(this.pinOf(ref))) return STAYS;
    const frequency = records.frequency(ref);
    const units = records.size(ref);
    if (log === this.main) {
      if (frequency === 0) return this.#lose(ref, false);
      records.setFrequency(ref, frequency - 1);
      // Where it would overlap itself it stays: what is free before it waits for the next time round.
      return log.free >= units ? this.#move(ref, units) : STAYS;
    }
    if (frequency === 0) return this.#lose(ref, true);
    if (!this.#gather(this.main, units, true)) return this.#isSpent ? LATER : this.#lose(ref, false);
    records.setFrequency(ref, 0);
    return this.#move(ref, units);
  }

  #lose(ref: number, leavesGhost: boolean): number {
    const hash = this.#hashOf(ref);
    const word = this.index.leadingTo(hash, ref);
    if (word >= 0) this.index.setPlace(word, 0);
    if (this.#shares.isPinned(this.pinOf(ref))) {
      // Somebody found it at the last moment.
      if (word >= 0) this.index.setPlace(word, ref);
      return STAYS;
    }
    if (word >= 0) this.#forget(ref);
    if (leavesGhost) this.#ghosts.add(hash.high, hash.low);
    this.#shares.count(EVICTIONS);
    return GOES;
  }

  /** To the head of the main log, in which there is room. It is found all the time, here or there. */
  #move(ref: number, units: number): number {
    const { records } = this;
    const to = this.main.cut(units, this.#shares.id);
    records.copy(ref, to, units);
    const word = this.index.leadingTo(this.#hashOf(ref), ref);
    records.setState(to, LIVE);
    if (word >= 0) this.index.setPlace(word, to);
    records.setState(ref, DEAD);
    this.#moves -= units;
    return this.#shares.isPinned(this.pinOf(ref)) ? STAYS : GOES;
  }

  /** The entry of this key; -1: none. Under the lock, where what entries lead to stays. */
  entryOf(hash: Hash, key: string): number {
    for (let turn = 0; turn < 2; turn++) {
      const from = this.index.wordOf((turn === 0 ? this.index.first(hash) : this.index.second(hash)) * BUCKET);
      for (let word = from; word < from + BUCKET; word++) {
        if (this.words[word] !== hash.high) continue;
        const ref = this.index.place(word);
        if (ref !== 0 && this.records.hasKey(ref, key)) return word;
      }
    }
    return -1;
  }

  #enter(hash: Hash, ref: number): void {
    let word = this.index.free(hash);
    if (word < 0) {
      word = this.#leastAsked(hash);
      this.drop(word, this.index.place(word));
      this.#shares.count(EVICTIONS);
    }
    this.records.setState(ref, LIVE);
    this.index.set(word, hash, ref);
  }

  #replace(word: number, before: number, ref: number): void {
    this.records.setFrequency(ref, Math.min(MAX_FREQUENCY, this.records.frequency(before)));
    this.records.setState(ref, LIVE);
    this.index.setPlace(word, ref);
    this.records.setState(before, DEAD);
    this.#forget(before);
  }

  /** Of the entries in the two buckets of a hash, which are full. */
  #leastAsked(hash: Hash): number {
    let least = -1;
    let times = MAX_FREQUENCY + 1;
    for (let turn = 0; turn < 2; turn++) {
      const from = this.index.wordOf((turn === 0 ? this.index.first(hash) : this.index.second(hash)) * BUCKET);
      for (let word = from; word < from + BUCKET; word++) {
        const frequency = this.records.frequency(this.index.place(word));
        if (frequency >= times) continue;
        least = word;
        times = frequency;
      }
    }
    return least;
  }

  #forget(ref: number): void {
    this.words[ENTRIES] = (this.words[ENTRIES] as number) - 1;
    this.words[TAKEN] = (this.words[TAKEN] as number) - this.records.size(ref);
  }

  #hashOf(ref: number): Hash {
    return { high: this.records.hashHigh(ref), low: this.records.hashLow(ref) };
  }
}
