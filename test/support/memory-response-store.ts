import type {
  Fill,
  Flight,
  FlightFollower,
  ResponsePurge,
  ResponseStore,
  StoredResponse,
} from '../../src/plan/response-store.ts';

interface Entry {
  readonly meta: Buffer;
  readonly body: Buffer;
  readonly tags: readonly string[];
  readonly storedAt: number;
  readonly version: number;
  isStale: boolean;
}

/** What the port says, in one process and without a bound: for tests of what is built on it. */
export class MemoryResponseStore implements ResponseStore {
  readonly maxEntry: number;
  readonly now: () => number;
  readonly entries = new Map<string, Entry>();
  readonly flights = new Map<string, MemoryFill>();
  readonly fills = new Set<MemoryFill>();
  versions = 0;
  /** Found and not released. */
  held = 0;

  constructor(maxEntry = 1024 ** 2, now: () => number = Date.now) {
    this.maxEntry = maxEntry;
    this.now = now;
  }

  find(key: string): StoredResponse | null {
    const entry = this.entries.get(key);
    if (entry === undefined) return null;
    const { meta, body, storedAt, version, isStale } = entry;
    this.held++;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.held--;
      isHeld = false;
    };
    return { meta, body, storedAt, version, isStale, release };
  }

  begin(key: string): Fill | Flight {
    const under = this.flights.get(key);
    if (under !== undefined) return new MemoryFlight(under);
    const fill = new MemoryFill(this, key);
    this.flights.set(key, fill);
    this.fills.add(fill);
    return fill;
  }

  remove(key: string): void {
    void this.purge({ by: 'key', value: key, soft: false });
  }

  async purge(purge: ResponsePurge): Promise<number> {
    let count = 0;
    for (const fill of this.fills) {
      fill.purges.push(purge);
      if (fill.isPurged) fill.unlink();
    }
    for (const [key, entry] of this.entries) {
      if (!matches(purge, key, entry.tags)) continue;
      count++;
      if (purge.soft) entry.isStale = true;
      else this.entries.delete(key);
    }
    return count;
  }

  refresh(key: string, meta: Uint8Array, version: number): boolean {
    const entry = this.entries.get(key);
    if (entry?.version !== version) return false;
    const refreshed = { meta: Buffer.from(meta), storedAt: this.now(), version: ++this.versions, isStale: false };
    this.entries.set(key, { ...entry, ...refreshed });
    return true;
  }
}

class MemoryFill implements Fill {
  readonly leads = true;
  readonly startKey: string;
  key: string;
  meta: Buffer | null = null;
  tags: readonly string[] = [];
  length = -1;
  body = Buffer.alloc(0);
  state: 'waiting' | 'whole' | 'gone' = 'waiting';
  /** That came while it was under way: under which key and tags it will be, they may come before. */
  readonly purges: ResponsePurge[] = [];
  readonly followers = new Set<MemoryFlight>();
  readonly #store: MemoryResponseStore;

  constructor(store: MemoryResponseStore, key: string) {
    this.#store = store;
    this.startKey = key;
    this.key = key;
  }

  open(key: string, meta: Uint8Array, tags: readonly string[], length: number): boolean {
    this.key = key;
    this.tags = tags;
    this.length = length;
    if (this.isPurged) this.unlink();
    if (meta.length + Math.max(0, length) > this.#store.maxEntry) {
      this.#end('gone');
      return false;
    }
    this.meta = Buffer.from(meta);
    this.#tell();
    return true;
  }

  append(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.state !== 'waiting' || this.meta === null) return false;
    const size = this.meta.length + this.body.length + end - start;
    if (size > this.#store.maxEntry || (this.length >= 0 && this.body.length + end - start > this.length)) {
      this.#end('gone');
      return false;
    }
    this.body = Buffer.concat([this.body, bytes.subarray(start, end)]);
    this.#tell();
    return true;
  }

  commit(): void {
    if (this.state !== 'waiting') return;
    if (this.meta === null || (this.length >= 0 && this.body.length < this.length)) {
      this.#end('gone');
      return;
    }
    if (!this.isPurged) {
      const { meta, body, tags } = this;
      const version = ++this.#store.versions;
      this.#store.entries.set(this.key, { meta, body, tags, storedAt: this.#store.now(), version, isStale: false });
    }
    this.#end('whole');
  }

  abandon(): void {
    if (this.state === 'waiting') this.#end('gone');
  }

  get isPurged(): boolean {
    const { startKey, key, tags } = this;
    return this.purges.some((purge) => matches(purge, startKey, tags) || matches(purge, key, tags));
  }

  /** Nobody follows it any more who does not yet. */
  unlink(): void {
    if (this.#store.flights.get(this.startKey) === this) this.#store.flights.delete(this.startKey);
  }

  #end(state: 'whole' | 'gone'): void {
    this.state = state;
    this.unlink();
    this.#store.fills.delete(this);
    this.#tell();
  }

  /** In a turn of its own, as when the followers are other threads. */
  #tell(): void {
    for (const follower of this.followers) setImmediate(() => follower.pump());
  }
}

class MemoryFlight implements Flight {
  readonly leads = false;
  readonly #fill: MemoryFill;
  /** Purges that came before. */
  readonly #purges: readonly ResponsePurge[];
  #follower: FlightFollower | null = null;
  #hasHead = false;
  #at = 0;
  #isPaused = false;

  constructor(fill: MemoryFill) {
    this.#fill = fill;
    this.#purges = [...fill.purges];
  }

  follow(follower: FlightFollower): void {
    this.#follower = follower;
    this.#fill.followers.add(this);
    this.pump();
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  leave(): void {
    this.#follower = null;
    this.#fill.followers.delete(this);
  }

  pump(): void {
    const { state, meta, key, tags, length } = this.#fill;
    const follower = this.#follower;
    if (follower === null) return;
    if (state === 'gone') {
      this.leave();
      follower.gone();
      return;
    }
    if (meta === null) return;
    if (!this.#hasHead) {
      this.#hasHead = true;
      if (this.#purges.some((purge) => matches(purge, key, tags))) {
        this.leave();
        follower.outdated();
        return;
      }
      if (!follower.head(key, meta, length)) this.leave();
    }
    if (this.#isPaused || this.#follower === null) return;
    const bytes = this.#fill.body.subarray(this.#at);
    if (bytes.length > 0) {
      this.#at += bytes.length;
      this.#isPaused = !follower.data(bytes);
    }
    if (state !== 'whole' || this.#isPaused || this.#follower === null) return;
    this.leave();
    follower.end();
  }
}

function matches({ by, value }: ResponsePurge, key: string, tags: readonly string[]): boolean {
  if (by === 'all') return true;
  if (by === 'key') return key === value;
  return by === 'prefix' ? key.startsWith(value) : tags.includes(value);
}
