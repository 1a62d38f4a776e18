import type { FeedPublisher } from '../plan/feed.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import {
  ALL_PURGED,
  LATEST_PURGE,
  type LoggedPurge,
  PREFIXES,
  PURGE_COUNT,
  purgeName,
} from '../plan/shared-responses.ts';

/** What workers are told of at most: of what was purged before these, everything is taken for purged. */
const MAX_NAMES = 50_000;
/** A prefix is compared with each response that machines share. */
const MAX_PREFIXES = 200;

/** What was purged of the responses that machines share, for the workers who read them. */
export class SharedPurges {
  readonly #publisher: FeedPublisher<unknown>;
  readonly #count: Int32Array;
  readonly #ids = new Map<string, string>();
  #prefixes: (readonly [prefix: string, id: string])[] = [];
  #all = '';
  #latest = '';
  #heard = 0;

  constructor(publisher: FeedPublisher<unknown>, count: SharedArrayBuffer) {
    this.#publisher = publisher;
    this.#count = new Int32Array(count);
    this.away();
  }

  /** Nobody trusts what is shared until `hear`. */
  away(): void {
    Atomics.store(this.#count, 0, -1);
  }

  hear(purges: readonly LoggedPurge[], isKnown: boolean): void {
    const changed = new Map<string, unknown>();
    for (const { id, purge } of purges) {
      this.#latest = id;
      this.#note(id, purge, changed);
    }
    // Whatever was lost came before the last of them.
    if (!isKnown) this.#all = this.#latest;
    this.#trim(changed);
    this.#heard = (this.#heard + 1) & 0x7fffffff;
    // First of all: what workers have read until now may have been purged.
    Atomics.store(this.#count, 0, this.#heard);
    const fixed: [string, unknown][] = [
      [ALL_PURGED, this.#all],
      [LATEST_PURGE, this.#latest],
      [PREFIXES, this.#prefixes],
      [PURGE_COUNT, this.#heard],
    ];
    this.#publisher.update([...changed, ...fixed]);
  }

  #note(id: string, purge: ResponsePurge, changed: Map<string, unknown>): void {
    if (purge.by === 'all') {
      this.#all = id;
    } else if (purge.by === 'prefix') {
      this.#prefixes = [...this.#prefixes.filter(([prefix]) => prefix !== purge.value), [purge.value, id] as const];
    } else {
      const name = purgeName(purge);
      this.#ids.delete(name);
      this.#ids.set(name, id);
      changed.set(name, id);
    }
  }

  #trim(changed: Map<string, unknown>): void {
    while (this.#prefixes.length > MAX_PREFIXES) this.#all = later(this.#all, this.#prefixes.shift()?.[1] ?? '');
    for (const [name, id] of this.#ids) {
      if (this.#ids.size <= MAX_NAMES && id > this.#all) break;
      this.#all = later(this.#all, id);
      this.#ids.delete(name);
      changed.set(name, undefined);
    }
  }
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}
