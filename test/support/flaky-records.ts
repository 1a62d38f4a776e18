import type { Closable } from '../../src/plan/policy.ts';
import { type Records, RecordsError, type RecordsState, type RecordValue } from '../../src/plan/records.ts';
import { MemoryRecords } from '../../src/stores/memory-records.ts';

/** Records that can be out of reach, under the kind of store that a test needs. */
export class FlakyRecords implements Records {
  readonly state: RecordsState;
  /** Names of operations that fail. */
  readonly failing = new Set<'list' | 'put' | 'remove'>();
  /** How often each collection was listed. */
  readonly lists: string[] = [];
  readonly #inner = new MemoryRecords(() => undefined);

  constructor(kind = 'memory') {
    this.state = { kind, failure: null, since: 0 };
  }

  async list(collection: string): Promise<ReadonlyMap<string, RecordValue>> {
    this.lists.push(collection);
    this.#unlessFailing('list');
    return await this.#inner.list(collection);
  }

  async put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void> {
    this.#unlessFailing('put');
    await this.#inner.put(collection, id, value, expiresAt);
  }

  async remove(collection: string, id: string): Promise<boolean> {
    this.#unlessFailing('remove');
    return await this.#inner.remove(collection, id);
  }

  watch(collection: string, changed: () => void): Closable {
    return this.#inner.watch(collection, changed);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #unlessFailing(operation: 'list' | 'put' | 'remove'): void {
    if (this.failing.has(operation)) throw new RecordsError('the store is out of reach');
  }
}
