import { crc32 } from 'node:zlib';
import type { Fill } from '../plan/response-store.ts';
import { GONE, WHOLE } from './response-flights.ts';
import type { Hash } from './response-index.ts';
import { UNIT, unitsFor } from './response-layout.ts';
import type { ResponseParts } from './response-parts.ts';
import { ResponseRecords } from './response-record.ts';
import type { Candidate, ResponseShard } from './response-shard.ts';
import { ADMISSIONS, OUTDATED, REJECTED } from './response-shares.ts';

/** For a body of which nobody knows the length; when it is full, everything moves to a place of at least twice the size. */
const FIRST_CAPACITY = 2_048;

const BEGUN = 0;
const OPENED = 1;
const OVER = 2;

/** A response on its way into the store, in the thread that fetches it. */
export class ResponseFill implements Fill, Candidate, Hash {
  readonly leads = true;
  readonly replaces: number;
  /** Under which it will be found, with its hash. */
  key: string;
  high = 0;
  low = 0;
  isStored = false;
  readonly #parts: ResponseParts;
  /** -1: nobody can follow. */
  readonly #flight: number;
  readonly #begunKey: string;
  readonly #since: number;
  #state = BEGUN;
  #shard: ResponseShard;
  #tags: readonly string[] = [];
  #ref = 0;
  /** Bytes of the record before its body. */
  #head = 0;
  #capacity = 0;
  #most = 0;
  #length = -1;
  #progress = 0;
  #sum = 0;

  /** `since`: the latest purge before. `replaces`: see `Candidate`. */
  constructor(parts: ResponseParts, flight: number, key: string, since: number, replaces: number) {
    this.#parts = parts;
    this.#flight = flight;
    this.#begunKey = key;
    this.key = key;
    this.#since = since;
    this.replaces = replaces;
    this.#shard = parts.shards[0] as ResponseShard;
  }

  open(key: string, meta: Uint8Array, tags: readonly string[], length: number): boolean {
    if (this.#state !== BEGUN) return false;
    const { maxEntry, purges } = this.#parts;
    this.#most = maxEntry - meta.length;
    if (length > this.#most || this.#most < 0) return this.#refuse();
    const { high, low } = purges.hash(key);
    this.key = key;
    this.high = high;
    this.low = low;
    this.#tags = tags;
    this.#length = length;
    this.#capacity = length >= 0 ? length : Math.min(this.#most, FIRST_CAPACITY);
    const head = { key, meta, tags };
    this.#head = ResponseRecords.headBytes(head);
    this.#shard = this.#parts.shardOf(this);
    const ref = this.#shard.reserve(this, key, unitsFor(this.#head + this.#capacity));
    if (ref === 0) return this.#refuse();
    this.#ref = ref;
    this.#shard.records.writeHead(ref, head, this, (tag) => purges.hash(tag));
    this.#sum = crc32(meta);
    this.#state = OPENED;
    if (this.#flight < 0) return true;
    this.#parts.flights.place(this.#flight, this.#shard.number, ref);
    this.#parts.flights.open(this.#flight, length);
    return true;
  }

  append(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#state !== OPENED) return false;
    const progress = this.#progress + end - start;
    if (progress > this.#capacity && !this.#grow(progress)) return this.#refuse();
    const piece = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    this.#shard.records.bytes.set(piece, this.#ref * UNIT + this.#head + this.#progress);
    this.#sum = crc32(piece, this.#sum);
    this.#progress = progress;
    if (this.#flight >= 0) this.#parts.flights.progress(this.#flight, progress);
    return true;
  }

  commit(): void {
    if (this.#state !== OPENED || (this.#length >= 0 && this.#progress < this.#length)) {
      this.abandon();
      return;
    }
    this.#state = OVER;
    const { shares, flights, now } = this.#parts;
    const ref = this.#ref;
    const pin = this.#shard.pinOf(ref);
    // Those who follow find it where it is now, whatever becomes of it in the log.
    shares.pin(pin);
    this.#shard.records.seal(ref, this.#progress, now(), this.#sum | 0);
    this.isStored = this.#shard.commit(this, this, ref, unitsFor(this.#head + this.#progress));
    shares.count(this.isStored ? ADMISSIONS : OUTDATED);
    if (this.#flight >= 0 && flights.end(this.#flight, WHOLE)) this.#parts.linger(this.#flight, pin);
    else shares.unpin(pin);
  }

  abandon(): void {
    if (this.#state === OVER) return;
    this.#state = OVER;
    if (this.#flight >= 0 && this.#parts.flights.end(this.#flight, GONE)) this.#parts.linger(this.#flight, -1);
    // After the flight: who follows has pinned it by now, or does not find it any more.
    if (this.#ref !== 0) this.#shard.abandon(this.#ref);
  }

  isOutdated(): boolean {
    const { purges } = this.#parts;
    if (purges.concern(this.#since, this.key, this.#tags)) return true;
    return this.key !== this.#begunKey && purges.concern(this.#since, this.#begunKey, []);
  }

  #refuse(): false {
    this.#parts.shares.count(REJECTED);
    this.abandon();
    return false;
  }

  #grow(needed: number): boolean {
    if (this.#length >= 0 || needed > this.#most) return false;
    const capacity = Math.min(this.#most, Math.max(needed, this.#capacity * 2));
    const shard = this.#shard;
    const ref = shard.reserve(this, this.key, unitsFor(this.#head + capacity));
    if (ref === 0) return false;
    const before = this.#ref;
    shard.records.copy(before, ref, unitsFor(this.#head + this.#progress));
    this.#ref = ref;
    this.#capacity = capacity;
    if (this.#flight >= 0) this.#parts.flights.place(this.#flight, shard.number, ref);
    shard.abandon(before);
    return true;
  }
}
