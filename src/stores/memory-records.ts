import type { Closable } from '../plan/policy.ts';
import { type Records, RecordsError, type RecordsState, type RecordValue } from '../plan/records.ts';
import { hasExpired, type StoredRecord, valuesOf } from './stored-record.ts';
import { Watchers } from './watchers.ts';

/** Records that last as long as the process: where there is no place to keep them. */
export class MemoryRecords implements Records {
  readonly state: RecordsState = { kind: 'memory', failure: null, since: Date.now() };
  readonly #collections = new Map<string, Map<string, StoredRecord>>();
  readonly #watchers: Watchers;
  #closed = false;

  constructor(problem: (message: string) => void) {
    this.#watchers = new Watchers(problem);
  }

  async list(collection: string): Promise<ReadonlyMap<string, RecordValue>> {
    return structuredClone(valuesOf(this.#open(collection)));
  }

  async put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void> {
    const records = this.#open(collection);
    const now = Date.now();
    for (const [each, record] of records) if (hasExpired(record, now)) records.delete(each);
    records.set(id, { value: structuredClone(value), expiresAt });
    this.#watchers.changed(collection);
  }

  async remove(collection: string, id: string): Promise<boolean> {
    const records = this.#open(collection);
    const record = records.get(id);
    if (record === undefined) return false;
    records.delete(id);
    if (hasExpired(record, Date.now())) return false;
    this.#watchers.changed(collection);
    return true;
  }

  watch(collection: string, changed: () => void): Closable {
    return this.#watchers.add(collection, changed);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.close();
  }

  #open(collection: string): Map<string, StoredRecord> {
    if (this.#closed) throw new RecordsError('the store was closed');
    let records = this.#collections.get(collection);
    if (records === undefined) {
      records = new Map();
      this.#collections.set(collection, records);
    }
    return records;
  }
}
