import { FILLING, type ResponseRecords, SKIP } from './response-record.ts';

/**
 * A log that runs in a circle. Behind its head lies free space, up to the tail; then come the records, the oldest first.
 * Free space grows by what is taken from the tail. A record that has to stay is passed: it becomes the newest one where
 * it is, and what was free before it waits for the next time round.
 *
 * Every change is one store that leaves the log tiled. Under the shard's lock.
 */
export class ResponseLog {
  readonly start: number;
  readonly end: number;
  readonly #records: ResponseRecords;
  /** Word of the head; the tail's is the next one. */
  readonly #ends: number;

  constructor(records: ResponseRecords, ends: number, start: number, end: number) {
    this.#records = records;
    this.#ends = ends;
    this.start = start;
    this.end = end;
  }

  /** For memory that nobody has used yet. */
  clear(): void {
    this.#records.setSize(this.start, this.size);
    this.reset(this.start);
  }

  /** Without free space; the oldest record is at `ref`. */
  reset(ref: number): void {
    this.#head = ref;
    this.#tail = ref;
  }

  /** In units. */
  get size(): number {
    return this.end - this.start;
  }

  get free(): number {
    return this.#tail - this.#head;
  }

  get tail(): number {
    return this.#tail;
  }

  get isAtEnd(): boolean {
    return this.#tail === this.end;
  }

  has(ref: number): boolean {
    return ref >= this.start && ref < this.end;
  }

  /** On from the start. */
  wrap(): void {
    this.#head = this.start;
    this.#tail = this.start;
  }

  /** The oldest record, which nobody reads, becomes free space. */
  absorb(): void {
    const records = this.#records;
    const tail = this.#tail;
    const size = records.size(tail);
    if (this.free === 0) records.setState(tail, SKIP);
    else records.setSize(this.#head, this.free + size);
    this.#tail = tail + size;
  }

  /** The oldest record stays. */
  pass(): void {
    const next = this.#tail + this.#records.size(this.#tail);
    this.#head = next;
    this.#tail = next;
  }

  /** A record for `owner` from the free space. */
  cut(units: number, owner: number): number {
    const records = this.#records;
    const ref = this.#head;
    const rest = this.free - units;
    if (rest > 0) this.#skip(ref + units, rest);
    records.setOwner(ref, owner);
    records.setSize(ref, units);
    records.setState(ref, FILLING);
    this.#head = ref + units;
    return ref;
  }

  /** The record needs only its first `units`. */
  trim(ref: number, units: number): void {
    const records = this.#records;
    const size = records.size(ref);
    if (units === size) return;
    const isNewest = ref + size === this.#head;
    this.#skip(ref + units, size - units + (isNewest ? this.free : 0));
    records.setSize(ref, units);
    if (isNewest) this.#head = ref + units;
  }

  #skip(ref: number, units: number): void {
    this.#records.setSize(ref, units);
    this.#records.setState(ref, SKIP);
  }

  get #head(): number {
    return this.#records.words[this.#ends] as number;
  }

  set #head(ref: number) {
    this.#records.words[this.#ends] = ref;
  }

  get #tail(): number {
    return this.#records.words[this.#ends + 1] as number;
  }

  set #tail(ref: number) {
    this.#records.words[this.#ends + 1] = ref;
  }
}
